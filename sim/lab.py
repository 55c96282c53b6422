"""A lab: a run with a whole fleet of the agent's own nodes in it.

The scenarios' verbs that need to know what a node is made of are here.
"""

from ..agent import rng
from ..agent.config import Config
from ..agent.counting import Counters
from ..agent.descriptor import Descriptor
from ..agent.node import Node
from ..agent.store import Store
from ..agent.wire import merkle
from ..bootstrap.operator import manifests
from . import checkers, faults, jobs, liar
from .broker import Broker, Client
from .controller import ADDRESS, Controller
from .fleet import Fleet
from .operator import VALID_S, Operator
from .run import Run
from .speech import SPEECH
from .world import WALL_START_S

# What the edge of a small router would find out about itself.
ATTRIBUTES = {
    "arch": "mipsel", "byteorder": "little", "word_bits": 32, "mem_total": 64 << 20, "mem_free": 32 << 20,
    "load": 10, "class": "box", "region": "",
}


class Lab(Run):
    """A Run of the agent's nodes.  `settings` are lines of agent.conf for all boxes.

    `speech` is "sealed", as on a real box, or "plain" (speech.py), for large worlds.
    `days`: how long, for a scenario that has a choice; None: as long as it wants.
    """

    def __init__(self, name, nodes, seed, progress=False, runner=None, speech="sealed", days=None, **settings):
        super().__init__(name, nodes, seed, self._make_node, progress=progress)
        self.speech = speech
        self.days = days
        self.options = ("" if speech == "sealed" else " --speech " + speech) + (" --days %d" % days if days else "")
        self.settings = {"round_ms": "60000", "busy_round_ms": "1000", "probe_ms": "1000"}
        self.settings.update(settings)
        self.runner = runner or jobs.Model(seed)
        self.fleet = Fleet(self.world.stream("fleet"), nodes)
        self.broker = Broker(self.world)
        self.operator = Operator(self.world, self.broker, self.fleet)
        self.controller = None
        self.chaos = None
        # The share of their messages that liars alter.
        self.lying = 0.5
        # Boxes listen on a wildcard: they do not know the address by which others reach them.
        self.wildcard = False
        # Box number: its region, of boxes that have one.
        self.regions = {}
        store_bytes = int(self.settings.get("store_kb", Config().store_kb)) * 1024
        self.always("stores within their size", lambda: checkers.disks_within(self.turn(), store_bytes))

    # -- making boxes

    def weather(self, **fixed):
        """Faults drawn from the seed, for `boot` and `storm`; keyword arguments fix single ones."""
        drawn = faults.draw(self.world.stream("faults"), **fixed)
        self.measure("faults", drawn.as_dict())
        return drawn

    def boot(self, doors=2, contacts=1, spread_s=5, weather=faults.CALM):
        """Puts every box in the world and starts it within `spread_s`; box 0 first.

        The first `doors` boxes have a broker; the controller hands out the
        first `contacts` boxes.  Of the weather: how wrong clocks are, and the
        shares of boxes behind NAT and of liars, never doors or contacts.
        """
        rng = self.world.stream("boot")
        for box in self._place(doors, contacts, rng, weather):
            delay = 0 if box.number < contacts else rng.randrange(spread_s * 1000)
            self.world.after(delay, self._first_start, box)

    def boot_joined(self, view=20, doors=0, contacts=4, spread_ms=0, weather=faults.CALM, count=None):
        """Starts every box with `view` random others in its view, as the papers do ("random 20-out").

        `spread_ms`: the starts are spread over so much time; 0 is one round.
        `count`: only so many boxes; the others are spares, to be started with enter().
        """
        rng = self.world.stream("boot")
        spread_ms = spread_ms or int(self.settings["round_ms"])
        boxes = self._place(doors, contacts, rng, weather)[:count]
        members = self.fleet.members[: len(boxes)]
        for box in boxes:
            known = rng.sample(range(len(members)), min(view + 1, len(members)))
            known = [members[number] for number in known if number != box.number][:view]
            self.world.after(rng.randrange(spread_ms), self._first_start, box, known)

    def enter(self, box, known):
        """Starts a spare box that knows some boxes."""
        box.wanted = True
        self._first_start(box, [self.fleet.members[other.number] for other in known])

    def _place(self, doors, contacts, rng, weather):
        """Puts all boxes and the controller in the world; the boxes."""
        seeds = manifests.seeds_manifest(
            self.fleet, [(m.id, m.address) for m in self.fleet.members[:contacts]],
            valid_s=VALID_S, issued=WALL_START_S)
        self.controller = Controller(self.world, self.fleet.sign(seeds))
        for member in self.fleet.members:
            drift = rng.randint(-weather.drift_ppm, weather.drift_ppm)
            wall = rng.randint(-weather.wall_s, weather.wall_s)
            box = self.world.add_box(member.address, drift_ppm=drift, wall_off_s=wall)
            box.door = member.number < doors
            plain = member.number >= max(doors, contacts)
            box.reachable = not (rng.random() < weather.nat and plain)
            box.liar = rng.random() < weather.liars and plain
            box.cell = jobs.Cell(box, self.runner)
            if box.door:
                box.mqtt = Client(self.broker, box)
            box.wanted = True
        return self.world.boxes

    def _first_start(self, box, known=()):
        if not box.live:
            box.start()
            if known and box.live:
                box.tell(box.node.membership.join, [Descriptor(member.id, member.address) for member in known])

    def _make_node(self, box, now_ms, wall_s):
        config = Config()
        for key, value in self.settings.items():
            config.set(key, value)
        config.reachable = int(box.reachable)
        config.door = int(box.door)
        config.region = self.regions.get(box.number, "")
        seed = "%s/node/%d/%d" % (self.world.seed, box.number, box.starts)
        store = Store(box.disk, config.store_kb * 1024, Counters())
        speech = SPEECH[self.speech]
        if box.liar:
            speech = liar.speech(speech, self.world.stream(seed + "/lies"), lambda: self.lying)
        node = Node(
            config, self.fleet.identity(box.number), self.fleet.trust(box.number), store,
            rng.Rng(seed.encode()), now_ms, wall_s, address=self._own_address(box), controller=ADDRESS,
            ladder=self.fleet.ladder, speech=speech, running=box.running)
        node.attributes.update(ATTRIBUTES, door=int(box.door), region=config.region)
        return node

    def _own_address(self, box):
        return bytes(len(box.address) - 2) + box.address[-2:] if self.wildcard else box.address

    def replace_lot(self, boxes, overlap_s):
        """Enrols these boxes anew in a lot beside the first, which ends then; (old lot's id, new lot's id)."""
        lots = self.fleet.replace([self.fleet.members[box.number] for box in boxes], self.world.wall_s() + overlap_s)
        self.controller.places = self.fleet.places
        self.operator.push_lots(self.fleet.rows)
        return lots

    def end_lot(self, id):
        """Takes a lot off the list."""
        self.operator.push_lots([row for row in self.fleet.rows if merkle.lot_id(row[0]) != id])

    def rotate(self):
        """The operator replaces a stolen signing key; the controller has the new root too."""
        self.controller.chain = self.operator.rotate()

    # -- chaos and healing

    def storm(self, spare=(), weather=None, **fixed):
        """Chaos from now on, in this weather or one that is drawn; keyword arguments fix single faults."""
        drawn = weather or self.weather(**fixed)
        self.chaos = faults.Chaos(self.world, drawn, self.world.stream("chaos"), self.broker, spare=spare)

    def heal(self):
        """Ends the chaos; liars go on."""
        self.chaos.heal()
        self.measure("crashes", self.chaos.crashes)
        self.measure("cuts", self.chaos.cuts)

    def counters(self):
        """The nodes' own counters, summed over live boxes."""
        total = {}
        for box in self.world.live():
            for name, count in box.node.counters.nonzero().items():
                total[name] = total.get(name, 0) + count
        return dict(sorted(total.items()))

    def states(self):
        """What inspect.py reads of every live box that is no liar."""
        return [self.read(box) for box in self.world.live() if not box.liar]

    # -- checks, bound to this lab

    def connected(self):
        """Every box that should run does, and the overlay is one component."""
        missing = [box.number for box in self.world.boxes if box.wanted and not box.live]
        return "%d boxes do not run" % len(missing) if missing else checkers.connected(self.states())

    def informed(self):
        """Every live box has every live manifest."""
        return checkers.manifests_everywhere(self.states(), self.operator.live())

    def clean(self):
        """No view holds a dead box."""
        return checkers.views_hold_no_dead(self.states())

    def ring(self, name, size):
        """A check that slice `name` is one closed ring of `size` seats, each held once."""
        return lambda: checkers.ring_closed(self.states(), name, size)

    def done(self, workload, tasks):
        """A check that every task is settled."""
        return lambda: checkers.all_settled(self.operator, workload, tasks)

    def settled_once(self, workload):
        """A check that nothing is settled twice or wrongly."""
        return lambda: checkers.settled_once(self.operator, workload)

    def holders(self, name):
        """The live boxes that hold a seat of slice `name`, by seat."""
        held = {}
        for state in self.states():
            for seat in state.seats:
                if seat.slice == name:
                    held[seat.number] = self.world.boxes[state.number]
        return [held[number] for number in sorted(held)]

