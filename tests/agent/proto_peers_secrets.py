"""What keeps pair keys secret, new and with friends: blinds, nonces, incarnations, and who is no stranger."""

from backfence.agent.gate import Gate
from backfence.agent.limits import PEERS, STRANGER_BURST, STRANGER_INTERVAL_MS
from backfence.agent.rng import Rng
from backfence.agent.seat import SeatEntry
from backfence.agent.sessions import Peer
from backfence.agent.wire import seal, x25519
from backfence.agent.wire.hashes import sha256
from lan import Lan, TableLadder
from proto_peers import NOBODY, taped, tell

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf", "mips")


def coordinates(blind):
    """Every coordinate that the first ladder steps of one key compute with."""
    seen = set()
    real = x25519._double_and_add

    def watched(u, p, q):
        for point in (p, q):
            seen.update(point)
        return real(u, p, q)

    x25519._double_and_add = watched
    try:
        ladder = x25519.Ladder(sha256(b"private"), x25519._BASE, blind)
        ladder.step()
        ladder.step()
    finally:
        x25519._double_and_add = real
    return seen


def test_a_blind_changes_every_number_that_is_computed_with():
    plain, one, other = coordinates(None), coordinates(b"\1" * 32), coordinates(b"\2" * 32)
    trivial = {0}  # the point at infinity's z, at the start
    assert len(one) > 20
    assert one & other <= trivial and one & plain <= trivial and other & plain <= trivial


def test_each_ladder_gets_a_blind_of_its_own():
    blinds = []

    class Ladder(TableLadder):
        def __init__(self, private, public, blind):
            blinds.append(blind)
            TableLadder.__init__(self, private, public, blind)

    lan = Lan(4)
    for node in lan.nodes:
        node.ladder = node.peers._ladder = Ladder
    for i in range(3):
        tell(lan, i, 3, b"hello")
    lan.run(1000)
    lan.nodes[0].tasks.receipts.ready()
    # Three pairs, both ends of each, and one for receipts.
    assert len(set(blinds)) == len(blinds) >= 7
    assert all([blind is not None and len(blind) == 32 for blind in blinds])


def keys_of_greetings(lan, times, before):
    """The key with which node 0 encrypts for node 1 after each of several greetings; before(i) comes first."""
    keys = []
    for i in range(times):
        before(i)
        tell(lan, 0, 1, b"hello")
        lan.run(1500)
        keys.append(lan.nodes[0].peers.table[lan.nodes[1].id].current.keys.cipher_out)
    return keys


def test_each_side_s_nonce_alone_makes_keys_new():
    for number in (0, 1):
        lan = Lan(2)

        def before(i):
            for node in lan.nodes:
                node.peers.drop(lan.nodes[0].id)
                node.peers.drop(lan.nodes[1].id)
            # The other side draws the same numbers each time.
            lan.nodes[1 - number].rng = Rng(b"the same")
            lan.nodes[number].rng = Rng(b"another %d" % i)

        keys = keys_of_greetings(lan, 3, before)
        assert len(set(keys)) == 3, number


def test_nonces_are_drawn_anew_for_each_greeting():
    lan = Lan(3)
    tape = taped(lan)
    for i in range(3):
        for node in lan.nodes:
            for other in lan.nodes:
                node.peers.drop(other.id)
        tell(lan, 0, 1, b"a%d" % i)
        tell(lan, 2, 1, b"b%d" % i)
        lan.run(1500)
    hails = set([data[9:25] for data, _, _ in tape if data[0] == seal.HAIL])
    welcomes = set([data[9:25] for data, _, _ in tape if data[0] == seal.WELCOME])
    assert len(hails) == 6 == len(welcomes) and not hails & welcomes


def test_keys_are_new_after_a_restart_even_if_randomness_repeats():
    # A box without an entropy source draws the same numbers at each start: its count of
    # starts, on flash, is part of the greeting that the keys are made of.
    for number in (0, 1):
        lan = Lan(2)

        def before(i):
            lan.restart(number)
            lan.nodes[1 - number].peers.drop(lan.nodes[number].id)
            for node in lan.nodes:
                node.rng = Rng(b"the same")

        keys = keys_of_greetings(lan, 3, before)
        assert len(set(keys)) == 3, number


def test_tokens_that_nobody_took_are_not_saved_up():
    gate = Gate(Rng(b"gate"), 0)
    later = 1000 * STRANGER_INTERVAL_MS
    taken = 0
    while gate.token(later):
        taken += 1
    assert taken == STRANGER_BURST


def test_a_flood_of_enrolled_strangers_pushes_no_friend_out():
    lan = Lan(6, round_ms=60000)
    lan.join_all()
    lan.run(3000)
    node = lan.nodes[0]
    view = [id for id in node.membership.view]
    assert len(view) == 5
    # Three friends are known in one way each: by the view, as a partner, as a ring neighbour; a
    # fourth is being granted a seat.
    in_view, partner, neighbour, candidate, stranger = view
    for id in (partner, neighbour, candidate, stranger):
        node.membership.view.pop(id)
    for id in view:
        node.membership.partners.drop(id)
    node.membership.partners.keep(lan.descriptor([other.id for other in lan.nodes].index(partner)))
    node.ring.near[neighbour] = SeatEntry(3, 1, lan.descriptor(1), lan.now_ms)

    class Grant:
        box = lan.descriptor([other.id for other in lan.nodes].index(candidate))

    node.ring.grants.grant = Grant
    friends = (in_view, partner, neighbour, candidate)
    for id in friends + (stranger,):
        node.peers.table[id].heard_ms = lan.now_ms - 1000000  # the longest silent of all
    for i in range(3 * PEERS):
        id = sha256(b"stranger %d" % i)[:16]
        peer = Peer(id, NOBODY, bytes(32), 0, 0)
        peer.heard_ms = lan.now_ms
        node.peers._sessions.add(peer)
        assert len(node.peers.table) <= PEERS
    for id in friends:
        assert id in node.peers.table and node.peers.table[id].current
    assert stranger not in node.peers.table
