"""Greetings under attack: who is answered, with how much, at what cost."""

from backfence.agent.limits import STRANGER_BURST, STRANGER_INTERVAL_MS
from backfence.agent.wire import seal
from emulated import fewer
from lan import Lan
from proto_peers import NOBODY, CountedLadder, ask, count_ladders, hear, hello_of, listen, taped, tell

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf", "mips")


def test_a_replay_of_everything_tells_nothing_and_moves_nobody():
    lan = Lan(2)
    heard = listen(lan)
    tape = taped(lan)
    tell(lan, 0, 1, b"one")
    lan.run(500)
    tell(lan, 1, 0, b"two")
    lan.run(500)
    lan.restart(1)
    hear(lan, 1, heard)
    tell(lan, 0, 1, b"gone")
    lan.run(1000)
    tell(lan, 0, 1, b"three")
    lan.run(500)
    kinds = {data[0] for data, _, _ in tape}
    assert kinds == {seal.HAIL, seal.COOKIE, seal.HELLO, seal.WELCOME, seal.SEALED, seal.RESET}
    before = (list(heard[0]), list(heard[1]))
    for addr in (None, NOBODY):
        for data, source, target in list(tape):
            lan.nodes[target].receive(data, addr or lan.address(source), lan.now_ms)
    lan.run(3000)
    assert (heard[0], heard[1]) == before
    for i in range(2):
        assert lan.nodes[i].peers.table[lan.nodes[1 - i].id].addr == lan.address(1 - i)
    tell(lan, 0, 1, b"four")
    tell(lan, 1, 0, b"five")
    lan.run(500)
    assert heard[1][-1] == b"four" and heard[0][-1] == b"five"


def test_a_reflection_of_everything_tells_nothing():
    lan = Lan(2)
    heard = listen(lan)
    tape = taped(lan)
    tell(lan, 0, 1, b"one")
    lan.run(500)
    tell(lan, 1, 0, b"two")
    lan.run(500)
    for data, source, target in list(tape):
        lan.nodes[source].receive(data, lan.address(target), lan.now_ms)
        lan.nodes[source].receive(data, lan.address(source), lan.now_ms)
    lan.run(2000)
    assert heard == {0: [b"two"], 1: [b"one"]}
    assert sorted(lan.nodes[0].peers.table) == [lan.nodes[1].id]


def test_no_answer_to_a_stranger_is_longer_than_his_question():
    lan = Lan(3)
    node = lan.nodes[0]
    fleet = node.trust.fleet
    for kind in range(256):
        for length in fewer((6, 22, 23, 25, 26, 27, 28, 91, 107, 300, 1200), (23, 27, 300)):
            question = bytes((kind,)) + b"abcd" + fleet[:4] + lan.rng.bytes(1200)
            for data, addr in ask(node, question[:length], NOBODY, lan.now_ms):
                assert len(data) <= length and addr == NOBODY, (kind, length)


def test_a_short_hello_gets_no_long_welcome_and_costs_no_ladder():
    lan = Lan(33)  # the last box has a proof of 1 node, the first of 6
    count_ladders(lan.nodes[0])
    hello = hello_of(lan, 32, 0, b"n" * 16, NOBODY, 0)
    assert not ask(lan.nodes[0], hello, NOBODY, lan.now_ms) and CountedLadder.count == 0
    hello = hello_of(lan, 32, 0, b"n" * 16, NOBODY, 1200)
    [(welcome, addr)] = ask(lan.nodes[0], hello, NOBODY, lan.now_ms)
    assert addr == NOBODY and CountedLadder.count == 1
    again = ask(lan.nodes[0], hello, NOBODY, lan.now_ms)
    assert again == [(welcome, addr)] and CountedLadder.count == 1
    for total in (0, 100, len(welcome) - 1):
        short = hello_of(lan, 32, 0, b"n" * 16, NOBODY, total)
        for data, _ in ask(lan.nodes[0], short, NOBODY, lan.now_ms):
            assert len(data) <= len(short)


def test_no_cookie_no_ladder():
    lan = Lan(3)
    node = lan.nodes[0]
    count_ladders(node)
    good = hello_of(lan, 1, 0, b"n" * 16, NOBODY)
    for wrong in (good[:25] + bytes(16) + good[41:], good[:9] + b"m" * 16 + good[25:]):
        assert not ask(node, wrong, NOBODY, lan.now_ms)
    assert not ask(node, good, lan.address(1), lan.now_ms)
    assert node.counters["cookie_bad"] == 3
    # Two changes of the cookie key: too old.
    lan.run(61000)
    assert not ask(node, good, NOBODY, lan.now_ms)
    assert node.counters["cookie_bad"] == 4 and CountedLadder.count == 0


def test_no_enrolment_no_ladder():
    lan, other = Lan(3), Lan(3, seed=77)
    node = lan.nodes[0]
    count_ladders(node)
    party = other.nodes[1].peers._party()
    hello = hello_of(lan, 1, 0, b"n" * 16, NOBODY)
    for claim in (party, seal.Party(party.key, party.flags, 0, node.trust.lot, 1, lan.nodes[1].trust.path)):
        forged = seal.hello(b"evil", node.trust.fleet, b"n" * 16, hello[25:41], claim, 1000)
        assert not ask(node, forged, NOBODY, lan.now_ms)
    own = hello_of(lan, 0, 0, b"n" * 16, NOBODY)
    assert not ask(node, own, NOBODY, lan.now_ms)
    assert node.counters["hello_bad"] == 3 and CountedLadder.count == 0 and not node.peers.table


def test_strangers_share_a_bucket_of_ladders():
    lan = Lan(STRANGER_BURST + 4)
    node = lan.nodes[0]
    count_ladders(node)
    hellos = [hello_of(lan, i, 0, b"n" * 16, NOBODY) for i in range(1, len(lan.nodes))]
    for hello in hellos:
        ask(node, hello, NOBODY, lan.now_ms)
    assert CountedLadder.count == STRANGER_BURST and node.counters["strangers_limited"] == 3
    later = lan.now_ms + 2 * STRANGER_INTERVAL_MS
    for hello in hellos:
        ask(node, hello, NOBODY, later)
    assert CountedLadder.count == STRANGER_BURST + 2 and node.counters["strangers_limited"] == 4


def test_a_copied_hello_diverts_nothing():
    lan = Lan(3)
    heard = listen(lan)
    tape = taped(lan)
    tell(lan, 0, 1, b"1")
    tell(lan, 1, 0, b"1")
    lan.run(500)
    for i in range(12):
        hello = hello_of(lan, 1, 0, b"%16d" % i, NOBODY)
        assert [addr for _, addr in ask(lan.nodes[0], hello, NOBODY, lan.now_ms)] == [NOBODY]
        lan.nodes[0].receive(b"\x14evil" + lan.rng.bytes(60), NOBODY, lan.now_ms)
        lan.nodes[0].datagrams()
        tell(lan, 0, 1, b"to %d" % i)
        tell(lan, 1, 0, b"fro %d" % i)
        lan.run(100)
    assert len(heard[0]) == len(heard[1]) == 13
    assert lan.nodes[0].counters["seal_unknown"] == 12 and lan.nodes[1].counters["resets"] == 0
    assert len(lan.nodes[0].peers.table[lan.nodes[1].id].sessions) <= 4
    assert len(lan.nodes[0].peers._sessions._indices) <= 4
    assert {target for data, source, target in tape if source == 0 and data[0] == seal.SEALED} == {1}


def test_a_copied_hello_of_a_stranger_does_not_take_his_place():
    lan = Lan(3)
    heard = listen(lan)
    ask(lan.nodes[0], hello_of(lan, 1, 0, b"n" * 16, NOBODY), NOBODY, lan.now_ms)
    tell(lan, 0, 1, b"to the right one")
    lan.run(500)
    assert heard[1] == [b"to the right one"]
    assert lan.nodes[0].peers.table[lan.nodes[1].id].addr == lan.address(1)


def test_forged_welcomes_cost_one_ladder_and_do_not_stop_the_greeting():
    lan = Lan(3)
    heard = listen(lan)
    count_ladders(lan.nodes[0])

    def drop(data, source, target):
        if data[0] == seal.WELCOME:
            for i in range(5):
                forged = data[:9] + b"%16d" % i + data[25:]
                lan._deliver_later(forged, NOBODY, lan.address(target), 1)
        return False

    lan.drop = drop
    tell(lan, 0, 1, b"hello")
    lan.run(3000)
    assert heard[1] == [b"hello"] and lan.nodes[0].counters["hello_bad"] >= 1
    assert CountedLadder.count == 1


def test_a_reset_counts_only_with_the_tag_of_our_latest_datagram():
    lan = Lan(2)
    heard = listen(lan)
    tell(lan, 0, 1, b"one")
    lan.run(500)
    node = lan.nodes[0]
    session = node.peers.table[lan.nodes[1].id].current
    head = bytes((seal.RESET,)) + session.their_index + bytes(6)
    for tag in (bytes(16), session.last_tag[:15] + bytes((session.last_tag[15] ^ 1,))):
        node.receive(head + tag, NOBODY, lan.now_ms)
    node.receive(head + session.last_tag + b"\0", NOBODY, lan.now_ms)
    assert node.counters["resets"] == 0 and not node.peers.hails
    node.receive(head + session.last_tag, NOBODY, lan.now_ms)
    assert node.counters["resets"] == 1
    tell(lan, 0, 1, b"two")
    lan.run(500)
    assert heard[1] == [b"one", b"two"]
