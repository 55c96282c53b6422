"""The seed list: only the controller's, only while asked for, only if signed."""

from backfence.agent import seeds
from backfence.agent.counting import Counters
from backfence.agent.limits import CHUNK_BYTES, DATAGRAM_BYTES, MANIFEST_BYTES
from backfence.agent.node import Node
from backfence.agent.rng import Rng
from backfence.agent.seeds import Seeds
from emulated import fewer
from lan import WALL_S, Lan, TableLadder, sign

CONTROLLER = bytes((10, 5, 5, 5, 0x1B, 0x58))


def world():
    """A Lan of 2 whose node 0 knows nobody but its controller."""
    lan = Lan(2)
    old = lan.nodes[0]
    lan.nodes[0] = Node(old.config, old.identity, old.trust, old.store, old.rng, lan.now_ms, WALL_S,
                        lan.address(0), CONTROLLER, TableLadder)
    return lan, lan.nodes[0]


def signed_list(lan, **rest):
    fields = {"kind": "seeds", "fleet": lan.fleet(), "name": "seeds", "seq": 1, "issued": WALL_S,
              "expires": WALL_S + 999, "contacts": [[lan.nodes[1].id, lan.address(1)]] * 16}
    fields.update(rest)
    return sign(fields)


def piece(data, offset, count=300, size=None):
    size = len(data) if size is None else size
    return b"\x1b" + offset.to_bytes(2, "big") + size.to_bytes(2, "big") + data[offset : offset + count]


def questions(node):
    """Offsets of the list of contacts that the node asks the controller for."""
    asked = []
    for data, addr in node.datagrams():
        if addr == CONTROLLER:
            assert len(data) == DATAGRAM_BYTES and data[0] == 0x1A and data[3] <= 2
            if data[3] == 0:
                asked.append(data[1] << 8 | data[2])
    return asked


def settle(lan, node):
    while node.step(lan.now_ms):
        pass


def ask(lan, node):
    lan.now_ms += 1000
    node.handle_timer(lan.now_ms)
    return questions(node)


def test_a_list_comes_piece_by_piece_and_is_joined():
    lan, node = world()
    data = signed_list(lan)
    assert len(data) > 300 and ask(lan, node) == [0]
    for offset in range(0, len(data), 100):
        node.receive(piece(data, offset, 100), CONTROLLER, lan.now_ms)
        assert questions(node) == ([offset + 100] if offset + 100 < len(data) else [])
        node.receive(piece(data, offset, 100), CONTROLLER, lan.now_ms)
    settle(lan, node)
    assert list(node.membership.view) == [lan.nodes[1].id]
    lan.run(3000)
    assert node.id in lan.nodes[1].membership.view


def test_lists_that_do_not_hold_join_nobody_and_a_good_one_does_later():
    lan, node = world()
    good = signed_list(lan)
    slice = {"kind": "slice", "name": "edge", "seats": 2, "fleet": lan.fleet(), "issued": WALL_S,
             "expires": WALL_S + 999, "seq": 1}
    for bad in (b"x" * 32 + good[32:], signed_list(lan, fleet=bytes(16)), signed_list(lan, expires=WALL_S),
                sign(slice), b"garbage"):
        while not ask(lan, node):
            pass
        before = node.counters["seeds_bad"]
        node.receive(piece(bad, 0, 1024), CONTROLLER, lan.now_ms)
        settle(lan, node)
        assert not node.membership.view and node.counters["seeds_bad"] == before + 1
    while not ask(lan, node):
        pass
    node.receive(piece(good, 0, 1024), CONTROLLER, lan.now_ms)
    settle(lan, node)
    assert node.membership.view


def test_pieces_that_break_a_bound_change_nothing():
    lan, node = world()
    data = bytes(1200)
    ask(lan, node)
    wrong = (
        piece(data, 0, 100, 99), piece(data, 0, 10, MANIFEST_BYTES + 1), piece(data, 0, 0, 100),
        piece(data, 0, CHUNK_BYTES + 1, 8000), b"\x1b\0\0\0\0", piece(data, 0, 10, 0),
    )
    for question in wrong:
        node.receive(question, CONTROLLER, lan.now_ms)
    assert node.counters["seeds_bad"] == len(wrong) - 2 and not questions(node)
    node.receive(piece(data, 300), CONTROLLER, lan.now_ms)
    assert node.seeds._data == b""


def test_nobody_else_is_heard():
    lan, node = world()
    data = signed_list(lan)
    ask(lan, node)
    for addr in (lan.address(1), CONTROLLER[:4] + b"\0\1"):
        node.receive(piece(data, 0, 1024), addr, lan.now_ms)
    settle(lan, node)
    assert not node.membership.view and node.counters["seeds_bad"] == 2
    lan.nodes[1].receive(piece(data, 0, 1024), CONTROLLER, lan.now_ms)
    assert lan.nodes[1].counters["seeds_bad"] == 1 and not len(lan.nodes[1].work)


def test_who_knows_somebody_neither_asks_nor_checks():
    lan, node = world()
    node.membership.join([lan.descriptor(1)])
    for i in range(20):
        node.receive(piece(signed_list(lan), 0, 1024), CONTROLLER, lan.now_ms)
        assert not len(node.work)
    lan.run(3000)
    assert node.counters["seeds_bad"] == 20 and node.counters["seeds_asked"] == 0


def test_half_a_list_is_not_kept_when_somebody_is_known():
    lan, node = world()
    while not ask(lan, node):
        pass
    node.receive(piece(signed_list(lan), 0, 60), CONTROLLER, lan.now_ms)
    assert len(node.seeds._data) == 60
    node.membership.join([lan.descriptor(1)])
    lan.run(5000)
    assert node.seeds._data == b""


def test_who_is_alone_asks_for_contacts_every_second_time_and_else_for_lots_and_roots():
    lan, node = world()
    asked = []
    while len(asked) < 9:
        lan.now_ms = node.deadline()
        node.handle_timer(lan.now_ms)
        asked += [data[3] for data, addr in node.datagrams() if addr == CONTROLLER]
    assert asked[:9] == [0, 1, 0, 2, 0, 1, 0, 2, 0]


class Alone:
    """What Seeds needs of a node, for ever alone; asked: when it put a question (ms)."""

    def __init__(self, number, contacts):
        self.now_ms = 0
        self.rng = Rng(b"alone %d" % number)
        self.membership = self
        self.counters = Counters()
        self.contacts = contacts
        self.asked = []

    def alone(self):
        return True

    def transmit(self, data, addr):
        self.asked.append(self.now_ms)

    def ask_until(self, end_ms):
        seeds = Seeds(self, CONTROLLER)
        while seeds.due < end_ms:
            self.now_ms = seeds.due
            seeds.tick(seeds.due)
        return self.asked


def test_no_controller_for_a_week_and_the_next_question_is_within_the_longest_pause():
    for contacts, most_ms, first_ms in (([], seeds.MOST_MS, seeds.FIRST_MS),
                                        (["somebody"], seeds.CONTACTS_MOST_MS, 2 * seeds.CONTACTS_MS)):
        week_ms = fewer(7, 1) * 86400 * 1000
        asked = Alone(1, contacts).ask_until(week_ms)
        assert asked[0] <= first_ms
        pauses = [asked[i] - asked[i - 1] for i in range(1, len(asked))]
        assert 900 <= min(pauses[:4]) and max(pauses) <= most_ms
        # No faster than twice in the longest pause, once it is reached: to the last.
        assert min(pauses[12:]) >= most_ms // 2
        assert week_ms - asked[-1] <= most_ms


def test_boxes_that_were_alone_from_the_same_moment_do_not_ask_together():
    last = []
    for number in range(fewer(100, 40)):
        last.append(Alone(number, []).ask_until(3600 * 1000)[-1])
    buckets = {}
    for asked_ms in last:
        second = asked_ms // 1000
        buckets[second] = buckets.get(second, 0) + 1
    # Spread over a minute, a hundred questions come at under two a second: hardly ever nine.
    assert max(buckets.values()) < 9 and len(buckets) > fewer(30, 15)


def test_a_box_that_remembers_others_spares_the_controller():
    lan, node = world()
    node.membership.join([lan.descriptor(1)])
    lan.run(2000)
    for number in (0, 1):
        lan.restart(number, CONTROLLER)
    lan.run(90000)
    assert lan.nodes[1].id in lan.nodes[0].membership.view and lan.nodes[0].counters["seeds_asked"] == 0


def test_contacts_that_are_all_gone_do_not_keep_a_box_from_the_controller():
    lan, node = world()
    node.membership.join([lan.descriptor(1)])
    lan.run(2000)
    lan.down.append(1)
    lan.restart(0, CONTROLLER)
    node = lan.nodes[0]
    # Contacts are asked meanwhile, one after the other; a question under way is no company.
    lan.run(600000)
    assert not node.membership.view and node.counters["seeds_asked"] >= 5
    heard = node.counters["seeds_asked"]
    lan.run(2 * seeds.CONTACTS_MOST_MS)
    assert heard + 1 <= node.counters["seeds_asked"] <= heard + 5


def test_a_box_that_loses_its_last_neighbour_asks_again():
    lan, node = world()
    node.membership.join([lan.descriptor(1)])
    lan.run(3000)
    assert node.membership.view or not node.membership.alone()
    lan.down.append(1)
    lan.run(20 * 60000)
    assert node.counters["seeds_asked"] >= 2

