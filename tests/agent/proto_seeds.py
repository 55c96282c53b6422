"""The seed list: only the controller's, only while asked for, only if signed."""

from backfence.agent.limits import CHUNK_BYTES, DATAGRAM_BYTES, MANIFEST_BYTES
from backfence.agent.node import Node
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
    """Offsets that the node asks the controller for."""
    asked = []
    for data, addr in node.datagrams():
        if addr == CONTROLLER:
            assert len(data) == DATAGRAM_BYTES and data[0] == 0x1A
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
