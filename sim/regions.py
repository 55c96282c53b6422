"""Which region's boxes sit where and run what, read from the world, for slices whose seats are kept for regions."""

from ..agent.manifest import manifest_id
from ..agent.placement import seat_of
from ..bootstrap.operator.settle import ballot
from . import seats


class Placed:
    """A runner for jobs.Cell that stands around the lab's, and notes who runs which replica.

    names: the regions of slice "edge", in turn; count: its seats.  lab.regions says of each
    box in which one it is.
    """

    def __init__(self, lab, names, count):
        self._lab, self._names, self._count = lab, names, count
        self._inner, lab.runner = lab.runner, self
        self.runs = 0
        self._begun = []  # [(box number, workload, sequence, task, bit)], not looked at yet
        self._versions = {}  # sequence: (first replica, replicas)

    def run(self, box, job):
        """(Outcome, virtual ms) of a job on a box."""
        self.runs += 1
        self._begun.append((box.number, job.workload, job.seq, job.task, job.bit))
        return self._inner.run(box, job)

    def seated(self, wanted):
        """"" once so many seats are held."""
        held = len(seats.holders(self._lab.world, "edge"))
        return "" if held == wanted else "%d of %d seats are held" % (held, wanted)

    def misplaced(self):
        """"" unless a box holds a seat that is kept for another region."""
        for seat, number in seats.holders(self._lab.world, "edge").items():
            if self._lab.regions[number] != self._names[seat % len(self._names)]:
                return "box %d of %r sits in seat %d" % (number, self._lab.regions[number], seat)
        return ""

    def abroad(self):
        """"" unless a replica was begun by a box of another region than its seat is kept for."""
        for work in self._lab.operator.works.values():
            payload = work.settlement.payload
            self._versions[payload["seq"]] = payload.get("again", [0])[0], payload["replicas"]
        begun, self._begun = self._begun, []
        for number, workload, seq, task, bit in begun:
            first, replicas = self._versions[seq]
            seat = seat_of(manifest_id("workload", workload), task, self._count) + first + bit % replicas
            if self._lab.regions[number] != self._names[seat % len(self._names)]:
                return "box %d of %r runs replica %d of task %d" % (
                    number, self._lab.regions[number], first + bit % replicas, task)
        return ""

    def shared(self, work):
        """Tasks that were decided by boxes of one region alone."""
        number_of = {member.id: member.number for member in self._lab.fleet.members}
        found = []
        for number, task in enumerate(work.settlement.tasks):
            if task.winner:
                wanted = ballot(task.votes[task.winner])
                told = {self._lab.regions[number_of[box]] for box, each in task.votes.items() if ballot(each) == wanted}
                if len(told) < 2:
                    found.append(number)
        return found
