"""The controller in the world: hands out the signed seed list, piece by piece, and can be stopped."""

from ..bootstrap.controller.server import answer

# Not a box: a number that no box has, for the trace and for cuts.
NUMBER = 1_000_000
ADDRESS = b"\xc0\x00\x02\x01" + (6_999).to_bytes(2, "big")


class Controller:
    """A host in the network that answers as the real controller does."""

    number = NUMBER
    address = ADDRESS
    reachable = True
    nat = None

    # No access line of its own (network.Link).
    up = down = None

    def __init__(self, world, seeds):
        self.world = world
        self.seeds = seeds
        self.places = None  # a places.Places, once a lot was replaced
        self.chain = b""  # the roots after the first, once one was
        self.live = True
        # When it was asked.
        self.asked_ms = []
        world.network.plug_in(self)

    def stop(self):
        """Stopped for good: nothing may need it any more."""
        self.live = False
        self.world.note("controller", "stop")

    def receive(self, data, address):
        """The real controller's answer."""
        reply = answer(self.seeds, data, self.places, self.chain)
        if reply is not None:
            self.asked_ms.append(self.world.now_ms)
            self.world.network.send(self, address, reply)
