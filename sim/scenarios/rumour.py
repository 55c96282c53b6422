"""A manifest that one door takes in is on every box within a few rounds."""

NODES = 40


def play(lab):
    """Pushes a manifest to a joined fleet, then a newer version, and times both."""
    lab.boot(doors=1, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.go(20_000)
    lab.operator.push_slice("first", 1)
    lab.measure("first_s", lab.until("manifest everywhere", lab.informed, 120, every_ms=100))
    lab.go(10_000)
    lab.operator.push_slice("first", 2)
    lab.measure("newer_s", lab.until("newer version everywhere", lab.informed, 120, every_ms=100))
