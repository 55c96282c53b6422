"""A world in which a fleet averages: what the benches and scenarios of aggregation share.

Real nodes, real timeouts and datagram sizes, plain speech.  A round is one
second, idle or not; a cycle is a round.  Boxes are replaced by fresh ones with
other keys, never by themselves.
"""

from dataclasses import replace

from .lab import Lab

ROUND_MS = 1_000
# Looks at the world for each cycle.
LOOKS = 4


class Averaging:
    """`nodes` boxes that average one attribute; values: number of the box -> int.

    loss: share of datagrams lost.  churn: share of the boxes replaced each cycle.
    """

    def __init__(self, nodes, seed, values, loss=0.0, churn=0.0, cycles=0, attribute="load"):
        spares = int(nodes * churn * cycles) + bool(churn)
        self.nodes = nodes
        self.attribute = attribute
        self.lab = Lab("averaging", nodes + spares, seed, speech="plain", round_ms=str(ROUND_MS))
        self.world = self.lab.world
        self.world.network.faults = replace(self.world.network.faults, loss=loss)
        self._values = values
        self._churn = churn
        self._owed = 0.0
        self._spares = list(range(nodes, nodes + spares))
        self._rng = self.world.stream("churn")
        self.begun = {}  # epoch: boxes that were live when it began
        self.sizes = {}  # epoch: {number of the box: the size it found}
        self.lab.boot_joined(count=nodes)
        self.world.run_until(ROUND_MS)
        for box in self.world.live():
            self._equip(box)

    def _equip(self, box):
        """One query only: the others would cost time and show nothing more."""
        averages = box.node.aggregate.averages
        box.node.attributes[self.attribute] = self._values(box.number)
        for key in [key for key, query in averages.queries.items() if query.attribute != self.attribute]:
            averages.drop(key)

    def cycle(self):
        """One cycle, looked at LOOKS times."""
        for _ in range(LOOKS):
            self.world.run_until(self.world.now_ms + ROUND_MS // LOOKS)
            self._replace_some()
            live = self.world.live()
            for box in live:
                aggregate = box.node.aggregate
                if aggregate.epoch.number:
                    self.begun.setdefault(aggregate.epoch.number, len(live))
                if aggregate.outcome:
                    self.sizes.setdefault(aggregate.outcome.number, {})[box.number] = aggregate.outcome.size

    def _replace_some(self):
        self._owed += self._churn * self.nodes / LOOKS
        live = self.world.live()
        while self._owed >= 1 and self._spares:
            self._owed -= 1
            victim = live.pop(self._rng.randrange(len(live)))
            victim.wanted = False
            victim.crash()
            spare = self.world.boxes[self._spares.pop(0)]
            self.lab.enter(spare, self._rng.sample(live, 4))
            self._equip(spare)

    def taking_part(self, epoch):
        """Live nodes that average in epoch `epoch` now."""
        nodes = [box.node for box in self.world.live()]
        return [node for node in nodes if node.aggregate.epoch.number == epoch and node.aggregate.epoch.taking_part]

    def query(self, node):
        """A node's Query of the attribute."""
        for query in node.aggregate.averages.queries.values():
            if query.attribute == self.attribute:
                return query
        return None

    def variance(self, epoch):
        """Variance over the boxes of what they hold as the attribute's mean."""
        held = [self.query(node).moments[1] for node in self.taking_part(epoch)]
        mean = sum(held) / len(held)
        return sum((value - mean) ** 2 for value in held) / len(held)

    def masses(self, epoch):
        """The sum over the boxes of each cell that all of them keep; 1 if nothing was lost."""
        nodes = self.taking_part(epoch)
        kept = set(nodes[0].aggregate.averages.sizes.cells)
        for node in nodes:
            kept &= set(node.aggregate.averages.sizes.cells)
        return [sum(node.aggregate.averages.sizes.cells[key] for node in nodes) for key in sorted(kept)]

    def until_epoch(self, number, say=None):
        """Cycles until all boxes but newcomers take part in epoch `number`."""
        while len(self.taking_part(number)) < 0.95 * self.nodes:
            self.cycle()
        if say:
            say("epoch %d has begun" % number)

    def until_complete(self, number, say=None):
        """Cycles until every box that takes part has the results of epoch `number`."""
        while any(not node.aggregate.epoch.complete() for node in self.taking_part(number)) or number not in self.sizes:
            self.cycle()
        self.cycle()
        if say:
            say("epoch %d is complete" % number)

    def counts(self, number):
        """(mean, least, greatest) of the sizes found, in parts of the size at the epoch's start."""
        found = list(self.sizes[number].values())
        begun = self.begun[number]
        return sum(found) / len(found) / begun, min(found) / begun, max(found) / begun
