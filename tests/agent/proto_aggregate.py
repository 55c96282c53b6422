"""Aggregation among real nodes: exact under loss, quick after a query, bounded."""

from backfence.agent.aggregate import STALE_ROUNDS, count
from backfence.agent.averages import Averages, parse_body, version_key, version_text
from backfence.agent.epoch import ROUNDS
from backfence.agent.limits import (
    AVERAGES_ASKED,
    AVERAGES_BYTES,
    AVERAGES_KEPT,
    AVERAGES_SENT,
    EPOCH_JUMP,
    MANIFESTS,
    MESSAGE_BYTES,
    QUERIES,
)
from backfence.agent.rng import Rng
from backfence.agent.wire import messages
from lan import Lan

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "armhf", "mips")

BUSY_MS = 300


def lan_of(count, **settings):
    lan = Lan(count, busy_round_ms=BUSY_MS, **settings)
    for i in range(count):
        lan.nodes[i].attributes.update({"load": 10 * i, "version": "1.2.%d" % (i % 2), "odd": i % 2})
    lan.join_all()
    return lan


def test_mass_is_exact_at_twenty_percent_loss_and_duplication():
    lost = Rng(b"loss")
    lan = lan_of(4, drop=lambda data, source, target: lost.below(10) < 2, delays=lambda data, source, target: (5, 40))
    lan.run_until(lambda: all([node.aggregate.epoch.number == 1 for node in lan.nodes]), 60000)
    begun = {}
    for node in lan.nodes:
        assert node.aggregate.epoch.taking_part
    lan.run_until(lambda: lan.nodes[0].aggregate.epoch.elapsed_ms() > 10 * BUSY_MS, 60000)
    # Nobody begins anything more, and what is under way comes to its end.
    for node in lan.nodes:
        node.aggregate.exchange = lambda peer: None
    lan.run_until(lambda: not any([node.aggregate.asked for node in lan.nodes]), 18 * BUSY_MS)
    for node in lan.nodes:
        for key, cell in node.aggregate.averages.sizes.cells.items():
            begun[key] = begun.get(key, 0.0) + cell
    assert len(begun) == 4
    assert not any([node.aggregate.epoch.complete() for node in lan.nodes])
    for mass in begun.values():
        assert abs(mass - 1.0) < 1e-6, mass
    assert sum([node.counters["averages_repeated"] for node in lan.nodes]) > 0


def test_a_late_joiner_a_query_and_what_all_agree_on():
    lan = lan_of(3)
    lan.down = [2]
    lan.run_until(lambda: lan.nodes[0].aggregate.epoch.number == 1, 60000)
    lan.run(3 * BUSY_MS)
    lan.down = []
    lan.restart(2)
    late = lan.nodes[2]
    late.attributes.update({"load": 20, "version": "1.2.0", "odd": 0})
    late.membership.join([lan.descriptor(0)])
    lan.run_until(lambda: lan.nodes[0].aggregate.outcome is not None, 2 * ROUNDS * BUSY_MS)
    # It was not up when the epoch began; what others found it may know.
    assert not late.aggregate.epoch.taking_part and late.aggregate.outcome is None
    assert lan.nodes[0].aggregate.size() == 2
    lan.push(1, {"kind": "query", "name": "odd", "where": ["==", "odd", 1], "by": "load"})
    lan.run_until(lambda: late.aggregate.outcome is not None, (ROUNDS + 40) * BUSY_MS)
    lan.run(3 * BUSY_MS)
    for node in lan.nodes:
        report = node.aggregate.report()
        assert report["size"] == 3 and report["versions"] == {"1.2.0": 2, "1.2.1": 1}, report
        load, odd = report["queries"]["load"], report["queries"]["odd"]
        assert (load["count"], load["mean"], load["least"], load["most"]) == (3, 10, 0, 20)
        assert (odd["count"], odd["mean"], odd["least"], odd["most"]) == (1, 10, 10, 10)
    lan.push(2, {"kind": "query", "name": "odd", "seq": 2, "end": True})
    lan.run_until(lambda: not any(["odd" in node.aggregate.report()["queries"] for node in lan.nodes]), 20 * BUSY_MS)


class Peer:
    """Somebody who asks."""

    id = b"p" * 16
    addr = b"\x0a\0\0\x63\x1b\x58"


def joined(seed=1):
    """One node in an epoch, and what it sends goes to a list."""
    lan = Lan(1, seed)
    node = lan.nodes[0]
    sent = []
    node.send_packed = lambda id, addr, data: sent.append(messages.unpack(data))
    node.aggregate.on_average(Peer, [messages.AVERAGE, 1, 1, 1, 0, b""])
    assert node.aggregate.epoch.averaging()
    return node, sent


def question(node, exchange, body):
    return [messages.AVERAGE, exchange, node.aggregate.epoch.number, 1, 0, body]


def test_a_repeated_question_is_answered_once():
    node, sent = joined()
    other, _ = joined(2)
    body = Averages(other)
    body.begin(1, True)
    data = body.bodies()[0][0]
    node.aggregate.on_average(Peer, question(node, 7, data))
    after = dict(node.aggregate.averages.sizes.cells)
    node.aggregate.on_average(Peer, question(node, 7, data))
    assert sent[-1] == sent[-2] and node.aggregate.averages.sizes.cells == after
    node.aggregate.on_average(Peer, question(node, 8, data))
    assert node.aggregate.averages.sizes.cells != after


def test_a_question_rounds_late_moves_neither():
    # Its first copies were lost: it tells what its box held long ago.
    node, sent = joined()
    other, _ = joined(2)
    body = Averages(other)
    body.begin(1, True)
    data = body.bodies()[0][0]
    late = question(node, 7, data)
    before = dict(node.aggregate.averages.sizes.cells)
    node.now_ms += (STALE_ROUNDS + 1) * node.config.busy_round_ms
    node.aggregate.on_average(Peer, late)
    assert sent[-1][0] == messages.AVERAGED and sent[-1][5] is None
    assert node.aggregate.averages.sizes.cells == before and node.counters["averages_stale"] == 1
    # One that was answered in time is answered again, however late its repeat.
    prompt = question(node, 8, data)
    prompt[4] = node.aggregate.epoch.elapsed_ms()
    node.aggregate.on_average(Peer, prompt)
    assert sent[-1][5] is not None
    node.now_ms += (STALE_ROUNDS + 1) * node.config.busy_round_ms
    node.aggregate.on_average(Peer, prompt)
    assert sent[-1] == sent[-2] and node.counters["averages_stale"] == 1


def test_a_body_that_is_wrong_anywhere_changes_nothing():
    node, sent = joined()
    averages = node.aggregate.averages
    good = averages.bodies()[0][0]
    before = (dict(averages.sizes.cells), dict(averages.vectors), len(sent))
    for bad in (good[:-1], good + b"\x09", good + b"\3", b"\x63", good + b"\3jobs\0"):
        try:
            node.aggregate.on_average(Peer, question(node, 9, bad))
            assert False, bad
        except messages.RemoteError:
            assert (dict(averages.sizes.cells), dict(averages.vectors), len(sent)) == before


def test_a_wrong_answer_is_refused_and_the_question_stays():
    node, sent = joined()
    node.aggregate.exchange(Peer)
    asked = len(node.aggregate.asked)
    exchange = sent[-1][1]
    before = dict(node.aggregate.averages.sizes.cells)
    for body in (b"", b"\xff", bytes(300)):
        try:
            node.aggregate.on_averaged(Peer, [messages.AVERAGED, exchange, 1, 1, 0, body, None])
            assert False
        except messages.RemoteError:
            pass
    # Epochs out of reach, past their end: what else the answer says is not taken either.
    for number, elapsed_ms in ((2 + EPOCH_JUMP, 0), (2, (1 << 32) - 1)):
        try:
            node.aggregate.on_averaged(Peer, [messages.AVERAGED, exchange, number, 1, elapsed_ms, None, 66])
            assert False
        except messages.RemoteError:
            pass
    assert len(node.aggregate.asked) == asked and node.aggregate.averages.sizes.cells == before
    assert node.aggregate.size() is None
    node.aggregate.on_averaged(Peer, [messages.AVERAGED, exchange, 1, 1, 0, None, 77])
    assert len(node.aggregate.asked) == asked - 1 and node.aggregate.size() == node.trust.places() < 77


def test_questions_answers_and_queries_are_bounded():
    node, sent = joined()
    for _ in range(20):
        node.aggregate.exchange(Peer)
    assert len(node.aggregate.asked) == AVERAGES_ASKED and node.counters["averages_full"] > 0
    body = node.aggregate.averages.bodies()[0][0]
    for exchange in range(2 * AVERAGES_KEPT):
        node.aggregate.on_average(Peer, question(node, 1000 + exchange, body))
    assert len(node.aggregate._answers) == AVERAGES_KEPT and node.counters["averages_dropped"] == AVERAGES_KEPT
    for i in range(2 * QUERIES):
        node.aggregate.averages.ask(b"q%03d" % i, None, "load")
    assert len(node.aggregate.averages.queries) == QUERIES and node.counters["queries_full"] == QUERIES + 3


def test_everything_at_its_cap_goes_in_turns_and_fits():
    node, _ = joined()
    averages = node.aggregate.averages
    for i in range(QUERIES):
        averages.ask(b"q%03d" % i, None, "load")
    node.attributes["load"] = 5
    averages.begin(2, True)
    for i in range(MANIFESTS):
        averages.vectors[b"s%03d" % i] = [1.0, 1.0]
    for query in averages.queries.values():
        query._adopt(b"\0aaaa", [float(i) for i in range(48)])
        query.samples = [float(i) for i in range(32)]
    told = set()
    for _ in range(12):
        bodies = averages.bodies()
        assert len(bodies) <= AVERAGES_SENT
        for body, parts in bodies:
            assert len(body) <= AVERAGES_BYTES
            told.update([(tag, key) for tag, key, _ in parts])
            answer = messages.pack(messages.AVERAGED, 1, 2, 1, 0, averages.answer(parse_body(body)), 5)
            assert len(answer) <= MESSAGE_BYTES
    assert len(told) == 2 + 1 + MANIFESTS + QUERIES


def test_the_trimmed_mean_bears_some_wild_cells():
    cells = keyed(100, lambda i: 0.01)
    assert count(cells, 1000) == (100, 0)
    for key in sorted(cells)[:7]:
        cells[key] = 0.016 if key[3] % 2 else 0.006
    assert count(cells, 1000) == (100, 0) and count({}, 9) == (None, 0) and count({bytes(4): 1.0}, 9) == (1, 0)


def keyed(size, cell):
    """The 24 cells of a fleet of `size` whose keys lie as evenly as can be."""
    return {(0xFFFFFFFF // size * i + i % 2).to_bytes(4, "big"): cell(i) for i in range(1, 25)}


def test_cells_that_belie_their_keys_are_left_out_and_no_fleet_has_more_than_it_enrolled():
    size, odd = count(keyed(100, lambda i: 1.0 if i % 3 == 0 else 0.01), 1000)
    assert (size, odd) == (100, 8)
    for wild in (1.0, 0.0, 1e-9, -1.0, 2.0):
        size, odd = count(keyed(100, lambda i: wild), 1000)
        assert odd == 24 and 90 <= size <= 110
    # Keys that liars made up make the fleet larger, to what is enrolled and no further.
    made = {bytes((0, 0, 0, i)): 1.0 for i in range(24)}
    assert count(made, 1000) == (1000, 24) and count(keyed(1000, lambda i: 0.001), 900) == (900, 0)
    few = {bytes((i, 0, 0, 0)): 1.0 for i in range(5)}
    assert count(few, 1000) == (5, 5)


def test_versions_sort_the_newest_first_and_come_back():
    texts = ["2.0.0", "1.10.0", "1.9.12", "0.0.0"]
    assert sorted([version_key(text) for text in texts]) == [version_key(text) for text in texts]
    assert [version_text(version_key(text)) for text in texts] == texts
    assert version_text(version_key("1.2.3-beta4")) == "1.2.3" and version_text(version_key("")) == "0.0.0"
