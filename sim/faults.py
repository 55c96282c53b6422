"""What may go wrong, as a struct drawn from the seed, and the chaos that does it.

A run is chaos first, where only safety is asked for, then healing, where the
world must converge.  `Faults` says how bad the weather is; `Chaos` walks through
it, one draw a tick, until the scenario calls `heal`.
"""

from dataclasses import asdict, dataclass

from .box import KEPT, LOST, TORN


@dataclass(frozen=True)
class Faults:
    """The weather.  Shares are probabilities; `_ms` are milliseconds of virtual time."""

    # The network, for each datagram.
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_ms: int = 400
    delay_ms: int = 10
    jitter_ms: int = 20
    # The boxes, for each tick of chaos.
    crash: float = 0.0
    lose_disk: float = 0.0
    power_cut: float = 0.0
    down_ms: tuple = (2_000, 30_000)
    down_share: float = 0.25
    disk_full: float = 0.0
    # Cuts of the network, for each tick.
    partition: float = 0.0
    one_way: float = 0.5
    cut_ms: tuple = (5_000, 40_000)
    # The broker, for each tick.
    broker: float = 0.0
    broker_ms: tuple = (2_000, 30_000)
    # Clocks: how fast they run, and how wrong the wall is.
    drift_ppm: int = 0
    wall_s: int = 0
    # Shares of the boxes: behind NAT; insiders that lie.
    nat: float = 0.0
    liars: float = 0.0

    def as_dict(self):
        """For the report."""
        return asdict(self)


CALM = Faults()


def draw(rng, **fixed):
    """Faults drawn from `rng` (random.Random): sometimes mild, sometimes rough.

    Each fault is left out of half of the runs, so that one fault does not hide
    what another would show.  Keyword arguments fix single fields.
    """

    def maybe(most):
        share = rng.random() * most
        return share if rng.random() < 0.5 else 0.0

    drawn = {
        "loss": maybe(0.2),
        "duplicate": maybe(0.1),
        "reorder": maybe(0.2),
        "delay_ms": rng.randrange(1, 60),
        "jitter_ms": rng.randrange(1, 200),
        "crash": maybe(0.5),
        "lose_disk": maybe(0.5),
        "power_cut": maybe(1.0),
        "disk_full": maybe(0.1),
        "partition": maybe(0.1),
        "broker": maybe(0.1),
        "drift_ppm": rng.randrange(0, 500),
        "wall_s": rng.randrange(0, 120),
        "nat": maybe(0.4),
        "liars": maybe(0.15),
    }
    drawn.update(fixed)
    return Faults(**drawn)


class Chaos:
    """Does what `faults` allows to `world`, one draw each `tick_ms`, until healed."""

    def __init__(self, world, faults, rng, broker=None, tick_ms=1_000, spare=()):
        self.world = world
        self.faults = faults
        self.broker = broker
        self.crashes = 0
        self.cuts = 0
        self._rng = rng
        self._tick_ms = tick_ms
        # Boxes that a scenario keeps alive, by number.
        self._spare = frozenset(spare)
        self._on = True
        world.network.faults = faults
        world.after(tick_ms, self._tick)

    def heal(self):
        """The end of chaos: every box up, every cut closed, calm weather, broker back."""
        self._on = False
        self.world.note("chaos", "heal")
        self.world.network.faults = CALM
        self.world.network.mend()
        if self.broker is not None:
            self.broker.come_back()
        for box in self.world.boxes:
            box.disk.full = False
            box.disk.disarm()
            if box.wanted and not box.live:
                box.start()

    def _tick(self):
        if not self._on:
            return
        faults, rng = self.faults, self._rng
        if rng.random() < faults.crash:
            self._crash()
        if rng.random() < faults.disk_full:
            self._fill_a_disk()
        if rng.random() < faults.partition:
            self._cut()
        if self.broker is not None and self.broker.up and rng.random() < faults.broker:
            self.broker.vanish(keep_retained=rng.random() < 0.7)
            self.world.after(rng.randrange(*faults.broker_ms), self.broker.come_back)
        self.world.after(self._tick_ms, self._tick)

    def _victim(self):
        boxes = [box for box in self.world.boxes if box.live and box.number not in self._spare]
        wanted = sum(1 for box in self.world.boxes if box.wanted)
        down = wanted - sum(1 for box in self.world.boxes if box.live)
        if not boxes or down >= self.faults.down_share * wanted:
            return None
        return self._rng.choice(boxes)

    def _crash(self):
        box = self._victim()
        if box is None:
            return
        self.crashes += 1
        rng = self._rng
        back_ms = rng.randrange(*self.faults.down_ms)
        fate = rng.random()
        disk = LOST if fate < self.faults.lose_disk else TORN if fate < 0.6 else KEPT
        if rng.random() < self.faults.power_cut:
            # It goes at one of its next writes; if it writes nothing, not at all.
            box.disk.cut_after(rng.randrange(6))
            box.on_power_cut = lambda: self.world.after(back_ms, self._restart, box)
            return
        box.crash(disk)
        self.world.after(back_ms, self._restart, box)

    def _restart(self, box):
        if self._on and box.wanted and not box.live:
            box.start()

    def _fill_a_disk(self):
        box = self._victim()
        if box is not None:
            box.disk.full = True
            self.world.note(box.number, "disk full")
            self.world.after(self._rng.randrange(*self.faults.down_ms), self._empty, box)

    def _empty(self, box):
        box.disk.full = False

    def _cut(self):
        rng = self._rng
        numbers = [box.number for box in self.world.boxes]
        rng.shuffle(numbers)
        side = numbers[: rng.randrange(1, max(2, len(numbers) // 2))]
        self.cuts += 1
        cut = self.world.network.cut(side, one_way=rng.random() < self.faults.one_way)
        self.world.after(rng.randrange(*self.faults.cut_ms), self.world.network.mend, cut)
