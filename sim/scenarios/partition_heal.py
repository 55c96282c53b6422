"""Two halves of a cut fleet find each other again, and settle who holds which seat."""

NODES = 30
SEATS = 5


def play(lab):
    """Five minutes apart, with a manifest pushed on one side; then the cut is mended."""
    lab.boot(doors=1, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.until("ring closed", lab.ring("edge", SEATS), 300)
    half = [box.number for box in lab.world.boxes if box.number % 2]
    cut = lab.world.network.cut(half)
    lab.go(60_000)
    lab.operator.push_slice("second", 1)
    lab.go(240_000)
    lab.world.network.mend(cut)
    lab.measure("connected_s", lab.until("overlay connected again", lab.connected, 1_800))
    lab.measure("informed_s", lab.until("manifests everywhere", lab.informed, 1_800))
    lab.measure("ring_s", lab.until("one closed ring again", lab.ring("edge", SEATS), 1_800))
