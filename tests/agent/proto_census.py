"""The census of a door: its form, its size, when it is published, and its end."""

from backfence.agent import census
from backfence.agent.limits import CENSUS_BYTES, SEAT_HINTS
from backfence.agent.wire import cbor
from emulated import fewer
from lan import Lan

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")

KEYS = [
    "age_s", "carrying", "door", "epoch", "jobs", "published", "queries", "quick", "rounds_ms", "size", "slices",
    "versions", "wall_s", "workloads",
]


def world(count=2, **settings):
    """A Lan whose node 0 is a connected door."""
    lan = Lan(count, door=True, **settings)
    lan.nodes[0].connected(lan.now_ms)
    return lan, lan.nodes[0]


def censuses(lan):
    """Taken events of the door that publish a census: [(topic, payload, retain)]."""
    events = lan.events.pop(0, []) + list(lan.nodes[0].events())
    return [event[1:4] for event in events if event[0] == "publish" and "/census/" in event[1]]


def big(slices, points, heard=SEAT_HINTS, workloads=32):
    """A census as large as that."""
    name = "n" * 30 + "%02d"
    query = {"count": 1 << 20, "attribute": "availability", "mean": 1 << 30, "sd": 1 << 30, "least": 0, "most": 1 << 40,
             "cdf": [[(1 << 33) + i, 10000 * i // points] for i in range(points)], "top": [1, "availability"],
             "threshold": 1 << 33}
    return {
        "door": bytes(16), "wall_s": 1 << 31, "epoch": 1 << 20, "age_s": 1, "quick": False, "size": 1 << 20,
        "rounds_ms": 60000, "carrying": 1, "published": 1, "jobs": {"running": 1, "open": 1},
        "versions": {"9.9.%d" % i: 1 << 20 for i in range(16)},
        "slices": {name % i: {"seats": 4096, "filled": 4096, "matching": 1 << 20, "candidates": 8,
                              "heard": [[seat, 1 << 20, bytes(16)] for seat in range(heard)]} for i in range(slices)},
        "queries": {name % i: query for i in range(slices + 3)},
        "workloads": {name % i: {"seq": 1 << 20, "tasks": 8192, "slice": name % i} for i in range(workloads)},
    }


def test_its_form():
    lan, door = world()
    lan.join_all()
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 2})
    lan.run(20000)
    topic, payload, retain = censuses(lan)[-1]
    assert retain and topic == "backfence/" + lan.fleet().hex() + "/census/" + door.id.hex()
    told = cbor.decode(payload)
    assert sorted(told) == KEYS and told["door"] == door.id
    edge = told["slices"]["edge"]
    assert sorted(edge) == ["candidates", "filled", "heard", "matching", "seats"] and edge["seats"] == 2
    assert sorted(row[2] for row in edge["heard"]) == sorted(node.id for node in lan.nodes)


def test_it_goes_out_at_once_for_news_and_now_and_then_without():
    lan, door = world(round_ms=60000)
    lan.join_all()
    lan.run(1500)
    assert len(censuses(lan)) == 1, "when the broker is there"
    lan.run(60000)
    censuses(lan)
    lan.run(125000)
    assert 2 <= len(censuses(lan)) <= 5
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 1})
    lan.run(census.CHANGED_MS + 2000)
    assert "edge" in cbor.decode(censuses(lan)[0][1])["slices"]
    lan.run(10000)
    assert len(censuses(lan)) <= 10000 // census.CHANGED_MS


def test_it_looks_for_news_no_more_often_than_it_may_tell_them():
    lan, door = world(round_ms=60000)
    lan.join_all()
    lan.run(5000)
    told, looks, look = door.door.census, [], door.door.census._state

    def counted(now_ms):
        looks.append(now_ms)
        return look(now_ms)

    told._state = counted
    lan.run(20000)
    assert 5 <= len(looks) <= 20000 // census.CHANGED_MS + 1, looks


def test_averages_that_a_liar_made_absurd_are_told_all_the_same():
    lan, door = world()
    lan.join_all()
    lan.run(60000)
    queries = door.aggregate.averages.queries
    assert queries and door.aggregate.size()
    for query in queries.values():
        # As a box leaves them that says of itself: hardly anybody, with a sum beyond all.
        query.moments, query.least, query.most = [1e-30, 1e14, 1e29], -1.0, 1.0
        query.finish(1, door.now_ms)
    censuses(lan)
    lan.run(70000)
    told = cbor.decode(censuses(lan)[-1][1])["queries"]
    # The mean is no further off than the greatest value.
    assert told and all((row["mean"], row["sd"]) == (1, 1 << 53) for row in told.values())


def test_a_slice_that_another_has_taken_in_is_counted_there():
    lan, door = world()
    for fields in ({"name": "b", "seats": 1}, {"name": "a", "seats": 2, "absorbs": [["b", 1, 1]]}):
        lan.push(0, dict(fields, kind="slice"))
    lan.run(500)
    assert list(door.door.census.map()["slices"]) == ["a"]


def test_a_full_queue_of_events_is_tried_again():
    lan, door = world()
    while door.event(("log", "info", "x")):
        pass
    door.door.census.tick(door.now_ms)
    door.events()
    door.door.census.tick(door.now_ms)
    assert len(censuses(lan)) == 1


def test_a_door_that_leaves_takes_it_back_and_says_no_more():
    lan, door = world()
    lan.run(3000)
    topic = censuses(lan)[0][0]
    door.leave(lan.now_ms)
    assert censuses(lan) == [(topic, b"", True)]
    lan.run(70000)
    assert not censuses(lan)


def test_without_a_broker_it_says_nothing():
    lan, door = world()
    lan.run(3000)
    censuses(lan)
    door.disconnected(lan.now_ms)
    lan.run(70000)
    door.leave(lan.now_ms)
    assert not censuses(lan)
    door.connected(lan.now_ms)
    lan.run(3000)


def test_it_fits_its_bytes_whatever_is_in_it():
    full = ["heard", "workloads", "half of cdf", "cdf", "versions", "queries", "slices"]
    small = big(2, 8)
    assert cbor.decode(census.encode(small), 8, 99999) == small
    last = []
    # The last one is more than a fleet can have.
    rows = ((16, 4, SEAT_HINTS), (24, 32, 1), (32, 40, 1), (230, 0, 1))
    for slices, points, heard in fewer(rows, (rows[1], rows[3])):
        made = big(slices, points, heard)
        data = census.encode(made)
        told = cbor.decode(data, 8, 99999)
        assert len(data) <= CENSUS_BYTES, (slices, points)
        cut = told.get("left_out", [])
        assert cut == full[: len(cut)] and len(cut) >= len(last), (slices, points, cut)
        assert told["size"] == made["size"] and "left_out" not in made and made["slices"]["n" * 30 + "00"]["heard"]
        if "half of cdf" in cut and "cdf" not in cut:
            assert len(told["queries"]["n" * 30 + "00"]["cdf"]) == points // 2
        last = cut
    assert last == full
