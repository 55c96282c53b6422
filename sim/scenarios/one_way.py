"""Links that carry datagrams one way only split nobody off for good, and a ring comes right behind them."""

NODES = 20
SEATS = 5
TIMES = 3


def play(lab):
    """Three times a third of the boxes is heard by nobody, or hears nobody, for a minute."""
    lab.boot(doors=1, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.until("ring closed", lab.ring("edge", SEATS), 300)
    rng = lab.world.stream("sides")
    for turn in range(TIMES):
        numbers = [box.number for box in lab.world.boxes]
        rng.shuffle(numbers)
        third = len(numbers) // 3
        side = numbers[:third] if turn % 2 else numbers[third:]
        cut = lab.world.network.cut(side, one_way=True)
        lab.go(60_000)
        lab.world.network.mend(cut)
        lab.go(20_000)
    lab.operator.push_slice("second", 1)
    lab.measure("connected_s", lab.until("overlay connected", lab.connected, 600))
    lab.measure("informed_s", lab.until("a new manifest everywhere", lab.informed, 600))
    lab.measure("ring_s", lab.until("one closed ring again", lab.ring("edge", SEATS), 900))
