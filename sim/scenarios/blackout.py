"""After a blackout all boxes power up at once, find each other by old contacts, and need no controller."""

from .. import checkers

NODES = 60


def play(lab):
    """Joined boxes lose power together; the controller is gone; all start again within two seconds."""
    lab.boot(doors=0, contacts=1)
    lab.until("overlay connected", lab.connected, 60)
    # Contacts are written a few rounds after the start.
    lab.go(20_000)
    for box in lab.world.boxes:
        box.crash("torn")
    lab.controller.stop()
    lab.go(30_000)
    rng = lab.world.stream("power")
    for box in lab.world.boxes:
        lab.world.after(rng.randrange(2_000), box.start)
    lab.go(2_000)
    lab.measure("connected_s", lab.until("overlay connected again", lab.connected, 60))
    least = min(12, lab.nodes - 2)
    lab.measure("views_filled_s", lab.until("views filled", lambda: checkers.views_filled(lab.states(), least), 120))
