"""What an idle box writes to its state directory in a day of virtual time, as JSON: bytes and files.

A few boxes in no slice, at the default rounds; the mean of a box, after the first hour.
"""

import json

from lan import Lan, MemoryDisk

BOXES = 12  # enough to fill the contacts
HOUR_MS = 3600000


class CountingDisk(MemoryDisk):
    """Counts what is written to the state directory."""

    written = files = 0

    def write(self, name, data):
        if name.startswith("state-"):
            CountingDisk.written += len(data)
            CountingDisk.files += 1
        super().write(name, data)


def main():
    """One day."""
    lan = Lan(BOXES, busy_round_ms=1000, round_ms=60000)
    for number in range(BOXES):
        node = lan.nodes[number]
        node.store.disk = CountingDisk()
        node.membership.join([lan.descriptor(other) for other in range(BOXES) if other != number])
    lan.run(HOUR_MS)
    CountingDisk.written = CountingDisk.files = 0
    lan.run(24 * HOUR_MS)
    print(json.dumps({"bytes": round(CountingDisk.written / BOXES), "files": round(CountingDisk.files / BOXES, 1)}))


main()
