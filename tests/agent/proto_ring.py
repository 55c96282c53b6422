"""Seats and rings: one box a seat, whatever is lost, split, shrunk or lied about."""

from backfence.agent.descriptor import Descriptor
from backfence.agent.seat import SeatEntry
from backfence.agent.wire import messages
from lan import WALL_S, Lan
from proto_node import holders, ring_closed

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")


def slice_(seats, seq=1, **rest):
    return dict(rest, kind="slice", name="edge", seats=seats, seq=seq)


def started(count, seats, seed=1, **rest):
    """A Lan whose slice "edge" has just been pushed."""
    lan = Lan(count, seed=seed, **rest)
    lan.join_all()
    lan.run(3000)
    lan.push(0, slice_(seats))
    return lan


def closed(count, seats, **rest):
    """A Lan whose slice "edge" stands."""
    lan = started(count, seats, **rest)
    lan.run_until(lambda: ring_closed(lan, "edge", seats), 40000)
    return lan


def lose_first(lan, kind):
    """Lose each message of a kind the first time it is sent; the list of those lost."""
    lost = []

    def wrap(node):
        send = node.send

        def lossy(id, addr, what, *fields):
            key = (node.id, id, fields[0])
            if what == kind and key not in lost:
                lost.append(key)
            else:
                send(id, addr, what, *fields)

        node.send = lossy

    for node in lan.nodes:
        wrap(node)
    return lost


def mute(node, kind):
    """What the node says of a kind is lost."""
    send = node.send
    node.send = lambda id, addr, what, *fields: what != kind and send(id, addr, what, *fields)


def seated(lan):
    """How many boxes hold a seat."""
    return sum([node.ring.seat is not None for node in lan.nodes])


def test_grow_shrink_and_end():
    lan = closed(7, 3, seed=3)
    lan.push(0, slice_(6, 2))
    lan.run_until(lambda: ring_closed(lan, "edge", 6), 40000)
    lan.push(1, slice_(2, 3))
    lan.run_until(lambda: ring_closed(lan, "edge", 2), 40000)
    lan.push(2, slice_(2, 4, end=True))
    lan.run_until(lambda: not holders(lan, "edge"), 20000)
    lan.run(10000)
    assert not holders(lan, "edge")
    lan.push(3, slice_(3, 5))
    lan.run_until(lambda: ring_closed(lan, "edge", 3), 40000)


def test_who_is_about_to_leave_hides_no_seat_that_is_taken():
    # The last seat that stays has four beyond it, and knows nobody after these.
    lan = Lan(1)
    ring = lan.nodes[0].ring
    lan.push(0, slice_(20))
    lan.run(1000)
    manifest = [slice.manifest for slice in lan.nodes[0].slicing.slices.values()][0]
    ring.sit(manifest, 14)
    box = lambda seat: Descriptor(bytes((seat,)) * 16, bytes((10, 9, 0, seat, 1, 1)))
    ring.merge([SeatEntry(seat, 0, box(seat), lan.now_ms) for seat in (10, 11, 12, 13, 15, 16, 17, 18)])
    assert ring.span() == (14, 1)
    lan.push(0, slice_(15, 2))
    lan.run(500)
    assert ring.seats() == 15 and ring.span() == (14, 1) and not lan.nodes[0].tasks._current_span()[1] > 1
    # With fewer beyond, who comes after them is known.
    ring.lose(bytes((18,)) * 16, 0)
    ring.merge([SeatEntry(2, 0, box(2), lan.now_ms)])
    assert ring.span() == (14, 3)
    ring.sit(manifest, 16)
    assert lan.nodes[0].tasks._current_span() is None


def test_an_expired_slice_has_no_holders():
    lan = Lan(4, seed=4)
    lan.join_all()
    lan.run(3000)
    lan.push(0, slice_(3, expires=WALL_S + 25))
    lan.run_until(lambda: ring_closed(lan, "edge", 3), 20000)
    lan.run_until(lambda: not holders(lan, "edge"), 20000)
    assert not any([node.ring.manifest for node in lan.nodes]), "who sat in it keeps nothing of it"


def test_a_narrower_predicate_makes_the_others_leave():
    lan = Lan(6, seed=5)
    for i in range(6):
        lan.nodes[i].attributes = {"mem": i}
    lan.join_all()
    lan.run(3000)
    lan.push(0, slice_(2, where=["<", "mem", 3]))
    lan.run_until(lambda: ring_closed(lan, "edge", 2), 30000)
    assert max(holders(lan, "edge").values()) < 3
    lan.push(0, slice_(2, 2, where=[">=", "mem", 3]))
    lan.run_until(lambda: ring_closed(lan, "edge", 2) and min(holders(lan, "edge").values()) >= 3, 240000)


def test_who_leaves_hands_over_at_once():
    lan = closed(5, 4, seed=6)
    lan.run(3000)
    who = holders(lan, "edge")[2]
    lan.nodes[who].leave(lan.now_ms)
    lan._drain(who)
    lan.down.append(who)
    lan.run(50)
    left = holders(lan, "edge")
    assert sorted(left) == [0, 1, 3]
    assert lan.nodes[left[1]].ring.successor().seat == 3 and lan.nodes[left[3]].ring.predecessor().seat == 1
    lan.run_until(lambda: ring_closed(lan, "edge", 4), 20000)
    assert sum([lan.nodes[i].counters["ring_deaths"] for i in range(5)]) == 0


def test_three_neighbours_that_die_together():
    lan = closed(10, 7, seed=7)
    seats = holders(lan, "edge")
    lan.down = [seats[2], seats[3], seats[4]]
    lan.run_until(lambda: ring_closed(lan, "edge", 7), 90000)


def test_a_grant_is_followed_by_the_next_when_the_new_holder_speaks_before_it_answers():
    lan = started(9, 8, seed=5)
    for node in lan.nodes:
        mute(node, messages.ANSWER)
    lan.run_until(lambda: seated(lan) > 0, 20000)
    # Half a cycle of the ring: nobody waited for its next one.
    lan.run_until(lambda: seated(lan) == 8, 500)


def test_an_answer_of_no_meaning_is_refused_whole():
    lan = closed(3, 2, seed=11)
    seats = holders(lan, "edge")
    lan.push(0, slice_(3, 2))
    node = lan.nodes[seats[0]]
    lose_first(lan, messages.GRANT)
    lan.run_until(lambda: node.ring.grant or lan.nodes[seats[1]].ring.grant, 20000)
    number = seats[0] if node.ring.grant else seats[1]
    ring = lan.nodes[number].ring
    grant = ring.grant
    peer = Descriptor(grant.box.id, grant.box.addr)
    try:
        ring.grants.on_answer(peer, [messages.ANSWER, grant.exchange, 77])
        raise ValueError("taken")
    except Exception as problem:
        assert "answer code" in str(problem)
    assert ring.grant is grant
    lan.run_until(lambda: ring_closed(lan, "edge", 3), 20000)


def test_answers_nobody_waits_for():
    lan = closed(4, 3, seed=12)
    before = sorted(holders(lan, "edge").items())
    for node in lan.nodes:
        for other in range(4):
            for code in (1, 2, 3, 4):
                node.send(lan.nodes[other].id, lan.address(other), messages.ANSWER, code, code)
    lan.run(1000)
    assert sorted(holders(lan, "edge").items()) == before


def test_a_candidate_that_never_answers_is_dead_and_another_sits():
    lan = started(6, 4, seed=13)

    def deaf(peer, message):
        pass

    lan.nodes[5]._handlers[messages.GRANT] = deaf
    lan.nodes[5].ring.take = lambda *rest: None
    lan.run_until(lambda: ring_closed(lan, "edge", 4), 90000)
    assert 5 not in holders(lan, "edge").values()
