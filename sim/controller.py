"""The controller in the world: hands out the signed seed list, piece by piece, and can be stopped."""

ASK = 0x1A
TOLD = 0x1B
PIECE = 1_024
QUESTION_BYTES = 1_200

# Not a box: a number that no box has, for the trace and for cuts.
NUMBER = 1_000_000
ADDRESS = b"\xc0\x00\x02\x01" + (6_999).to_bytes(2, "big")


class Controller:
    """A host in the network with the one answer a controller gives."""

    number = NUMBER
    address = ADDRESS
    reachable = True

    def __init__(self, world, seeds):
        self.world = world
        self.seeds = seeds
        self.live = True
        self.asked = 0
        world.network.plug_in(self)

    def stop(self):
        """Stopped for good: nothing may need it any more."""
        self.live = False
        self.world.note("controller", "stop")

    def receive(self, data, address):
        """Answers a question that is at least as long as the answer."""
        if len(data) < QUESTION_BYTES or data[0] != ASK:
            return
        self.asked += 1
        offset = int.from_bytes(data[1:3], "big")
        piece = self.seeds[offset : offset + PIECE]
        head = bytes((TOLD,)) + data[1:3] + len(self.seeds).to_bytes(2, "big")
        self.world.network.send(self, address, head + piece)
