"""Waves: who is of which, who is polled, and when a poll says go."""

from backfence.agent import slots, waves
from backfence.agent.config import Config
from backfence.agent.counting import Counters
from backfence.agent.descriptor import REACHABLE, Descriptor, pack_all, unpack_all
from backfence.agent.errors import RemoteError
from backfence.agent.rng import Rng
from backfence.agent.waves import ABROAD, BACK, RUNS, TRIES, WAITS, Waves
from backfence.agent.wire.hashes import sha256
from backfence.agent.wire.messages import POLL, POLLED

INTERPRETERS = ("cpython", "micropython", "armhf", "mips")
IMAGE = bytes(range(32))
SOAK_S = 60
ROWS = [[2000, ""], [5000, "north"], [10000, ""]]


def ids(count):
    return [sha256(b"box", number.to_bytes(2, "big"))[:16] for number in range(count)]


class Manifest:
    kind = "firmware"
    digest = b"firmware" + bytes(24)
    issued = 1000
    seq = 5

    def __init__(self, polled=5, need=4, rows=ROWS):
        self.fields = {"image": IMAGE, "waves": [rows, polled, need, SOAK_S]}


class View:
    def __init__(self, boxes):
        self.view = {box.id: box for box in boxes}

    def some(self, count):
        return list(self.view.values())[:count]


class Peer:
    def __init__(self, id):
        self.id = id
        self.addr = self.seen = b"\x0a\0\0\1\x1b\x58"


class Node:
    """What waves.py needs of a node, and of its Update; `sent` is what it sent."""

    def __init__(self, boxes, manifest=None):
        self.id = bytes(16)
        self.now_ms = 1 << 20
        self.rng = Rng(b"waves")
        self.counters = Counters()
        self.config = Config()
        self.membership = View(boxes)
        self.sent = []
        self.gone = []
        self.update = self.rumours = self
        self.manifest = manifest
        self.record = slots.Record()
        self.runs, self.trial, self.foreign = 5, False, ""
        self.started_ms = self.now_ms - 99999

    def wall_s(self):
        return 1000

    def is_revoked(self, id):
        return id in self.gone

    def of_kind(self, kind):
        return [self.manifest]

    def sequence(self):
        return self.runs

    def on_trial(self):
        return self.trial

    def refusal(self, manifest):
        return self.foreign, ""

    def send(self, id, addr, *message):
        self.sent.append((id, message))


def fleet(count=80):
    return [Descriptor(id, b"\x0a\0\0\1\x1b\x58", 0, REACHABLE) for id in ids(count)]


def members(wave=0):
    share = ROWS[wave][0]
    return [box for box in fleet() if waves.place(IMAGE, box.id) < share]


class World:
    """A Waves at work; reply(id) gives (state, seconds, Descriptors named), None for silence."""

    def __init__(self, boxes, reply, **how):
        self.node = Node(boxes)
        self.gone = []
        self.waves = Waves(self.node, Manifest(**how), 1, lambda: self.gone.append(self.node.now_ms))
        self.reply = reply
        self.asked = []

    def run(self, seconds):
        until = self.node.now_ms + 1000 * seconds
        while self.node.now_ms < until and not self.gone:
            self.node.now_ms = max(self.node.now_ms + 1, min(until, self.waves.due))
            self.waves.tick(self.node.now_ms)
            sent, self.node.sent = self.node.sent, []
            for id, message in sent:
                assert message[0] == POLL and message[2] == Manifest.digest[:8] and message[3] == 0
                self.asked.append(id)
                said = self.reply(id)
                if said is not None and not self.gone:
                    state, ran, named = said
                    self.waves.on_polled(Peer(id), [POLLED, message[1], state, ran, pack_all(named)])


def refused(value):
    try:
        waves.check(value)
    except RemoteError:
        return True
    return False


def test_the_form():
    good = [ROWS, 20, 16, 3600]
    assert waves.check(good) is good
    assert waves.check([[[1, "x" * 32]] * 11 + [[10000, ""]], 32, 1, 30 * 86400])
    bad = [
        None, [], [ROWS, 20, 16], [ROWS, 20, 16, 1, 1], [ROWS, 33, 16, 1], [ROWS, 20, 21, 1], [ROWS, 20, 0, 1], [ROWS, 0, 0, 1],
        [ROWS, 20, 16, 30 * 86400 + 1], [ROWS, 20, 16, -1], [ROWS, True, 1, 1], [ROWS[2:], 20, 16, 1], [ROWS[:2], 20, 16, 1],
        [[[1, ""]] * 12 + ROWS[2:], 20, 16, 1], [[[0, ""], [10000, ""]], 20, 16, 1], [[[10001, ""], [10000, ""]], 20, 16, 1],
        [[[1, "x" * 33], [10000, ""]], 20, 16, 1], [[[1, b""], [10000, ""]], 20, 16, 1], [[[1], [10000, ""]], 20, 16, 1],
        [[[True, ""], [10000, ""]], 20, 16, 1], [[[5000, ""], [10000, "north"]], 20, 16, 1], [{}, 20, 16, 1], [[1, 2], 1, 1, 1],
    ]
    for value in bad:
        assert refused(value), value


def test_places_are_the_same_for_all_and_spread():
    assert [waves.place(IMAGE, id) for id in ids(4)] == [4538, 154, 2588, 5639]
    counts = [0, 0, 0]
    for id in ids(300):
        counts[waves.wave_of(Manifest().fields, id, "north")] += 1
        assert waves.wave_of(Manifest().fields, id, "south") in (0, 2)
    assert abs(counts[0] - 60) < 30 and abs(counts[1] - 90) < 35 and sum(counts) == 300


def test_enough_good_answers_say_go_and_others_do_not():
    good = World(fleet(), lambda id: (RUNS, SOAK_S, []))
    good.run(300)
    assert good.gone and good.waves.result[0] >= 4 and not good.waves.held
    for state, seconds in ((RUNS, SOAK_S - 1), (TRIES, 999), (WAITS, 999)):
        world = World(fleet(), lambda id: (state, seconds, []))
        world.run(600)
        assert not world.gone and world.waves.polls > 3 and not world.waves.held
    bad = World(fleet(), lambda id: (BACK, 0, []))
    while bad.waves.polls < 4:
        bad.run(1)
    assert not bad.gone and bad.waves.held and bad.node.counters["rollouts_held"] == bad.waves.polls == 4
    # It is never for good.
    bad.reply = lambda id: (RUNS, SOAK_S, [])
    bad.run(300)
    assert bad.gone and not bad.waves.held


def test_failures_among_those_who_made_way_stay_in_the_count():
    world = World(fleet(), lambda id: (BACK, 0, []))
    while world.waves.polls < waves.REDRAW:
        world.run(1)
    assert (world.waves._past_good, world.waves._past_bad) == (0, 2) and not world.waves.known
    # Others are good now: four of them beside two failures are less than four in five.
    world.reply = lambda id: (RUNS, SOAK_S, [])
    while world.waves.polls < 2 * waves.REDRAW and not world.gone:
        world.run(1)
    assert not world.gone and world.waves.held and world.waves.result[0] == 4
    assert (world.waves._past_good, world.waves._past_bad) == (4, 2)
    world.run(300)
    assert world.gone  # eight beside two


def test_the_silent_of_those_who_made_way_are_forgotten():
    world = World(fleet(), lambda id: None)
    while world.waves.polls < waves.REDRAW:
        world.run(1)
    world.reply = lambda id: (RUNS, SOAK_S, [])
    world.run(300)
    assert world.gone and world.waves.polls == waves.REDRAW


def test_one_of_five_may_lie_either_way():
    liar = members()[0].id
    good = World(fleet(), lambda id: (BACK, 0, []) if id == liar else (RUNS, SOAK_S, []))
    good.run(300)
    assert good.gone
    bad = World(fleet(), lambda id: (RUNS, 1 << 31, []) if id == liar else (BACK, 0, []))
    bad.run(3000)
    assert not bad.gone


def test_the_silent_are_not_good():
    silent = [box.id for box in members()][::2]
    world = World(fleet(), lambda id: None if id in silent else (RUNS, SOAK_S, []), polled=12, need=9)
    assert len(members()) > 12 and len(silent) > 4
    world.run(400)
    assert not world.gone and world.node.counters["polls_silent"]


def test_only_members_count_and_each_once():
    boxes = members()
    world = World(fleet(), lambda id: (WAITS, 0, []))
    world.run(400)
    polled = set(world.waves.known)
    assert len(polled) == 5 and polled <= {box.id for box in boxes}


def test_an_answer_that_nobody_asked_for_or_of_no_meaning_is_nothing():
    world = World(fleet(), lambda id: None)
    while not world.waves._asking:
        world.run(1)
    asking = dict(world.waves._asking)
    exchange = next(iter(asking))
    asked = asking[exchange][0].id
    other = [box.id for box in members() if box.id != asked][0]
    for peer, number in ((asked, exchange ^ 1 << 20), (other, exchange)):
        world.waves.on_polled(Peer(peer), [POLLED, number, RUNS, 999999, b""])
        assert world.waves._asking == asking
    for state, packed in ((BACK + 1, b""), (RUNS, b"no descriptors")):
        try:
            world.waves.on_polled(Peer(asked), [POLLED, exchange, state, 999999, packed])
            raise AssertionError("an answer of no meaning is taken")
        except RemoteError:
            assert world.waves._asking == asking
    for _ in range(2):
        world.waves.on_polled(Peer(asked), [POLLED, exchange, RUNS, 999999, b""])
        assert world.waves._asking == {key: asking[key] for key in asking if key != exchange} and not world.gone


def test_members_are_found_by_names_and_the_table_has_a_cap():
    outsider = [box for box in fleet() if waves.place(IMAGE, box.id) >= 2000][0]
    named = members()

    def reply(id):
        return (RUNS, SOAK_S, [box for box in named if box.id != id][: waves.NAMES] + []) if id != outsider.id else (WAITS, 0, named[:6])

    world = World([outsider], reply, polled=4, need=4)
    world.run(300)
    assert world.gone and len(world.waves.known) == 4
    # Whoever is revoked, hidden, or of no such wave is not kept.
    world.node.gone = [named[0].id]
    world.waves.known = {}
    hidden = named[1].copy()
    hidden.flags = 0
    for box in (named[0], hidden, outsider):
        world.waves._hear(box)
    assert not world.waves.known


def test_who_waits_for_the_same_wave_is_asked_for_names_though_no_partner():
    rows, named = [[2000, ""], [5000, ""], [10000, ""]], members()
    mate = [box for box in fleet() if 2000 <= waves.place(IMAGE, box.id) < 5000][0]
    partners = [box for box in fleet() if waves.place(IMAGE, box.id) >= 5000]

    def reply(id):
        return (RUNS, SOAK_S, []) if waves.place(IMAGE, id) < 2000 else (WAITS, 0, named[:6] if id == mate.id else [])

    for view, found in ((partners + [mate], True), (partners, False)):
        world = World(view, reply, rows=rows)
        world.node.membership.some = lambda count: partners[:count]
        world.run(600)
        assert bool(world.gone) == found
        assert partners[0].id in world.asked  # views may be liars' alone


def test_who_is_named_often_is_asked_no_sooner():
    world = World(fleet(), lambda id: (WAITS, 0, []))
    for box in members():
        world.waves._hear(box)
    least = set(world.waves.known)
    for box in members()[:3] * 20:
        world.waves._hear(box)
    assert set(world.waves.known) == least and len(least) == 5


def test_strangers_to_the_region_make_way():
    abroad = [box.id for box in members()][:4]
    world = World(fleet(), lambda id: (ABROAD, 0, []) if id in abroad else (RUNS, SOAK_S, []))
    world.run(300)
    assert world.gone and not set(abroad) & set(world.waves.known)
    world.waves._strangers = bytes(4 * waves.STRANGERS)
    world.waves.known[members()[0].id] = members()[0]
    world.waves._said, world.waves._asking = {}, {7: [members()[0], 0, 1, True]}
    world.waves.on_polled(Peer(members()[0].id), [POLLED, 7, ABROAD, 0, b""])
    assert len(world.waves._strangers) == 4 * waves.STRANGERS and world.waves._strangers[-4:] == members()[0].id[:4]


def test_a_region_with_few_boxes_is_found():
    boxes = [box for box in fleet(900) if waves.place(IMAGE, box.id) < ROWS[0][0]]
    north = [box.id for box in boxes][::12]
    assert len(boxes) - len(north) > 100 and len(north) > 12
    world = World(boxes, lambda id: (RUNS, SOAK_S, []) if id in north else (ABROAD, 0, []), polled=12, need=10)
    world.run(3000)
    assert world.gone and len(set(world.waves.known) & set(north)) >= 10


def test_what_a_box_answers():
    manifest = Manifest()
    node = Node(fleet(), manifest)
    peer = Peer(b"a" * 16)
    waves.answer(node, None, peer, [POLL, 7, Manifest.digest[:8], 0])
    (to, message), = node.sent
    assert to == peer.id and message[:4] == (POLLED, 7, RUNS, 99)
    named = unpack_all(message[4], waves.NAMES)
    assert len(named) == waves.NAMES and {box.id for box in named} <= {box.id for box in members()}
    # Of a firmware or a wave that it does not know, and of a region that it is not in.
    for digest, wave, expected in ((b"x" * 8, 0, (WAITS, 0, b"")), (Manifest.digest[:8], 3, (WAITS, 0, b""))):
        node.sent = []
        waves.answer(node, None, peer, [POLL, 7, digest, wave])
        assert node.sent[0][1][2:] == expected
    node.sent = []
    waves.answer(node, None, peer, [POLL, 7, Manifest.digest[:8], 1])
    assert node.sent[0][1][2:4] == (ABROAD, 0)
    node.config.region = "north"
    waves.answer(node, None, peer, [POLL, 7, Manifest.digest[:8], 1])
    assert node.sent[1][1][2:4] == (RUNS, 99)


def test_how_a_firmware_fares():
    manifest = Manifest()
    node = Node([], manifest)

    def said(runs, trial=False, foreign="", failed=(), floor=0, crashes=0):
        node.runs, node.trial, node.foreign = runs, trial, foreign
        node.record.failed, node.record.floor, node.record.crashes = list(failed), floor, crashes
        return waves.fares(node, manifest)

    assert said(5) == (RUNS, 99) and said(6) == (RUNS, 99)
    assert said(4) == (WAITS, 0) and said(4, foreign="updates_refused") == (WAITS, 0)
    assert said(5, trial=True) == (TRIES, 0)
    # Its trial failed, it was given up after it was confirmed, or it has crashed since.
    assert said(4, failed=[5]) == said(4, floor=5) == (BACK, 0) and said(5, crashes=1)[0] == BACK
    # Without a launcher, or for other boxes.
    assert said(None) == said(4, foreign="updates_foreign") == (ABROAD, 0)
