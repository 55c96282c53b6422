"""Seats that are kept for regions in turn: who sits where, whose a task is, who takes a place."""

from backfence.agent.descriptor import Descriptor
from backfence.agent.errors import RemoteError
from backfence.agent.grants import middle
from backfence.agent.limits import CANDIDATES, CANDIDATES_TOLD, REGIONS
from backfence.agent.manifest import parse
from backfence.agent.offers import Offers, unpack_offers
from backfence.agent.placement import first_seat, seat_of, step_of
from backfence.agent.seat import pack_entries
from backfence.agent.spare import PATIENCE_LEAST_MS
from backfence.agent.wire import cbor, messages
from lan import WALL_S, Lan
from proto_node import holders, ring_closed, serve_broker
from proto_tasks import push_work, tasks_of

INTERPRETERS = ("cpython", "micropython", "amd64", "mips")

NAMES = ["north", "south", "west"]
ADDR = bytes((10, 8, 8, 8, 1, 1))


class Peer:
    """As much of a peers.Peer as a grant asks."""

    def __init__(self, node):
        self.id, self.addr, self.seen = node.id, node.address, node.address


class Slice:
    """As much of a slice's Manifest as placement asks."""

    def __init__(self, **fields):
        self.fields = fields


def town(of, seats, regions, seed=4, **rest):
    """A Lan whose node i is in the region of[i] ("" for none), and whose slice "edge" has been pushed; node 0 is a door."""
    lan = Lan(len(of), seed=seed, door=True, **rest)
    for number in range(len(of)):
        lan.nodes[number].attributes["region"] = of[number]
    lan.join_all()
    lan.nodes[0].connected(lan.now_ms)
    lan.run(3000)
    lan.push(0, {"kind": "slice", "name": "edge", "seats": seats, "regions": regions})
    return lan


def misplaced(lan, of, regions):
    """Seats of "edge" whose holder is of another region than they are kept for."""
    return [seat for seat, number in holders(lan, "edge").items() if of[number] != regions[seat % len(regions)]]


def test_seats_are_kept_for_regions_in_turn():
    slice = Slice(seats=6, regions=NAMES)
    assert step_of(slice) == 3 and step_of(Slice(seats=6)) == 1
    assert [first_seat(slice, {"region": name}) for name in NAMES] == [0, 1, 2]
    for attributes in ({}, {"region": "east"}, {"region": ""}, {"region": 1}):
        assert first_seat(slice, attributes) is None and first_seat(Slice(seats=6), attributes) == 0


def test_what_is_granted_is_the_middle_of_the_vacancies_of_a_region():
    for seats in (6, 12, 60):
        for seat in range(seats):
            for count in range(1, seats + 1):
                for number in range(3):
                    free = [(seat + way) % seats for way in range(1, count) if (seat + way) % seats % 3 == number]
                    found = middle(seat, count, seats, [], number, 3)
                    assert (found in free) if free else found is None, (seats, seat, count, number)
                    assert found is None or abs((found - seat) % seats - count // 2) < 3
                    assert middle(seat, count, seats, [(seats, seats + 1)], number, 3) in (free or [None])
                    if seats > 6 and count > 20:
                        break


def manifest(**rest):
    fields = {"kind": "slice", "fleet": bytes(16), "name": "edge", "seq": 1, "issued": WALL_S, "expires": WALL_S, "seats": 6}
    fields.update(rest)
    return cbor.encode(fields)


def test_a_manifest_names_each_region_once_and_has_as_many_seats_for_each():
    assert parse(manifest(regions=NAMES))["regions"] == NAMES
    bad = [[], ["north"], ["north", "north"], ["north", ""], ["north", 1], ["north", "s" * 33], "ns", 2,
           ["r%d" % number for number in range(REGIONS + 1)], NAMES + ["east"]]
    cases = [{"regions": regions, "seats": 6 if regions != bad[-2] else REGIONS + 1} for regions in bad]
    cases += [{"regions": NAMES, "absorbs": [["more", 0, 3]]}, {"regions": NAMES, "from": ["more", 0]}]
    for case in cases:
        try:
            parse(manifest(**case))
        except RemoteError:
            continue
        raise AssertionError(case)
    share = cbor.decode(manifest(regions=NAMES))
    share["share"] = share.pop("seats")
    try:
        parse(cbor.encode(share))
    except RemoteError:
        return
    raise AssertionError("a share of the fleet")


def test_an_offer_tells_its_region_and_those_of_few_are_not_crowded_out():
    lan = Lan(1)
    offers = Offers(b"s" * 16)
    for i in range(3 * CANDIDATES):
        offers.hear(Descriptor(b"many%12d" % i, ADDR, 0, 1 | 1 << 4), 100 + i)
        if i == 2:
            offers.hear(Descriptor(b"few%13d" % i, ADDR, 0, 1 | 2 << 4), 50)
    found = offers.fresh()
    assert len(found) == CANDIDATES and [number for number, _ in found].count(2) == 1
    assert found[0][1].id == b"many%12d" % (3 * CANDIDATES - 1) and found[0][1].flags == 1
    heard = unpack_offers(offers.tell(lan.nodes[0], 3), CANDIDATES_TOLD, 1000, ADDR)
    assert (heard[0][0].id, heard[0][0].flags >> 4) == (lan.nodes[0].id, 3)
    bad = bytearray(2) + Descriptor(b"x" * 16, ADDR, 0, 8 << 4).pack()
    try:
        unpack_offers(bytes(bad), 1, 1000, ADDR)
    except RemoteError:
        return
    raise AssertionError("a region that no slice has")


def test_boxes_sit_where_their_region_may_and_others_nowhere():
    of = ["", "south", "south", "south", "south", "north", "north", "north", "east"]
    lan = town(of, 6, NAMES[:2])
    lan.run_until(lambda: ring_closed(lan, "edge", 6), 60000)
    assert not misplaced(lan, of, NAMES[:2])
    # A seat that is kept for others is not taken, whoever grants it.
    free = [number for number in range(1, 5) if number not in holders(lan, "edge").values()][0]
    node, entry = lan.nodes[free], lan.nodes[holders(lan, "edge")[0]].ring.own_entry
    slice = node.slicing.by_name("edge")
    packed = pack_entries([entry(slice.manifest.id)], lan.now_ms)
    for seat, taken in ((0, None), (1, 1)):
        granter = Peer(lan.nodes[holders(lan, "edge")[0]])
        node.ring.grants.on_grant(granter, (messages.GRANT, 1, slice.manifest.id, 1, seat, 0, packed, 0))
        assert node.ring.seat == taken, (seat, node.ring.seat)
    node.ring.leave()
    # Another order of regions: nobody stays in a seat that is not for it.
    lan.push(1, {"kind": "slice", "name": "edge", "seats": 6, "regions": NAMES[1::-1], "seq": 2})
    lan.run_until(lambda: ring_closed(lan, "edge", 6) and not misplaced(lan, of, NAMES[1::-1]), 90000)


class Town:
    """Six seats for two regions, a workload of two replicas on them; jobs of the box in `seat` never end."""

    def __init__(self, tasks, seat=None):
        self.of = ["", "north", "north", "north", "south", "south", "south"]
        self.regions = NAMES[:2]
        self.lan = town(self.of, 6, self.regions)
        self.lan.run_until(lambda: ring_closed(self.lan, "edge", 6), 60000)
        self.holders = holders(self.lan, "edge")
        self.slow = self.holders.get(seat)
        self.results, self.runs = [], []
        self.blobs = push_work(self.lan, tasks, seq=2, replicas=2, quorum=2)
        self.id = None

    def run(self, ms):
        """Let time pass, each job taking no time but the slow box's."""
        for _ in range(ms // 100):
            self.lan.run(100)
            for number in self.lan.events:
                jobs = [event[1] for event in self.lan.events[number] if event[0] == "job"]
                self.runs += [(number, job.task, job.bit % 2) for job in jobs]
                if number == self.slow:
                    self.lan.events[number] = [event for event in self.lan.events[number] if event[0] != "job"]
            serve_broker(self.lan, self.blobs, self.results)

    def abroad(self):
        """Runs of a replica in another region than that of its seat."""
        id = list(self.lan.nodes[self.holders[0]].tasks.workloads)[0]
        return [run for run in self.runs if self.of[run[0]] != self.regions[(seat_of(id, run[1], 6) + run[2]) % 2]]


def test_replicas_of_a_task_are_in_different_regions():
    world = Town(30)
    world.run(40000)
    assert tasks_of(world.results) == sorted(list(range(30)) * 2) and not world.abroad()
    assert len(set([(world.of[number], task) for number, task, _ in world.runs])) == len(world.runs) == 60


def test_what_a_dead_or_slow_box_has_not_done_stays_in_its_region():
    for dead in (True, False):
        world = Town(30, seat=3)
        if dead:
            world.lan.down = [world.holders[3]]
            for node in world.lan.nodes:
                node.tasks._help = lambda workloads: None  # so that who takes the place over does it all
        world.run(PATIENCE_LEAST_MS * 4 + 40000)
        assert sorted(set(tasks_of(world.results))) == list(range(30)) and not world.abroad()
        assert len(set([(world.of[number], task) for number, task, _ in world.runs])) == 60
        others = [node.counters["tasks_copied"] for node in world.lan.nodes]
        assert (sum(others) > 0) == (not dead)
