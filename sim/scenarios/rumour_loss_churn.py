"""With a tenth of all datagrams lost and boxes replaced all the time, every manifest reaches every box."""

from .. import box as boxes

NODES = 20
ROUNDS = 30
MANIFESTS = 3


def play(lab):
    """Pushes manifests while one box in twenty restarts every fifth round, with its disk or without."""
    lab.boot(doors=1, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.storm(loss=0.1, duplicate=0.05, reorder=0.1, crash=0.0, disk_full=0.0, partition=0.0, broker=0.0, nat=0.0, liars=0.0)
    rng = lab.world.stream("churn")
    for number in range(ROUNDS):
        if number % (ROUNDS // MANIFESTS) == 0:
            lab.operator.push_slice("s%d" % number, 1)
        # One in twenty every fifth round is a hundredth a round.
        if number % 5 == 0:
            box = rng.choice(lab.world.boxes[1:])
            box.crash(rng.choice((boxes.KEPT, boxes.LOST)))
            box.start()
        lab.go(1_000)
    lab.operator.push_slice("last", 1)
    lab.measure("informed_s", lab.until("every manifest everywhere, loss going on", lab.informed, 60))
