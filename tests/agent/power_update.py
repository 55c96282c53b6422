"""A launched box in a folder: the launcher's judge, agents in virtual time, images to install.

What an image holds does not matter to the launcher and to the node that installs it, so
images here are a few KB of noise; the node that "runs" from a slot is the one of the tree.
"""

import contextlib
import functools
import hashlib
import io
import os

import cbor2
from lan import WALL_S, sign
from power_box import BoxLan, read

from backfence.agent import slots
from backfence.agent.edge import launch
from backfence.agent.update import Running
from backfence.agent.wire import suit
from backfence.agent.manifest import firmware_name

CLASS = suit.class_id(suit.vendor_id("backfence.invalid"), "box")
VENDOR = suit.vendor_id("backfence.invalid")
COMPONENT = ["agent", "mpy6"]
# After so long a disk that refused is tried again, at first.
DISK_MS = 600000
TRIAL_S = 10
# Three writes of a page.
IMAGE_BYTES = 9000
SLOT_KB = 64


@functools.cache
def image(sequence, size=IMAGE_BYTES):
    """The image with that sequence number."""
    pieces = [hashlib.sha256(b"%d %d" % (sequence, number)).digest() for number in range(size // 32 + 1)]
    return b"".join(pieces)[:size]


@functools.cache
def firmware(sequence, size=IMAGE_BYTES, **changes):
    """(signed manifest, [blobs]) of the image with that sequence number, as its operator would sign it."""
    data = image(sequence, size)
    parts = [data[at : at + suit.PART_BYTES] for at in range(0, size, suit.PART_BYTES)]
    index = b"".join(hashlib.sha256(part).digest() for part in parts)
    fields = {
        "kind": "firmware", "name": firmware_name(COMPONENT, CLASS), "seq": sequence, "issued": sequence,
        "expires": WALL_S + 86400, "component": COMPONENT, "vendor": VENDOR, "class": CLASS,
        "image": hashlib.sha256(data).digest(), "size": size, "index": hashlib.sha256(index).digest(),
    }
    fields.update(changes)
    return sign(fields), [index, *parts]


class Unjudged(Exception):
    """The launcher's program has failed: the packaged agent is to run, and to count for nothing."""


def judged(home, code=None):
    """(slot number, path of its file or None): what the launcher's program says is to start.  Unjudged."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        arguments = ["--home", home] + ([] if code is None else ["--ended", str(code)])
        failed = launch.main(arguments)
    if failed:
        assert out.getvalue() == "packaged\n"
        raise Unjudged
    [line] = out.getvalue().splitlines()
    if line == "packaged":
        return slots.PACKAGED, None
    kind, path = line.split(" ")
    assert kind == "archive"
    return slots.NAMES.index(os.path.basename(path)), path


class Launched:
    """A box and its launcher: what starts, how it ends.  journal: where promises are marked."""

    def __init__(self, home, journal=None, store=None):
        self.home, self.journal, self._store = home, journal, store
        self.lan = self.slot = self.path = None
        self.unjudged = False

    def mark(self, *value):
        """Note in the journal, if there is one."""
        if self.journal:
            self.journal.mark(value)

    def start(self, code=None):
        """The launcher judges, what it names starts."""
        try:
            self.slot, self.path = judged(self.home, None if self.unjudged else code)
            self.unjudged = False
        except Unjudged:
            self.slot, self.path, self.unjudged = slots.PACKAGED, None, True
        self.mark("starts", self.slot, self.sequence())
        return self.starts_unjudged()

    def starts_unjudged(self):
        """What ran, or is to run, starts, and the launcher's program was not asked."""
        settings = {"store_dir": self._store} if self._store else {}
        self.lan = BoxLan(self.home, self.journal, running=Running(self.slot, ("mpy6",), 0),
                          trial_s=TRIAL_S, slot_kb=SLOT_KB, **settings)
        return self

    @property
    def node(self):
        """The agent that runs."""
        return self.lan.nodes[0]

    def sequence(self):
        """The sequence number of the image in the file that runs, 0 for the packaged agent."""
        return record_of(self.home).rows[self.slot].sequence if self.slot else 0

    def push(self, sequence, **changes):
        """A signed image comes in; its blobs are in the store already."""
        signed, blobs = firmware(sequence, **changes)
        for blob in blobs:
            self.node.store.put(blob)
        self.node.rumours.offer(signed)

    def run(self, most_ms):
        """Let the agent run; the exit code if it ends itself, else None."""
        end_ms = self.lan.now_ms + most_ms
        while self.lan.now_ms < end_ms:
            self.lan.run(min(1000, end_ms - self.lan.now_ms))
            for event in self.lan.events.get(0, []):
                if event[0] == "restart":
                    return event[1]
        return None

    def install(self, sequence, also=(), **changes):
        """An image comes in and is installed; the agent's exit code.  also: what else may run meanwhile."""
        self.mark("may", self.sequence(), sequence, *also)
        self.push(sequence, **changes)
        code = self.run(20000)
        assert code == slots.ANEW, "not installed: %r" % (self.node.update.status(),)
        self.mark("may", sequence)
        return code

    def update(self, sequence, **changes):
        """Install an image, start it, let it prove itself."""
        self.start(self.install(sequence, **changes))
        self.prove()

    def prove(self):
        """The trial runs long enough to prove itself."""
        assert self.run(TRIAL_S * 100 + 2000) is None and not self.node.update.on_trial()
        self.mark("confirmed", self.sequence())

    def ends(self, code, *may):
        """The agent ends so; the launcher judges again.  may: the sequences that may run after that."""
        if len(may) > 1 or may[0] != self.sequence():
            self.mark("may", self.sequence(), *may)
        self.start(code)
        assert self.sequence() in may
        self.mark("may", self.sequence())


def record_of(home):
    """The slots.Record in a home directory, a new one if there is none."""
    path = home + "/state/state-slots"
    return slots.decode(read(path)) if os.path.exists(path) else slots.Record()


def fields_of(home):
    """The record's list as it lies there, read by another CBOR library; None if there is none."""
    path = home + "/state/state-slots"
    return cbor2.loads(read(path)) if os.path.exists(path) else None
