"""Progress: liars in the ring tell that every task of a workload is done."""

from ...agent.spare import DOUBT_MS
from ...agent.wire.messages import PROGRESS
from .. import checkers
from . import Figure
from .colluders import Colluders

NAME, WORK = "edge", "words"
WAIT_S, LIMIT_S = 30, 1_200


def measure(lab, share, say):
    """How long the work takes with liars who say that it is done, and without."""
    count = max(6, lab.nodes // 5)
    lab.boot_joined(view=min(20, lab.nodes - 1), doors=2, contacts=4, spread_ms=3_000)
    lab.go(5_000)
    lab.operator.push_slice(NAME, count)
    lab.until("ring closed", lab.ring(NAME, count), 300)
    tasks = 3 * count
    honest = _work(lab, WORK, tasks)
    liars = Colluders(lab, share)
    liars.every(1_000, lambda box: _done(box, WORK + "-2"))
    lying = _work(lab, WORK + "-2", tasks)
    asked = lab.operator.works[WORK + "-2"].rounds
    say("progress: %d tasks took %d s, %d s among liars; the owner asked again %d times" % (tasks, honest, lying, asked))
    return [
        Figure("tasks settled in the end, %", 100 * len(lab.operator.settled(WORK + "-2")) / tasks, ">= 100"),
        # A holder with nothing else to do doubts what it only heard.
        Figure("seconds that the work took, more than without lies", lying - honest, "<= %d" % (DOUBT_MS // 1000)),
    ]


def _work(lab, name, tasks):
    lab.operator.push_workload(name, NAME, tasks, replicas=2, quorum=2, wait_s=WAIT_S)
    took = 0
    while checkers.all_settled(lab.operator, name, tasks) and took < LIMIT_S:
        lab.go(2_000)
        took += 2
    return took


def _done(box, name):
    node = box.node
    for workload in node.tasks.workloads.values():
        if workload.manifest.name == name:
            ones = b"\xff" * len(workload.done.data)
            for entry in list(node.ring.near.values()):
                box.tell(node.send, entry.id, entry.box.addr, PROGRESS, workload.manifest.id, workload.manifest.seq, ones)
