"""What the checkers read of a node's memory, named in one place.

These are the node's tables themselves, what it acts on, and not what it says
of itself in status().  When a table in agent/ is renamed, this file follows.
"""


class Seat:
    """One seat that a box holds; successor is (seat number, identity) or None."""

    def __init__(self, slice, number, term, successor):
        self.slice = slice
        self.number = number
        self.term = term
        self.successor = successor


class State:
    """A live box as the checkers see it.

    number: its place in the world; id: bytes; view: list of identities;
    manifests: dict of name -> sequence number; seats: list of Seat;
    tables: list of (name, entries, cap).
    """

    def __init__(self, number, id, view, manifests, seats, tables):
        self.number = number
        self.id = id
        self.view = view
        self.manifests = manifests
        self.seats = seats
        self.tables = tables


def read(box):
    """The State of a live box that runs the agent's node."""
    node = box.node
    return State(box.number, node.id, view(node), manifests(node), seats(node), tables(node))
