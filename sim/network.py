"""The network between the boxes: delay, loss, duplication, reordering, cuts, NAT."""

from .faults import CALM

# The largest UDP payload the agent may send; more is a broken rule, and counted.
PAYLOAD_MAX = 1_200

# How long a NAT remembers whom a box has spoken to (RFC 4787 asks for 2 minutes,
# home routers give 30 s).
NAT_MS = 30_000

# IPv4 and UDP headers, which a link carries too.
HEADERS = 28

# A datagram that would wait longer for its link is dropped: what home routers hold at most.
QUEUE_MS = 250

# A symmetric NAT gives each conversation a port of its own, from this one on.
FIRST_PORT = 10_000


class Network:
    """Carries datagrams between boxes.  All draws come from `rng` (random.Random)."""

    def __init__(self, world, rng):
        self.world = world
        self.faults = CALM
        self._rng = rng
        self._by_address = {}
        # Cut number -> (frozenset of box numbers, one_way).
        self._cuts = {}
        self._cut_count = 0
        # (box, far address): where its symmetric NAT lets that conversation out.
        self._mapped = {}
        self.sent = 0
        self.sent_bytes = 0
        self.lost = 0
        self.oversize = 0

    def plug_in(self, box):
        """Makes a box reachable at its address."""
        self._by_address[box.address] = box

    def move(self, box, address):
        """A box has another address from now on; nobody is at the old one."""
        del self._by_address[box.address]
        box.address = address
        self.plug_in(box)
        self.world.note("network", "box %d moves" % box.number)

    def cut(self, side, one_way=False):
        """Cuts the boxes in `side` (numbers) off from the rest; returns the cut's number.

        One way: what `side` sends is lost, what it is sent arrives.
        """
        self._cut_count += 1
        self._cuts[self._cut_count] = (frozenset(side), one_way)
        self.world.note("network", "cut %d of %d boxes%s" % (self._cut_count, len(side), ", one way" if one_way else ""))
        return self._cut_count

    def mend(self, cut=None):
        """Mends one cut, or all."""
        if cut is None:
            self._cuts.clear()
        else:
            self._cuts.pop(cut, None)
        self.world.note("network", "mend %s" % ("all" if cut is None else cut))

    def is_cut(self, source, target):
        """Whether a cut lies between two box numbers, in this direction."""
        for side, one_way in self._cuts.values():
            if source in side:
                if target not in side:
                    return True
            elif target in side and not one_way:
                return True
        return False

    def send(self, box, address, data):
        """One datagram from `box`; it may arrive late, twice or not at all."""
        self.sent += 1
        self.sent_bytes += len(data)
        if len(data) > PAYLOAD_MAX:
            self.oversize += 1
            return
        target = self._by_address.get(address)
        seen = box.address
        if not box.reachable:
            seen = self._outside(box, address)
            box.spoken[address] = self.world.now_ms
        if target is None or (self._cuts and self.is_cut(box.number, target.number)) or _same_nat(box, target):
            self.lost += 1
            return
        # Links: first the sender's way up, then the receiver's way down.
        wait = 0
        for link in (box.up, target.down):
            if link is not None:
                wait = link.carry(self.world.now_ms + wait, len(data)) - self.world.now_ms
                if wait < 0:
                    self.lost += 1
                    return
        faults, rng = self.faults, self._rng
        if faults.loss and rng.random() < faults.loss:
            self.lost += 1
            return
        copies = 2 if faults.duplicate and rng.random() < faults.duplicate else 1
        while copies:
            copies -= 1
            delay = wait + faults.delay_ms + int(rng.random() * faults.jitter_ms)
            if faults.reorder and rng.random() < faults.reorder:
                delay += int(rng.random() * faults.reorder_ms)
            self.world.after(delay, self._arrive, box, target, data, seen, address)

    def _outside(self, box, address):
        """The address under which a hidden box's datagrams to `address` leave its NAT."""
        if not box.symmetric:
            return box.address
        outside = self._mapped.get((box, address))
        if outside is None:
            outside = box.address[:-2] + (FIRST_PORT + len(self._mapped)).to_bytes(2, "big")
            self._mapped[box, address] = outside
            self._by_address[outside] = box
        return outside

    def _arrive(self, source, target, data, seen, address):
        if not target.live:
            self.lost += 1
            return
        if not target.reachable:
            last = target.spoken.get(seen)
            if last is None or self.world.now_ms - last > NAT_MS or self._outside(target, seen) != address:
                self.lost += 1
                return
        self.world.trace.datagram(self.world.now_ms, source.number, target.number, data)
        target.receive(data, seen)


class Link:
    """One direction of a box's access line: `rate` bytes a second, headers counted, first in first out.

    `carried`: bytes so far; `dropped`: datagrams for which the queue was full.
    """

    def __init__(self, rate):
        self.rate = rate
        self.carried = 0
        self.dropped = 0
        self._clear_us = 0

    def carry(self, now_ms, size):
        """When a datagram of `size` bytes is through that comes at `now_ms`; -1 if it is dropped."""
        begins_us = max(self._clear_us, now_ms * 1000)
        if begins_us - now_ms * 1000 > QUEUE_MS * 1000:
            self.dropped += 1
            return -1
        self._clear_us = begins_us + (size + HEADERS) * 1_000_000 // self.rate
        self.carried += size + HEADERS
        return self._clear_us // 1000


def _same_nat(box, target):
    """Whether one NAT is before both boxes: it does not turn datagrams round."""
    return box.nat is not None and box.nat == target.nat
