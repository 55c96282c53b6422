"""Greetings and pair keys: loss, restarts, silence, and the caps."""

from backfence.agent.limits import HAILS, PEERS, PENDING
from backfence.agent.sessions import Peer
from backfence.agent.wire import messages, seal
from lan import Lan, TableLadder

NOBODY = bytes((10, 9, 9, 9, 0x1B, 0x58))


def listen(lan):
    """Let every node write down what it is told; {node number: [text, ...]}."""
    heard = {}
    for i in range(len(lan.nodes)):
        hear(lan, i, heard)
    return heard


def hear(lan, number, heard):
    """Let one node write down what it is told."""
    heard.setdefault(number, [])
    lan.nodes[number]._handlers[messages.PROGRESS] = lambda peer, m: heard[number].append(m[3])


def tell(lan, source, target, text):
    """Node source tells node target a text, on the way of any message."""
    node = lan.nodes[source]
    node.now_ms = lan.now_ms
    node.send(lan.nodes[target].id, lan.address(target), messages.PROGRESS, bytes(16), 1, text)


def taped(lan):
    """A list that gets (bytes, source, target) of every datagram from now on."""
    tape = []

    def drop(data, source, target):
        tape.append((data, source, target))
        return False

    lan.drop = drop
    return tape


class CountedLadder(TableLadder):
    """The table, counting."""

    count = 0

    def __init__(self, private, public, blind):
        CountedLadder.count += 1
        TableLadder.__init__(self, private, public, blind)


class SlowLadder(TableLadder):
    """The table, after so many steps."""

    steps = 600

    def __init__(self, private, public, blind):
        TableLadder.__init__(self, private, public, blind)
        self.left = self.steps

    def step(self):
        self.left -= 1
        return self.left <= 0


def count_ladders(node):
    """Count a node's ladders from now on."""
    CountedLadder.count = 0
    node.peers._ladder = CountedLadder


def ask(node, data, addr, now_ms):
    """What a node answers to a datagram, its work done at once."""
    node.datagrams()
    node.receive(data, addr, now_ms)
    while node.step(now_ms):
        pass
    return node.datagrams()


def hello_of(lan, victim, target, nonce, addr, total=1000):
    """HELLO with the copied key and proof of another box, with a good cookie for addr."""
    node = lan.nodes[target]
    answer = ask(node, seal.hail(b"evil", node.trust.fleet, nonce), addr, lan.now_ms)[0]
    assert answer[1] == addr
    return seal.hello(b"evil", node.trust.fleet, nonce, answer[0][5:21], lan.nodes[victim].peers._party(), total)


def test_a_greeting_survives_the_loss_of_any_one_datagram_of_it():
    for lost in range(6):
        seen = [0]

        def drop(data, source, target):
            seen[0] += 1
            return seen[0] == lost + 1

        lan = Lan(2, seed=lost, drop=drop)
        heard = listen(lan)
        tell(lan, 0, 1, b"first")
        lan.run(4000)
        tell(lan, 0, 1, b"second")
        tell(lan, 1, 0, b"back")
        lan.run(4000)
        told = heard[1] + heard[0]
        assert b"second" in told or lost == 5, lost
        assert len(told) >= 2 and len(told) == len(set(told))


def test_copies_and_disorder_tell_everything_once():
    turn = [0]

    def delays(data, source, target):
        turn[0] += 1
        return (5 + 7 * (turn[0] * 5 % 11), 40, 90)

    lan = Lan(2, delays=delays)
    heard = listen(lan)
    for i in range(4):
        tell(lan, 0, 1, b"%d" % i)
        tell(lan, 1, 0, b"%d" % i)
    lan.run(2000)
    for i in range(4, 30):
        tell(lan, 0, 1, b"%d" % i)
        tell(lan, 1, 0, b"%d" % i)
        lan.run(3)
    lan.run(2000)
    everything = sorted([b"%d" % i for i in range(30)])
    assert sorted(heard[0]) == everything and sorted(heard[1]) == everything
    assert lan.nodes[0].counters["seal_replayed"] > 26


def test_a_cookie_that_aged_out_between_two_hellos_is_asked_for_again():
    lan = Lan(2, drop=lambda data, source, target: data[0] == seal.WELCOME)
    heard = listen(lan)
    tell(lan, 0, 1, b"hello")
    lan.run(1000)
    lan.drop = None
    peers = lan.nodes[1].peers
    peers.gate._keys = [lan.rng.bytes(32), lan.rng.bytes(32)]
    lan.run(4000)
    assert heard[1] == [b"hello"]


def test_a_ladder_slower_than_the_repeats_breaks_nothing():
    lan = Lan(2)
    heard = listen(lan)
    lan.nodes[0].peers._ladder = SlowLadder
    SlowLadder.steps = 400
    tell(lan, 0, 1, b"patience")
    lan.run(2600)
    assert heard[1] == [b"patience"]


def test_ladders_that_outlast_their_greetings_are_not_thrown_away():
    # One after the other: the last has answered long before its turn comes.
    lan = Lan(4)
    heard = listen(lan)
    lan.nodes[0].peers._ladder = SlowLadder
    SlowLadder.steps = 1200
    for target in (1, 2, 3):
        tell(lan, 0, target, b"patience")
    lan.run(20000)
    assert heard[1] == heard[2] == heard[3] == [b"patience"], heard
    assert not lan.nodes[0].peers.hails and not len(lan.nodes[0].work)
    assert lan.nodes[0].counters["peers_unreachable"] == 0


def test_a_restarted_box_is_greeted_anew():
    for number in (0, 1):
        lan = Lan(2)
        heard = listen(lan)
        tell(lan, 0, 1, b"before")
        lan.run(500)
        lan.restart(number)
        hear(lan, number, heard)
        tell(lan, 0, 1, b"lost or greeted")
        lan.run(1000)
        tell(lan, 0, 1, b"after")
        tell(lan, 1, 0, b"back")
        lan.run(1000)
        assert heard[1][-1] == b"after" and heard[0] == [b"back"]
        assert lan.nodes[1 - number].counters["resets"] == (1 if number else 0)


def test_boxes_that_greet_each_other_at_once_both_speak():
    lan = Lan(2)
    heard = listen(lan)
    for i in range(20):
        tell(lan, 0, 1, b"%d" % i)
        tell(lan, 1, 0, b"%d" % i)
        lan.run(30 if i > 2 else 4)
    lan.run(1000)
    assert len(set(heard[0])) == 20 and len(set(heard[1])) == 20
    assert lan.nodes[0].counters["seal_unknown"] == lan.nodes[1].counters["seal_unknown"] == 0


def test_who_greeted_us_is_not_unreachable_because_our_greeting_fails():
    # A box behind NAT: what we send first is lost, what answers it is not.
    def drop(data, source, target):
        return source == 0 and data[0] in (seal.HAIL, seal.HELLO)

    lan = Lan(2, drop=drop)
    heard = listen(lan)
    lan.nodes[0].membership.join([lan.descriptor(1)])
    tell(lan, 0, 1, b"waits")
    lan.run(300)
    tell(lan, 1, 0, b"greets")
    lan.run(6000)
    assert heard[0] == [b"greets"] and b"waits" in heard[1]
    assert lan.nodes[0].counters["peers_unreachable"] == 0


def test_silence_is_given_up_and_its_messages_dropped():
    lan = Lan(2)
    lan.down.append(1)
    tell(lan, 0, 1, b"anybody?")
    lan.run(20000)
    assert lan.nodes[0].counters["peers_unreachable"] == 1
    assert not lan.nodes[0].peers.hails and not lan.nodes[0].peers.table


def test_a_box_that_moved_is_followed_by_its_next_true_word():
    lan = Lan(2)
    listen(lan)
    tell(lan, 0, 1, b"one")
    lan.run(500)
    session = lan.nodes[1].peers.table[lan.nodes[0].id].current
    data = session.seal(messages.pack(messages.PROGRESS, bytes(16), 1, b"moved"))
    peer = lan.nodes[0].peers.table[lan.nodes[1].id]
    lan.nodes[0].receive(data[:-1] + b"x", NOBODY, lan.now_ms)
    assert peer.addr == lan.address(1)
    lan.nodes[0].receive(data, NOBODY, lan.now_ms)
    assert peer.addr == NOBODY
    lan.nodes[0].receive(data, lan.address(1), lan.now_ms)
    assert peer.addr == NOBODY


def test_encryption_can_be_demanded():
    lan = Lan(2, require_encryption=1)
    heard = listen(lan)
    tell(lan, 0, 1, b"secret")
    lan.run(2000)
    if seal.ENCRYPTS:
        assert heard[1] == [b"secret"]
    else:
        assert heard[1] == [] and lan.nodes[1].counters["hello_unencrypted"] >= 1


def fill_table(lan):
    """PEERS invented boxes in node 0's table; the last is the longest silent."""
    peers = lan.nodes[0].peers
    ids = [b"%16d" % i for i in range(PEERS)]
    for i in range(PEERS):
        peers.table[ids[i]] = Peer(ids[i], NOBODY, bytes(32), 0, 0)
        peers.table[ids[i]].heard_ms = lan.now_ms - i
    return ids


def test_the_longest_silent_stranger_makes_way_for_a_newcomer():
    lan = Lan(2)
    heard = listen(lan)
    ids = fill_table(lan)
    lan.nodes[0].in_use = lambda id: id == ids[-1]
    tell(lan, 1, 0, b"new")
    lan.run(500)
    table = lan.nodes[0].peers.table
    assert heard[0] == [b"new"] and len(table) == PEERS
    assert ids[-1] in table and ids[-2] not in table and lan.nodes[1].id in table
    assert lan.nodes[0].counters["peers_evicted"] == 1


def test_when_every_peer_is_in_use_the_newcomer_is_refused():
    lan = Lan(2)
    heard = listen(lan)
    ids = fill_table(lan)
    count_ladders(lan.nodes[0])
    lan.nodes[0].in_use = lambda id: True
    tell(lan, 1, 0, b"new")
    lan.run(500)
    assert heard[0] == [] and sorted(lan.nodes[0].peers.table) == sorted(ids)
    assert lan.nodes[0].counters["peers_full"] >= 1 and CountedLadder.count == 0


def test_a_hello_that_is_not_answered_evicts_nobody():
    lan = Lan(2)
    ids = fill_table(lan)
    lan.nodes[0].peers.gate._tokens = 0
    lan.nodes[0].peers.gate._token_ms = lan.now_ms
    ask(lan.nodes[0], hello_of(lan, 1, 0, b"n" * 16, NOBODY), NOBODY, lan.now_ms)
    assert lan.nodes[0].counters["strangers_limited"] == 1
    assert sorted(lan.nodes[0].peers.table) == sorted(ids)


def test_messages_that_wait_for_a_greeting_are_few():
    lan = Lan(2)
    heard = listen(lan)
    for i in range(PENDING + 3):
        tell(lan, 0, 1, b"%d" % i)
    assert lan.nodes[0].counters["pending_full"] == 3
    lan.run(500)
    assert heard[1] == [b"%d" % i for i in range(PENDING)]


def test_greetings_under_way_are_few():
    lan = Lan(2)
    node = lan.nodes[0]
    for i in range(HAILS + 5):
        node.peers.send(b"%16d" % i, NOBODY, b"body")
    assert len(node.peers.hails) == HAILS and node.counters["hails_full"] == 5
    lan.run(20000)
    assert not node.peers.hails and node.counters["peers_unreachable"] == HAILS
