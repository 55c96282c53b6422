"""Which agent the launcher starts now: the packaged one, or that of a slot.

    python -m backfence.agent.edge.launch --home DIR [--ended CODE]

CODE is the exit code of what this launcher started before, on this word.  One line
comes out: `packaged`, `archive PATH` or `executable PATH`.  By then the record of
the slots says so on the medium, so that each start of a trial is counted although
the power may go at any moment.

This program is the packaged agent's, whatever runs.  If it fails, the packaged
agent runs: the line `packaged`, why on stderr, and exit code 1, for how that agent
ends says nothing of a slot.
"""

import sys

from .. import release, slots
from ..compat import const
from ..errors import RemoteError
from . import disk

USAGE = "usage: backfence.agent.edge.launch --home DIR [--ended CODE]"
_KINDS = {slots.ARCHIVE: "archive", slots.EXECUTABLE: "executable"}
_RECORD = "state-" + slots.STATE
# A shell's largest exit code.
_CODE_MOST = const(255)


def judge(box_disk, code=None, packaged=release.SEQUENCE):
    """(slot number, its kind or 0) to start now; the record is durable when this returns.

    box_disk: disk.Disk; code: exit code (int) of what judge() had started before, if
    it was started since the box's own start.  RemoteError if the record is broken,
    OSError if it cannot be read or written: then the packaged agent is to run.
    """
    size = box_disk.size(_RECORD)
    if size < 0:
        return slots.PACKAGED, 0
    before = box_disk.read(_RECORD, 0, min(size, slots.RECORD_BYTES + 1))
    record = slots.decode(before)

    def whole(slot):
        reading = slots.Reading(box_disk, slot, record.rows[slot])
        while not reading.step():
            pass
        return reading.whole

    if code is not None:
        slots.ended(record, code)
    slot = slots.choose(record, packaged, whole)
    after = slots.encode(record)
    if after != before:  # flash is written only for a change
        box_disk.write(_RECORD, after)
    return slot, record.rows[slot].kind if slot else 0


def _arguments(argv):
    """(home, exit code or None), None if the command line is wrong."""
    if len(argv) not in (2, 4) or argv[0] != "--home" or not argv[1]:
        return None
    if len(argv) == 2:
        return argv[1], None
    if argv[2] != "--ended" or not argv[3].isdigit() or int(argv[3]) > _CODE_MOST:
        return None
    return argv[1], int(argv[3])


def main(argv):
    """Print the line; the exit code."""
    arguments = _arguments(argv)
    if arguments is None:
        sys.stderr.write("Error: wrong arguments\n%s\n" % USAGE)
        return 2
    home, code = arguments
    state, place = home + "/state", home + "/slots"
    line = "packaged"
    failed = 0
    if disk.is_directory(state) and disk.is_directory(place):
        try:
            # No blob is touched, so no store is needed.
            slot, kind = judge(disk.Disk(state, state, place), code)
            if slot:
                line = "%s %s/%s" % (_KINDS[kind], place, slots.NAMES[slot])
        except (OSError, RemoteError) as problem:
            sys.stderr.write("warning: the packaged agent is started: %s\n" % problem)
            failed = 1
    print(line)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
