"""Whole nodes on a small wire: joining, rumours, slices, work, a lost seat."""

from backfence.agent.wire import cbor
from backfence.agent.wire.hashes import sha256
from lan import Lan, Outcome

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")


def holders(lan, name):
    """{seat: node number} of the live nodes that sit in the slice."""
    out = {}
    for i in range(len(lan.nodes)):
        ring = lan.nodes[i].ring
        if i not in lan.down and ring.seat is not None and ring.manifest.name == name:
            assert ring.seat not in out, "two boxes in seat %d" % ring.seat
            out[ring.seat] = i
    return out


def ring_closed(lan, name, seats):
    """True if all seats are held and every successor is the next holder."""
    try:
        found = holders(lan, name)
    except AssertionError:
        return False
    if len(found) != seats:
        return False
    for seat in found:
        after = lan.nodes[found[seat]].ring.successor()
        if seats > 1 and (after is None or after.seat != (seat + 1) % seats):
            return False
        if seats > 1 and after.id != lan.nodes[found[after.seat]].id:
            return False
    return True


def test_all_join_through_one():
    lan = Lan(8)
    lan.join_all()
    lan.run_until(lambda: all(len(n.membership.view) == 7 for n in lan.nodes), 20000)


def test_rumour_reaches_all_and_survives_loss():
    counter = [0]

    def drop(data, source, target):
        counter[0] += 1
        return counter[0] % 5 == 0

    lan = Lan(8, seed=2, drop=drop)
    lan.join_all()
    lan.run(5000)
    verdict = lan.push(3, {"kind": "slice", "name": "edge", "seats": 3})
    lan.run_until(lambda: all(n.rumours.get("slice", "edge") for n in lan.nodes), 20000)
    assert verdict == [None]


def test_seats_fill_ring_closes_and_a_lost_seat_is_refilled():
    lan = Lan(8, seed=3)
    lan.join_all()
    lan.run(3000)
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 5})
    lan.run_until(lambda: ring_closed(lan, "edge", 5), 30000)
    victim = holders(lan, "edge")[2]
    lan.down.append(victim)
    lan.run_until(lambda: ring_closed(lan, "edge", 5), 30000)
    assert holders(lan, "edge")[2] != victim


def serve_broker(lan, blobs, results):
    """Answer the events of the nodes as edge and broker would."""
    for number in list(lan.events):
        events, lan.events[number] = lan.events[number], []
        node = lan.nodes[number]
        for event in events:
            if event[0] == "subscribe" and "/blob/" in event[1]:
                digest = event[1].rsplit("/", 1)[1]
                if digest in blobs:
                    node.message(event[1], blobs[digest], True, lan.now_ms)
            elif event[0] == "publish":
                if "/result/" in event[1]:
                    results.append((event[1], event[2]))
                if event[4] is not None:
                    node.published(event[4], lan.now_ms)
            elif event[0] == "job":
                job = event[1]
                output = b"ran " + node.store.get(job.input)
                node.job_done(job, Outcome(output), lan.now_ms)


def push_words(lan, tasks):
    """Push a slice of 4 and a workload of so many tasks; returns the blobs."""
    inputs = [b"input %d" % i for i in range(tasks)]
    program = b"\0asm and more"
    index = b"".join([sha256(data) for data in inputs])
    blobs = {sha256(data).hex(): data for data in inputs + [program, index]}
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 4})
    lan.push(0, {
        "kind": "workload", "name": "words", "slice": "edge", "program": sha256(program),
        "program_size": len(program), "index": [sha256(index)], "tasks": tasks, "args": [],
        "replicas": 1, "quorum": 1, "limits": {"fuel": 1000, "pages": 2, "output": 1000},
        "deadline_s": 3600, "deterministic": True,
    })
    return blobs


def run_work(lan, blobs, results, wanted, most_ms):
    start = lan.now_ms
    while len({topic.split("/")[4] for topic, _ in results}) < wanted:
        assert lan.now_ms - start < most_ms, "%d results" % len(results)
        lan.run(100)
        serve_broker(lan, blobs, results)


def test_a_workload_runs_and_every_result_comes_out():
    lan = Lan(6, seed=4, door=True)
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    blobs = push_words(lan, 20)
    results = []
    run_work(lan, blobs, results, 20, 60000)
    for topic, payload in results:
        receipt, tag, output = cbor.decode(payload)
        fields = cbor.decode(receipt)
        assert output == b"ran input %d" % fields["task"]
        assert fields["output"] == sha256(output) and len(tag) == 16
    lan.run(3000)
    assert sum(n.counters["tasks_done"] for n in lan.nodes) >= 20
    assert all(not n.tasks.waiting for n in lan.nodes)


def test_a_dead_seat_s_open_tasks_are_run_by_its_successor_in_office():
    lan = Lan(7, seed=5, door=True)
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    blobs = push_words(lan, 40)
    results = []
    run_work(lan, blobs, results, 8, 60000)
    seats = holders(lan, "edge")
    victim = [i for i in seats.values() if i != 0 and lan.nodes[i].tasks.open_count()][0]
    lan.down.append(victim)
    run_work(lan, blobs, results, 40, 120000)
    # The last result may be here before the dead one's seat has a new holder.
    lan.run_until(lambda: ring_closed(lan, "edge", 4), 20000)


def test_random_datagrams_change_nothing_but_counters():
    lan = Lan(3, seed=6)
    lan.join_all()
    lan.run(4000)
    node = lan.nodes[1]
    before = (sorted(node.membership.view), sorted(node.rumours.manifests), len(node.peers.table))
    for i in range(300):
        lan.nodes[1].receive(lan.rng.bytes(1 + lan.rng.below(1300)), lan.address(2), lan.now_ms)
    for kind in range(0x10, 0x1C):
        for length in (6, 23, 25, 27, 41, 91, 400, 1200):
            lan.nodes[1].receive(bytes((kind,)) + lan.rng.bytes(length - 1), lan.address(2), lan.now_ms)
    node.datagrams()
    assert before == (sorted(node.membership.view), sorted(node.rumours.manifests), len(node.peers.table))
    assert node.counters["datagrams_bad"] > 100
    lan.run(4000)
    assert len(node.membership.view) == 2
