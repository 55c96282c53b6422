"""Distributions: everybody counted once, thresholds that close in, ranks, nonsense."""

from backfence.agent import query as queries
from backfence.agent.errors import RemoteError
from backfence.agent.pool import pack_floats
from backfence.agent.query import Query
from backfence.agent.rng import Rng
from backfence.agent.wire.hashes import sha256

# Both word sizes and both byte orders; a world of nodes shows nothing new on more of a kind.
INTERPRETERS = ("cpython", "micropython", "amd64", "mips")

KEY = b"load"


class Fleet:
    """Boxes with one query each; a cycle lets each meet a random other."""

    def __init__(self, values, where=None, seed=1):
        self.rng = Rng(b"query %d" % seed)
        self.values = values
        self.ids = [sha256(b"box %d" % i)[:16] for i in range(len(values))]
        self.boxes = [Query(KEY, where, "load") for _ in values]
        self.number = 0

    def begin(self):
        self.number += 1
        for box, id, value in zip(self.boxes, self.ids, self.values):
            box.begin(self.number, id, {"load": value, "odd": value % 2} if value is not None else {})

    def cycle(self):
        for box in self.boxes:
            other = self.rng.choice(self.boxes)
            if other is not box:
                data = box.pack(self.rng)
                rank = box.rank
                theirs, end = queries.parse(data, 0)
                assert end == len(data)
                answer = other.answer(theirs)
                changes, end = queries.parse_answer(answer, 0)
                assert end == len(answer)
                box.apply(changes, rank)

    def epoch(self, cycles=13):
        self.begin()
        for _ in range(cycles):
            self.cycle()
        for box in self.boxes:
            box.finish(self.number, 1000)
        return self.boxes[0].result


def true_share(values, value):
    return sum([1 for other in values if other <= value]) / len(values)


def worst(result, values):
    return max([abs(result.below(value) - true_share(values, value)) for value in values])


def test_count_mean_variance_and_extremes():
    values = [10 * i for i in range(20)]
    result = Fleet(values).epoch(20)
    assert abs(result.match - 1) < 1e-5 and (result.least, result.most) == (0, 190)
    assert abs(result.mean - 95) < 0.01
    assert abs(result.variance - sum([(value - 95) ** 2 for value in values]) / 20) < 3


def test_thresholds_close_in_on_the_shape():
    rng = Rng(b"shape")
    values = [rng.below(1000) ** 3 // 1000 for _ in range(40)]
    fleet = Fleet(values)
    first = worst(fleet.epoch(), values)
    later = worst(fleet.epoch(), values)
    assert later < 0.07 and later <= first
    for share in (0.1, 0.5, 0.9):
        assert abs(true_share(values, fleet.boxes[3].result.value_at(share)) - share) < 0.1


def test_a_steep_place_is_found():
    values = [5] * 4 + [1000003] * 15 + [1000000 * i for i in range(2, 8)]
    fleet = Fleet(values)
    for _ in range(3):
        result = fleet.epoch()
    assert abs(result.below(1000002) - 0.16) < 0.01 and abs(result.below(1000003) - 0.76) < 0.01


def test_all_agree_on_one_set_of_thresholds_and_count_once():
    fleet = Fleet([7 * i for i in range(20)])
    fleet.begin()
    for _ in range(22):
        fleet.cycle()
    assert len(set([box.rank for box in fleet.boxes])) == 1
    box = fleet.boxes[0]
    for i in range(len(box.points)):
        exact = true_share(fleet.values, box.points[i])
        total = sum([box.shares[i] for box in fleet.boxes]) / 20
        assert abs(total - exact) < 1e-5, (i, total, exact)


def test_only_those_who_match_and_have_the_attribute():
    values = [i for i in range(20)] + [None] * 4
    result = Fleet(values, ["==", "odd", 1]).epoch(20)
    assert abs(result.match * 24 - 10) < 0.01 and (result.least, result.most) == (1, 19)
    assert abs(result.mean - 10) < 0.01 and abs(result.below(9) - 5 / 10) < 0.06
    nobody = Fleet([None] * 5).epoch()
    assert nobody.match == 0 and nobody.knots() == [] and nobody.value_at(0.5) == 0.0 and nobody.below(3) == 0.0


def test_ranks_are_fractions_and_equal_values_share_them_by_lot():
    values = [100] * 24 + [200] * 6
    fleet = Fleet(values)
    for _ in range(2):
        fleet.epoch()
    ranks = [box.fraction(id) for box, id in zip(fleet.boxes, fleet.ids)]
    assert min(ranks[24:]) > 0.79 and max(ranks[:24]) < 0.81
    top = sum([1 for rank in ranks if rank >= 0.5])
    assert 9 <= top <= 21, top
    stranger = Query(KEY, None, "load")
    stranger.begin(1, b"x" * 16, {})
    assert stranger.fraction(b"x" * 16) is None


def test_a_count_alone_has_no_thresholds():
    fleet = Fleet([1, 2, 3, 4])
    for box in fleet.boxes:
        box.attribute = None
        box.where = ["==", "odd", 1]
    result = fleet.epoch()
    assert abs(result.match - 0.5) < 1e-5


def test_nonsense_is_refused():
    rng = Rng(b"x")
    box = Query(KEY, None, "load")
    box.begin(1, b"x" * 16, {"load": 7})
    good = box.pack(rng)
    moments = pack_floats([1.0, 7.0, 49.0, 7.0, 7.0])
    cases = [
        ("nothing", b""), ("cut off", good[:-1]), ("too many thresholds", good[:5] + b"\x31\0" + moments),
        ("too many samples", good[:5] + b"\0\x07" + moments),
        ("thresholds not rising", good[:5] + b"\2\0" + moments + pack_floats([5.0, 5.0, 0.0, 0.0])),
        ("a share of three", good[:5] + b"\1\0" + moments + pack_floats([5.0, 3.0])),
        ("match of three", good[:5] + b"\0\0" + pack_floats([3.0, 7.0, 49.0, 7.0, 7.0])),
        ("a sample beyond all", good[:5] + b"\0\1" + moments + pack_floats([1e20])),
        ("not a number", good[:5] + b"\0\0" + b"\x7f\xc0\0\0" + moments[4:]),
        ("a least that is none", good[:5] + b"\0\0" + pack_floats([1.0, 7.0, 49.0, -1e30, 7.0])),
        ("a most that is none", good[:5] + b"\0\0" + pack_floats([1.0, 7.0, 49.0, 7.0, 3e38])),
        ("an answer's least that is none", b"\1\0" + pack_floats([0.0, 0.0, 0.0, 1e20, 7.0])),
    ]
    for name, data in cases:
        for parse in (lambda: queries.parse(data, 0), lambda: queries.parse_answer(data, 0)):
            try:
                parse()
                assert False, name
            except RemoteError:
                pass
