"""A ledger of what boxes keep, day by day: their nodes' memory, their disks, and what should be gone.

Only boxes that are never restarted are weighed: a restart forgets, and would hide
growth.  The rule is growth.py's.
"""

from . import growth

# Not weighed: a counter that moves for the first time is new, and their names are fixed.
FIXED = ("counters",)
# Rises that are noise in any table: of entries, of bytes.
LEAST = {"entries": 3, "bytes": 256}
# Series named in a failure.
NAMED = 6


class Ledger:
    """Samples of `boxes`, all of which must be live whenever one is taken."""

    def __init__(self, lab, boxes):
        self.boxes = boxes
        self.shared = (lab, lab.world, lab.fleet, lab.operator)
        # (place, "entries" or "bytes") -> a number for each sample, summed over the boxes.
        self.series = {}
        self.samples = 0

    def sample(self):
        """Weighs every box now."""
        found = {}
        for box in self.boxes:
            for place, weight in growth.weigh(box.node, self.shared + (box.disk,)).items():
                if not place.startswith(FIXED):
                    _add(found, "node." + place, weight.entries, weight.bytes)
            for name in box.disk.names(""):
                _add(found, "disk " + name.partition("-")[0], 1, box.disk.size(name))
        for key in set(self.series) | set(found):
            self.series.setdefault(key, [0] * self.samples).append(found.get(key, 0))
        self.samples += 1

    def total(self, kind):
        """A number for each sample: all `kind` ("entries" or "bytes") of the nodes' memory."""
        rows = [row for (place, what), row in self.series.items() if what == kind and place.startswith("node.")]
        return [sum(column) for column in zip(*rows)]

    def verdict(self, warm):
        """"" or what grows, of the samples after the first `warm`."""
        grown = []
        for (place, kind), row in sorted(self.series.items()):
            rise = growth.grown(row[warm:], LEAST[kind])
            if rise:
                grown.append((rise, "%s: %d to %d %s" % (place, row[warm], row[-1], kind)))
        grown.sort(reverse=True)
        lines = [text for _, text in grown[:NAMED]]
        return "; ".join(lines) + (" and %d more" % (len(grown) - NAMED) if len(grown) > NAMED else "")

    def steepest(self, warm):
        """(deviations, rise, place, kind) of the surest rise there was."""
        return max(growth.trend(row[warm:]) + key for key, row in self.series.items())


def _add(found, place, entries, size):
    for kind, amount in (("entries", entries), ("bytes", size)):
        if amount:
            found[place, kind] = found.get((place, kind), 0) + amount


def leftovers(lab, boxes, gone, kept):
    """"" or where nodes still hold what is `gone`: {bytes or text: what it is}.

    `kept`: places in which such a thing may stay, as the start of a path.
    """
    found = set()
    for box in boxes:
        for path, value in growth.walk(box.node, (lab, lab.world, lab.fleet, lab.operator, box.disk)):
            if isinstance(value, (bytes, str)) and value in gone and not path.startswith(kept):
                found.add("%s in %s of box %d" % (gone[value], path, box.number))
    some = sorted(found)
    return "; ".join(some[:NAMED]) + (" and %d more" % (len(some) - NAMED) if len(some) > NAMED else "")
