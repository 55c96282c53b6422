"""A third of the boxes get new addresses at once: all are found there, nobody asks elsewhere, no seat is lost."""

NODES = 60
SEATS = 10
ROUND_MS = 15_000
# By then hardly a link is older, and each is told with the address of its youth.
ROUNDS = 20


def play(lab):
    """Boxes that do not know their addresses sit in a slice; then DHCP has its day."""
    lab.wildcard = True
    lab.settings["round_ms"] = str(ROUND_MS)
    lab.boot_joined(view=min(20, lab.nodes - 1), doors=1)
    lab.go(2 * ROUND_MS)
    lab.operator.push_slice("edge", min(SEATS, lab.nodes // 2))
    lab.until("slice filled", lambda: _vacant(lab), 120)
    lab.go(6 * ROUND_MS)
    seats = _seats(lab)
    rng = lab.world.stream("moves")
    moved = rng.sample([box for box in lab.world.live() if not box.door], lab.nodes // 3)
    deaths = lab.counters().get("ring_deaths", 0)
    for box in moved:
        lab.world.network.move(box, bytes((172, 16)) + box.address[2:])
    gone = 0
    for rounds in (1, 5, 10, ROUNDS):
        lab.go((rounds - gone) * ROUND_MS)
        gone = rounds
        lab.measure("stale_links_after_%d_rounds" % rounds, _share(lab))
    lab.require("every link names the address where its box is", lambda: _stale(lab))
    lab.require("no seat was lost", lambda: _lost(lab, seats, deaths))
    lab.require("overlay connected", lab.connected)


def _links(lab):
    """[(box, link, True if nobody is at the link's address)] of all views."""
    places = {box.node.id: box.address for box in lab.world.live()}
    return [
        (box, link, places.get(link.id) != link.addr)
        for box in lab.world.live() for link in box.node.membership.view.values()
    ]


def _share(lab):
    links = _links(lab)
    return round(sum(stale for _, _, stale in links) / len(links), 4)


def _stale(lab):
    wrong = [box.number for box, _, stale in _links(lab) if stale]
    return "boxes with links to where nobody is: %s" % sorted(set(wrong)) if wrong else ""


def _seats(lab):
    return {box.number: box.node.ring.seat for box in lab.world.live() if box.node.ring.seat is not None}


def _vacant(lab):
    count = min(SEATS, lab.nodes // 2)
    return "" if len(_seats(lab)) == count else "%d of %d seats are held" % (len(_seats(lab)), count)


def _lost(lab, seats, deaths):
    found = lab.counters().get("ring_deaths", 0) - deaths
    return "" if _seats(lab) == seats and not found else "seats %s, then %s; %d found dead" % (seats, _seats(lab), found)
