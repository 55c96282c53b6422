"""The view: bounded, mended, and not to be filled with nonsense."""

from backfence.agent.descriptor import DOOR, REACHABLE, Descriptor, pack_all
from backfence.agent.limits import CONTACTS, DOORS, SHUFFLE, SHUFFLE_ANSWERS, VIEW
from backfence.agent.wire import messages
from emulated import fewer
from lan import Lan

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf", "mips")


def ghost(i, age=0, flags=REACHABLE):
    return Descriptor(b"%16d" % i, bytes((10, 7, i >> 8, i & 255, 1, 1)), age, flags)


def ask(lan, source, exchange, packed, doors=b"", slices=(), digest=bytes(8)):
    """Node source asks node 0 for a shuffle, as it likes."""
    node = lan.nodes[source]
    node.send(lan.nodes[0].id, lan.address(0), messages.SHUFFLE, exchange, packed, digest, doors, list(slices))
    lan.run(100)


def told(lan, source):
    """The list that gets node 0's answers to node source."""
    answers = []
    lan.nodes[source]._handlers[messages.SHUFFLED] = lambda peer, message: answers.append(message[1:])
    return answers


def test_a_view_is_bounded_and_never_ourselves():
    lan = Lan(2)
    node = lan.nodes[0]
    node.membership.join([ghost(i) for i in range(VIEW + 9)] + [lan.descriptor(0)])
    assert len(node.membership.view) == VIEW and node.id not in node.membership.view
    assert len(node.membership.contacts) == CONTACTS
    for i in range(30):
        ask(lan, 1, i, pack_all([lan.descriptor(1), lan.descriptor(0)] + [ghost(100 + 6 * i + j) for j in range(SHUFFLE - 2)]))
        assert len(node.membership.view) <= VIEW and node.id not in node.membership.view
    assert node.counters["shuffles_answered"] == 30 and len(node.membership._answers) == SHUFFLE_ANSWERS


def test_a_question_again_gets_the_same_answer_and_swaps_nothing():
    lan = Lan(2)
    lan.nodes[0].membership.join([ghost(i) for i in range(VIEW)])
    answers = told(lan, 1)
    question = pack_all([lan.descriptor(1), ghost(99)])
    ask(lan, 1, 7, question)
    view = sorted(lan.nodes[0].membership.view)
    ask(lan, 1, 7, question)
    assert answers[0] == answers[1] and view == sorted(lan.nodes[0].membership.view)
    ask(lan, 1, 8, question)
    assert answers[2] != answers[0] and lan.nodes[0].counters["shuffles_answered"] == 2


def test_shuffles_out_of_form_are_refused_whole():
    lan = Lan(3)
    node = lan.nodes[0]
    own, other = lan.descriptor(1), lan.descriptor(2)
    door = ghost(5, 0, DOOR | REACHABLE)
    good = pack_all([own, ghost(1)])
    told(lan, 1)
    bad_slices = ([[bytes(16), b"", b""]] * 3, [[bytes(15), b"", b""]], [None], [[bytes(16), b"x", b""]],
                  [[bytes(16), b"", b"x"]], [[bytes(16), b""]])
    wrong = [
        (b"", b"", []), (pack_all([other]), b"", []), (pack_all([other, own]), b"", []), (good[:-1], b"", []),
        (pack_all([own] + [ghost(i) for i in range(SHUFFLE)]), b"", []), (good, door.pack()[:-1], []),
        (good, door.pack() * 3, []),
    ] + [(good, door.pack(), slices) for slices in bad_slices]
    for i in range(len(wrong)):
        ask(lan, 1, i, *wrong[i])
    assert node.counters["messages_bad"] == len(wrong) and node.counters["shuffles_answered"] == 0
    assert not node.membership.view and not node.membership.doors
    ask(lan, 1, 50, good, door.pack())
    assert len(node.membership.view) == 2 and list(node.membership.doors) == [door.id]


def test_doors_known_are_few_fresh_and_forgotten():
    lan = Lan(2)
    node = lan.nodes[0]
    told(lan, 1)
    own = pack_all([lan.descriptor(1)])
    for i in range(DOORS + 3):
        ask(lan, 1, i, own, ghost(i, DOORS + 3 - i, DOOR).pack())
    assert sorted(node.membership.doors) == sorted([b"%16d" % i for i in range(3, DOORS + 3)])
    ages = [door.age for door in node.membership.door_list()]
    assert ages == sorted(ages)
    # No door, too old, and ourselves.
    for i, door in ((50, ghost(50)), (51, ghost(51, 21, DOOR)), (52, Descriptor(node.id, lan.address(0), 0, DOOR))):
        ask(lan, 1, i, own, door.pack())
    assert len(node.membership.doors) == DOORS and node.id not in node.membership.doors
    lan.down.append(1)
    node.config.round_ms = node.config.busy_round_ms = 1000
    node.membership.join([ghost(i) for i in range(9)])
    lan.run_until(lambda: not node.membership.doors, 300000)
    assert not node.membership.doors


def test_answers_that_nobody_waits_for_change_nothing():
    lan = Lan(3)
    node = lan.nodes[0]
    for exchange in range(5):
        lan.nodes[1].send(node.id, lan.address(0), messages.SHUFFLED, exchange, pack_all([ghost(1)]), bytes(8), b"", [])
    lan.run(200)
    assert not node.membership.view
    node.membership.join([lan.descriptor(2)])
    lan.down.append(2)
    lan.run_until(lambda: node.membership._questions, 3000)
    exchange = list(node.membership._questions)[0]
    lan.nodes[1].send(node.id, lan.address(0), messages.SHUFFLED, exchange, pack_all([ghost(1)]), bytes(8), b"", [])
    lan.run(100)
    assert b"%16d" % 1 not in node.membership.view and exchange in node.membership._questions


def test_a_box_behind_nat_is_never_asked_but_is_in_the_view():
    lan = Lan(2)
    node = lan.nodes[0]
    node.membership.join([ghost(i, 0, 0) for i in range(5)])
    lan.run(20000)
    assert node.counters["shuffles"] == 0 and len(node.membership.view) == 5
    assert node.membership.some(9) == [] and node.membership.contacts == []


def test_the_silent_are_dropped_after_repeats_and_not_taken_back_by_hearsay():
    lan = Lan(3)
    node = lan.nodes[0]
    node.membership.join([lan.descriptor(1), lan.descriptor(2)])
    lan.run(3000)
    lan.down.append(2)
    lan.run_until(lambda: lan.nodes[2].id not in node.membership.view and node.is_tombstoned(lan.nodes[2].id), 90000)
    assert node.counters["shuffle_timeouts"] >= 1 and node.counters["shuffle_retries"] >= 3
    ask(lan, 1, 9, pack_all([lan.descriptor(1), lan.descriptor(2)]))
    assert lan.nodes[2].id not in node.membership.view
    lan.down = []
    ask(lan, 2, 10, pack_all([lan.descriptor(2)]))
    assert lan.nodes[2].id in node.membership.view, "itself it may come back at once"


def test_in_a_small_fleet_everybody_is_asked_about_as_often():
    lan = Lan(7, seed=11, round_ms=500)
    lan.join_all()
    seconds = fewer(30, 12)
    lan.run(1000 * seconds)
    answered = [node.counters["shuffles_answered"] for node in lan.nodes]
    assert min(answered) > seconds and max(answered) < 3 * min(answered), answered
