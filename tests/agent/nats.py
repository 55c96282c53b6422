"""A Lan with NATs in it: a box behind one hears only from where it has lately sent to.

A NAT never turns a datagram round to another of its own boxes (no hairpinning).  One
that is symmetric gives each conversation a port of its own.
"""

from lan import Lan

# Home routers forget a conversation after so long.
FORGET_MS = 30000
FIRST_PORT = 20000


class NatLan(Lan):
    """nats: {number of a hidden box: (NAT, True if that is symmetric)}."""

    def __init__(self, count, nats, **rest):
        self.nats = nats
        self._spoken = {}  # (box, its port outside, far address): when it last sent there
        self._ports = {}  # (box, far address): the port outside, of symmetric NATs
        super().__init__(count, **rest)
        for number in nats:
            # It does not know where others see it.
            self.nodes[number].address = bytes(4) + self.address(number)[4:]

    def _node(self, config, identity, trust, disk, number, controller=None):
        config.reachable = 0 if number in self.nats else 1
        return super()._node(config, identity, trust, disk, number, controller)

    def _outside(self, number, far):
        """Packed address under which the box's datagrams to a far address leave its NAT."""
        inside = self.address(number)
        if not self.nats[number][1]:
            return inside
        port = self._ports.setdefault((number, far), FIRST_PORT + len(self._ports))
        return inside[:4] + port.to_bytes(2, "big")

    def _deliver_later(self, data, source, target, delay_ms=5):
        one, other = source[2] << 8 | source[3], target[2] << 8 | target[3]
        hidden = other in self.nats
        if one in self.nats:
            if hidden and self.nats[one][0] == self.nats[other][0]:
                return
            source = self._outside(one, target)
            self._spoken[one, source[4:], target] = self.now_ms
        if hidden:
            spoken_ms = self._spoken.get((other, target[4:], source))
            if spoken_ms is None or self.now_ms - spoken_ms > FORGET_MS:
                return
            target = self.address(other)
        super()._deliver_later(data, source, target, delay_ms)
