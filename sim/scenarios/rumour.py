"""A manifest that one door takes in is on every box within a few rounds."""

NODES = 40


def play(lab):
    """Pushes a manifest to a joined fleet, then a newer version, and times both."""
    lab.boot(doors=1, contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.go(20_000)
    for name, seats in (("first_s", 1), ("newer_s", 2)):
        lab.operator.push_slice("first", seats)
        lab.measure(name, lab.until(name + ": manifest everywhere", lab.informed, 2, every_ms=10))
        lab.go(10_000)
