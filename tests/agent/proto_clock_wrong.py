"""Boxes whose clock says 1970, jumps, or is set back: signed time stamps, and a floor on flash, are what they go by."""

from backfence.agent.descriptor import Descriptor
from backfence.agent.rumour import REFUSED_EXPIRED
from lan import WALL_S, Lan, sign
from proto_seeds import CONTROLLER, piece, questions, settle

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "armhf", "mips")
DAY_S = 86400
YEAR_S = 365 * DAY_S


def slice_of(name, **rest):
    fields = {"kind": "slice", "name": name, "seats": 2, "issued": WALL_S, "expires": WALL_S + DAY_S}
    fields.update(rest)
    return fields


def without_clock(count=2):
    """A Lan whose node 0 is at the very beginning of 1970."""
    lan = Lan(count)
    lan.clocks_s[0] = 0
    lan.restart(0)
    return lan


def push(lan, fields):
    verdict = lan.push(0, fields)
    lan.run(100)
    return verdict[0]


def seeds(lan, **rest):
    fields = {"kind": "seeds", "fleet": lan.fleet(), "name": "seeds", "seq": 1, "issued": WALL_S,
              "expires": WALL_S + DAY_S, "contacts": [[lan.nodes[1].id, lan.address(1)]]}
    fields.update(rest)
    return sign(fields)


def take_seeds(lan, data):
    """Node 0 asks the controller and gets these; how many it knows then."""
    node = lan.nodes[0]
    while not questions(node):
        lan.now_ms = node.deadline()
        node.handle_timer(lan.now_ms)
    node.receive(piece(data, 0, 1024), CONTROLLER, lan.now_ms)
    settle(lan, node)
    return len(node.membership.view)


def test_a_box_of_1970_joins_by_a_signed_list_and_learns_the_time_from_it():
    lan = Lan(2)
    lan.clocks_s[0] = 0
    lan.restart(0, CONTROLLER)
    assert lan.nodes[0].wall_s() == 0
    assert take_seeds(lan, seeds(lan)) == 1
    assert lan.nodes[0].wall_s() >= WALL_S
    lan.run(3000)
    assert lan.nodes[0].id in lan.nodes[1].membership.view


def test_a_box_that_knew_the_time_takes_no_expired_list_though_its_clock_is_of_1970_again():
    lan = without_clock()
    assert push(lan, slice_of("edge", issued=WALL_S + YEAR_S, expires=WALL_S + 2 * YEAR_S)) is None
    lan.nodes[0].leave(lan.now_ms).keep()
    lan.restart(0, CONTROLLER)
    assert lan.nodes[0].wall_s() >= WALL_S + YEAR_S
    assert take_seeds(lan, seeds(lan)) == 0 and lan.nodes[0].counters["seeds_bad"] == 1
    assert take_seeds(lan, seeds(lan, expires=WALL_S + 2 * YEAR_S)) == 1


def test_the_floor_outlives_a_power_cut_if_it_was_raised_before_the_last_writing():
    lan = without_clock()
    assert push(lan, slice_of("edge")) is None
    # Written every six hours, and at each start.
    lan.now_ms += 6 * 3600 * 1000
    lan.run(1000)
    lan.restart(0)
    assert lan.nodes[0].wall_s() >= WALL_S
    assert push(lan, slice_of("old", issued=WALL_S - DAY_S, expires=WALL_S - 1)) == REFUSED_EXPIRED


def test_what_is_in_the_store_brings_the_time_back_even_before():
    lan = without_clock()
    assert push(lan, slice_of("edge")) is None
    lan.restart(0)
    lan.run(2000)
    # The clock was not written since: the signed manifest itself tells.
    assert lan.nodes[0].wall_s() >= WALL_S and lan.nodes[0].rumours.get("slice", "edge")


def test_peers_and_unsigned_words_never_move_it():
    lan = without_clock(3)
    lan.nodes[0].membership.join([Descriptor(lan.nodes[1].id, lan.address(1))])
    lan.run(20000)
    assert lan.nodes[0].membership.view and lan.nodes[0].wall_s() < 60


def test_a_clock_that_jumps_to_right_ends_what_has_expired_and_nothing_else():
    lan = without_clock()
    assert push(lan, slice_of("short", issued=WALL_S - DAY_S, expires=WALL_S + 10)) is None
    assert push(lan, slice_of("long")) is None
    names = lambda: sorted([manifest.name for manifest in lan.nodes[0].rumours.manifests.values()])
    assert names() == ["long", "short"]
    lan.nodes[0].set_wall(WALL_S + 3600)
    lan.run(61000)
    assert names() == ["long"]
    # Set back again: what has ended stays ended, for its number is on flash and the stamps are signed.
    lan.nodes[0].set_wall(0)
    lan.run(61000)
    assert names() == ["long"] and lan.nodes[0].wall_s() >= WALL_S
    assert push(lan, slice_of("older", issued=WALL_S - DAY_S, expires=WALL_S - 1)) == REFUSED_EXPIRED
