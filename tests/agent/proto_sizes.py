"""Slices with a share of the fleet: seat 0 reckons, all follow, and no lie lasts."""

from backfence.agent.limits import SEATS
from lan import WALL_S, Lan


class Counted:
    """Stands for a fleet's count: what size() of the aggregate says."""

    def __init__(self, nodes, size):
        self.size = size
        for node in nodes:
            node.aggregate.size = lambda: self.size


def shared(share, where=None, count=1):
    lan = Lan(count, seed=2)
    if count > 1:
        lan.join_all()
        lan.run(3000)
    fields = {"kind": "slice", "name": "edge", "share": share}
    if where:
        fields["where"] = where
    lan.push(0, fields)
    lan.run(100)
    return lan


def alone(where=["==", "never", 1]):
    lan = shared(100, where)
    node = lan.nodes[0]
    return lan, node, node.slicing.by_name("edge")


def test_the_newest_size_holds_and_what_cannot_be_true_does_not():
    lan, node, slice = alone()
    hear = lambda version, size: (node.slicing.hear_size(slice.manifest.id, version, size), slice.size)[1]
    assert slice.size == 1 and node.slicing.told_size(slice.manifest.id) == (0, 0)
    assert hear(WALL_S, 40) == 40 and hear(WALL_S, 50) == 40 and hear(WALL_S - 1, 50) == 40
    assert hear(WALL_S + 1, 50) == 50 and node.slicing.told_size(slice.manifest.id) == (WALL_S + 1, 50)
    refused = node.counters["sizes_refused"]
    for version, size in ((WALL_S + 4000, 60), ((1 << 32) - 1, 60), (WALL_S + 2, 0), (WALL_S + 2, SEATS + 1)):
        assert hear(version, size) == 50
    assert node.counters["sizes_refused"] == refused + 4
    # Who counts for itself believes nothing that is far off.
    Counted([node], 500)
    for size in (20, 101, 4000):
        assert hear(WALL_S + 3, size) == 50
    assert hear(WALL_S + 3, 26) == 26 and hear(WALL_S + 4, 99) == 99


def test_a_size_a_little_off_is_left_alone():
    lan, node, slice = alone(None)
    counted = Counted([node], 1000)
    lan.run(6000)
    assert node.ring.seat == 0
    versions = []
    for fleet, size in ((1000, 100), (1040, 100), (960, 100), (1060, 106), (1010, 106), (1000, 100)):
        counted.size = fleet
        node.slicing.sizes.decide(slice)
        assert slice.size == size, fleet
        versions.append(slice.version)
    assert versions == sorted(versions) and len(set(versions)) == 3
    assert node.ring.seats() == 100 and node.ring.vacancies() == 99


def test_an_exact_size_is_the_manifests_alone():
    lan = Lan(1)
    lan.push(0, {"kind": "slice", "name": "edge", "seats": 7})
    lan.run(100)
    slicing = lan.nodes[0].slicing
    id = slicing.by_name("edge").manifest.id
    slicing.hear_size(id, WALL_S, 9)
    assert slicing.size(id) == 7 and slicing.told_size(id) == (0, 0) and slicing.size(bytes(16)) == 1
