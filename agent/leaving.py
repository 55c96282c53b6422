"""Leaving in good order: the seat handed over, results offered, the next start provided for.

What can be said at once is said at once.  Then the edge goes on turning while something
is unfinished, for half a second at most (edge/loop.py): a neighbour that must be greeted
to hear of it, a result on its way through a door.  A result that no door takes by then is
not lost to its owner: the seat's next holder runs the task again.
"""


class Leaving:
    """The node's last state: it offers itself to no slice any more.

    node gives ring, tasks, door, peers, membership, wall and availability.
    """

    def __init__(self, node):
        self._node = node
        self._told = [entry.id for entry in node.ring.near.values()]

    def begin(self):
        """Tell whoever must know."""
        node = self._node
        node.ring.leave()
        for result in node.tasks.waiting.values():
            result.next_ms = node.now_ms
        node.tasks.due = node.now_ms
        if node.door:
            node.door.leave()

    def keep(self):
        """Write what the next start needs; slow on flash, so after the word is out."""
        self._node.wall.save()
        self._node.availability.save(True)
        if self._node.tasks.guest:
            self._node.tasks.guest.save()

    def unfinished(self):
        """True while a neighbour has yet to hear of it, or a result may be taken yet."""
        node = self._node
        for id in self._told:
            if id in node.peers.hails:
                return True
        if node.is_door():
            return bool(node.tasks.waiting or node.door.carried)
        return bool(node.tasks.waiting and node.membership.doors)
