"""Work: what is believed of liars, what repetition costs, and what stragglers cost with and without copies."""

from .. import cheats, jobs
from ..lab import Lab
from ..trusting import ADAPTIVE, CHECKED, FIVE, PAIR, SINGLE, TRIPLE, VERIFIED, World

TITLE = "Work: trust by repetition, its price, stragglers"
NODES = (200, 1_000)

# Of the boxes, those with a seat, and those with a broker; tasks for each seat.
SEATED, DOORS = 0.2, 0.02
TASKS_A_SEAT = 3
# From so many boxes on, a minute of processor time a trial, only the trials with liars in which most may go wrong.
LARGE = 500
# Gossip this slow keeps a thousand nodes cheap; a task takes 1 to 4 s.
ROUND_MS, DURATION_MS = 5_000, (1_000, 4_000)
IDLE_MS = 60_000
# Stragglers: one holder in ten, at a tenth of the others' speed.
SLOW_SHARE, SLOWER = 0.1, 10
# Churn: one holder in so many crashes each five seconds, and is back after thirty.
CHURN_EVERY_MS, CHURN_SHARE, CHURN_DOWN_MS = 5_000, 0.02, 30_000
FORM = "the closed form, docs/work.md"


def rows(nodes, seed, say):
    """Liars, then costs, then stragglers, all on one slice; in a large fleet liars alone."""
    lab = Lab("bench-work", nodes, seed, speech="plain", runner=jobs.Model(seed, DURATION_MS),
              round_ms="60000", busy_round_ms=str(ROUND_MS), probe_ms="2000")
    seats = max(10, round(SEATED * nodes))
    world = World(lab, seats, max(2, round(DOORS * nodes)))
    if nodes >= LARGE:
        return _Bench(world, nodes, seats * 2, say).liars((0.3,))
    bench = _Bench(world, nodes, seats * TASKS_A_SEAT, say)
    return bench.liars((0.1, 0.3)) + bench.costs() + bench.stragglers()


class _Bench:
    def __init__(self, world, nodes, tasks, say):
        self.world, self.nodes, self.tasks, self._say = world, nodes, tasks, say
        # What the fleet says for its own sake, a second.
        before = world.sent()
        world.lab.go(IDLE_MS)
        self._idle = [(after - first) / (IDLE_MS / 1000) for after, first in zip(world.sent(), before)]

    def _work(self, rule, share=0.0, way=cheats.ALONE):
        found = self.world.work(rule, self.tasks, share, way)
        self._say("%s" % found.as_dict())
        return found

    def _row(self, figure, ours, reference=None, source="", aim=None):
        return {"figure": figure, "nodes": self.nodes, "ours": round(ours, 3), "reference": reference,
                "reference_of": source, "aim": aim}

    def liars(self, shares):
        """Wrong outputs that were believed, % of the tasks."""
        out = []
        for rule, ways in ((SINGLE, "a"), (PAIR, "at"), (FIVE, "t"), (ADAPTIVE, "at"), (VERIFIED, "t"), (CHECKED, "t")):
            for share in shares:
                for way in [way for way in (cheats.ALONE, cheats.TOGETHER) if way[0] in ways]:
                    found = self._work(rule, share, way)
                    expected, name = round(100 * found.expected, 2), "%s, %d %% liars %s" % (rule[0], 100 * share, way)
                    out.append(self._row(
                        "wrong, %: " + name, 100 * found.wrong / found.tasks,
                        expected or None, FORM if expected else "", "<= %.2f" % (100 * found.most())))
                    if rule in (VERIFIED, CHECKED):
                        out += [self._row("owner's checks a task: " + name, found.checks), self._row(
                            "of these, of lies: " + name, found.lies_checked), self._row("checks a task by boxes: " + name, found.box_checks)]
                    if expected:
                        out.append(self._row("of these, by the liars' seats: " + name, 100 * found.seated, expected, FORM))
        return out

    def costs(self):
        """Runs, messages and bytes of one task, without liars; with and without churn."""
        out = []
        self._work(ADAPTIVE)  # gives the boxes their records
        for rule, churn in ((SINGLE, 0), (PAIR, 0), (TRIPLE, 0), (FIVE, 0), (ADAPTIVE, 0), (SINGLE, 1), (PAIR, 1), (ADAPTIVE, 1)):
            if churn:
                self._storm()
            found = self._work(rule)
            self.world.churning = False
            where = "%s%s" % (rule[0], ", churn" if churn else "")
            wanted = rule[1]["replicas"]
            out.append(self._row("runs a task: " + where, found.runs, wanted, "replicas asked for at first"))
            for name, sent, idle in zip(("messages", "kB"), (found.messages, found.bytes / 1000), self._idle_of(found)):
                out.append(self._row("%s a task: %s" % (name, where), max(0.0, sent - idle)))
            if churn:
                self.world.lab.until("ring closed", self.world.lab.ring("edge", self.world.seats), 900, every_ms=5_000)
        return out

    def _idle_of(self, found):
        messages, size = (rate * found.seconds / found.tasks for rate in self._idle)
        return messages, size / 1000

    def _storm(self):
        self.world.churning = True
        self._churn()

    def _churn(self):
        lab = self.world.lab
        if not self.world.churning:
            return
        rng = lab.world.stream("churn/%d" % lab.world.now_ms)
        holders = [box for box in lab.holders("edge") if not box.door]
        for box in rng.sample(holders, max(1, round(CHURN_SHARE * len(holders)))):
            box.crash()
            lab.world.after(CHURN_DOWN_MS, self._back, box)
        lab.world.after(CHURN_EVERY_MS, self._churn)

    @staticmethod
    def _back(box):
        if not box.live:
            box.start()

    def stragglers(self):
        """Seconds to the last result, and runs a task, with slow holders: copies by the idle, and none."""
        lab = self.world.lab
        rng = lab.world.stream("slow")
        holders = [box for box in lab.holders("edge")]
        calm = self._work(SINGLE)
        for box in rng.sample(holders, round(SLOW_SHARE * len(holders))):
            self.world.cheats.slow[box.number] = SLOWER
        quick = self._work(SINGLE)
        for box in lab.world.live():
            box.node.tasks._help = lambda workloads: None
        slow = self._work(SINGLE)
        return [
            self._row("s to the last result, no slow box", calm.seconds),
            self._row("s to the last result, 10 % at 1/10 speed", quick.seconds, slow.seconds, "without copies"),
            self._row("runs a task, no slow box", calm.runs, 1, "one", "<= 1.1"),
            self._row("runs a task, 10 % at 1/10 speed", quick.runs, slow.runs, "without copies", "<= 1.3"),
        ]
