"""The boxes that lie together, and how each of them does something again and again."""

from ...agent.descriptor import Descriptor

# The first boxes of a lab: doors and first contacts, which do not lie.
SPARED = 4


class Colluders:
    """A share of the boxes of a lab that has begun, by the seed: `boxes`, and `honest`, all others.

    No checker counts on them from now on.
    """

    def __init__(self, lab, share):
        self.lab = lab
        self.world = lab.world
        self.rng = lab.world.stream("colluders")
        plain = [box for box in lab.world.boxes[SPARED:] if box.live]
        self.boxes = self.rng.sample(plain, round(share * len(lab.world.boxes)))
        for box in self.boxes:
            box.liar = True
        self.honest = [box for box in lab.world.boxes if not box.liar and box.live]
        self.ids = {box.node.id for box in self.boxes}

    @classmethod
    def of_fresh(cls, lab, share):
        """Colluders of a lab whose boxes, one of them a door, have just started and joined."""
        lab.boot_joined(view=min(20, lab.nodes - 1), doors=1, contacts=4, spread_ms=3_000)
        lab.go(5_000)
        return cls(lab, share)

    def every(self, pause_ms, act):
        """Each liar calls act(itself) once in `pause_ms`, from some time within the first of them on."""
        for box in self.boxes:
            self.world.after(self.rng.randrange(pause_ms), self._again, box, pause_ms, act)

    def _again(self, box, pause_ms, act):
        if box.live:
            act(box)
            self.world.after(pause_ms, self._again, box, pause_ms, act)

    def friends(self, count, but=None):
        """Fresh Descriptors of up to `count` liars, by lot, but not of the box `but`."""
        boxes = [box for box in self.boxes if box is not but]
        return [descriptor(box) for box in self.rng.sample(boxes, min(count, len(boxes)))]

    def share_of(self, ids):
        """The share of liars among identities; 0 if there are none."""
        ids = list(ids)
        return sum(1 for id in ids if id in self.ids) / len(ids) if ids else 0.0


def descriptor(box):
    """A fresh Descriptor of a live box."""
    return Descriptor(box.node.id, box.address)


def poison(averages, lie):
    """A box's Averages lie from now on: lie() changes them whenever they are about to speak."""
    answer, bodies = averages.answer, averages.bodies

    def lying_answer(parts):
        lie()
        return answer(parts)

    def lying_bodies():
        lie()
        return bodies()

    averages.answer, averages.bodies = lying_answer, lying_bodies


def mean(numbers):
    """The mean of numbers; 0 of none."""
    numbers = list(numbers)
    return sum(numbers) / len(numbers) if numbers else 0.0
