"""The overlay that peer sampling makes: balance, randomness, healing.

Every box starts with 20 random others, as in the papers.  Real nodes, timeouts
and datagram sizes; speech is plain, and the averages that ride on the view
exchanges are left out, for time.  A cycle is one round of 30 s.
"""

import random
from dataclasses import replace

from ...agent.descriptor import Descriptor, pack_all
from ...agent.limits import SHUFFLE
from ...agent.wire.messages import SHUFFLE as ASK
from ...agent.wire.messages import pack
from .. import graph
from ..lab import Lab

TITLE = "peer sampling, c = 20, random 20-out start"
ROUND_MS = 30_000
STEADY = 99
LOSSY = 60
KILLED_SHARE = 0.5
HEALED, BALANCED = 12, 35
# Share of boxes behind NAT in one of the runs.
HIDDEN = 0.3
# A liar asks so many more boxes a round than the one that is its due, for so long.
PUSHES, LYING = 10, 40
# PeerSim's own classes at cycle 99, 10^4 nodes: sd, least, most, clustering, path, first cut.
CYCLON = "PeerSim, Cyclon 20, 10^4"
NEWSCAST = "PeerSim, Newscast 20, 10^4"
REFERENCE = {
    "in-degree sd": (1.51, 8.34, "<= 2"),
    "in-degree, least": (12, 2, None),
    "in-degree, most": (25, 65, None),
    "clustering coefficient": (0.0038, 0.290, None),
    "average path length": (2.86, 3.46, None),
    "removed at random when first cut in 5 trials, %": (80, 70, None),
}


def rows(nodes, seed, say):
    """Steady state without loss, healing after sudden death, steady state at 5 % loss."""
    out = []
    lab = start(nodes, seed)
    cycles(lab, STEADY, say)
    for figure, ours in shape(lab, seed).items():
        cyclon, newscast, aim = REFERENCE[figure]
        # A view of 20 of 1,000 often holds already what comes in: the aim is for large fleets.
        out.append(_row(nodes, figure, ours, cyclon, CYCLON, aim if nodes >= 10_000 else None))
        out.append(_row(nodes, figure, ours, newscast, NEWSCAST))
    out += _healing(lab, nodes, seed, say)
    lab = start(nodes, seed, loss=0.05)
    cycles(lab, LOSSY, say)
    deviation = graph.of(lab.world).in_degrees().std()
    out.append(_row(nodes, "in-degree sd at 5 % loss", deviation, aim="<= 2" if nodes >= 10_000 else None))
    return out + _hidden(min(nodes, 1_000), seed, say) + _lies(min(nodes, 1_000), seed, say)


def start(nodes, seed, loss=0.0, speech="plain", hidden=0.0):
    """A lab whose boxes have random views; the share `hidden` is behind NAT."""
    lab = Lab("sampling", nodes, seed, speech=speech, round_ms=str(ROUND_MS), busy_round_ms=str(ROUND_MS))
    lab.world.network.faults = replace(lab.world.network.faults, loss=loss)
    lab.boot_joined(view=20)
    for box in lab.world.boxes[: round(hidden * nodes)]:
        box.reachable = False
    lab.world.run_until(ROUND_MS)
    for box in lab.world.boxes:
        box.node.aggregate.exchange = lambda peer: None
    return lab


def cycles(lab, count, say=None):
    """Lets `count` rounds pass."""
    for number in range(1, count + 1):
        lab.world.run_until(lab.world.now_ms + ROUND_MS)
        if say and number % 10 == 0:
            say("cycle %d" % number)


def shape(lab, seed):
    """{figure: number} of the overlay as it stands."""
    now, rng = graph.of(lab.world), graph.stream(seed)
    degrees = now.in_degrees()
    return {
        "in-degree sd": round(float(degrees.std()), 3),
        "in-degree, least": int(degrees.min()),
        "in-degree, most": int(degrees.max()),
        "clustering coefficient": round(now.clustering(rng), 5),
        "average path length": round(now.path_length(rng), 3),
        "removed at random when first cut in 5 trials, %": round(100 * now.first_cut(rng)),
    }


def kill(lab, seed, share=KILLED_SHARE):
    """Crashes a random share of the boxes, all at once."""
    live = lab.world.live()
    for box in random.Random("death/%s" % seed).sample(live, round(share * len(live))):
        box.wanted = False
        box.crash()


def _healing(lab, nodes, seed, say):
    kill(lab, seed)
    dead, out, most = [], [], 0
    for cycle in range(1, BALANCED + 1):
        cycles(lab, 1)
        # Each box is looked at some time within its own round.
        most = max(most, max(box.node.membership._timeouts for box in lab.world.live()))
        now = graph.of(lab.world)
        dead.append(100 * now.dead_share())
        deviation = float(now.in_degrees().std())
        say("cycle %d after the death of half: dead links %.3f %%, sd %.2f" % (cycle, dead[-1], deviation))
    # PeerSim's figures here are of 10^5 nodes.
    for cycle, cyclon in ((5, None), (10, 35.4), (HEALED, None), (20, 16.4), (30, 0.59)):
        aim = "<= 1" if cycle == HEALED else None
        row = _row(nodes, "dead links %d cycles after 50 %% sudden death, %%" % cycle, dead[cycle - 1], cyclon,
                   "PeerSim, Cyclon 20, 10^5" if cyclon else "", aim)
        out.append(row)
    aim = "<= 2" if nodes >= 10_000 else None
    out.append(_row(nodes, "in-degree sd %d cycles after it" % BALANCED, round(deviation, 3), aim=aim))
    out.append(_row(nodes, "timeouts a round of one box, most", most, aim="<= 3"))
    return out


def _hidden(nodes, seed, say):
    """Balance with boxes behind NAT; the first views take them for reachable, and find out."""
    lab = start(nodes, seed, hidden=HIDDEN)
    cycles(lab, LOSSY)
    now = graph.of(lab.world)
    degrees, border = now.in_degrees(), round(HIDDEN * nodes)
    reachable = [len(box.node.membership.reachable()) for box in lab.world.boxes]
    what = "with %d %% behind NAT: " % (100 * HIDDEN)
    say(what + "in-degree sd %.2f, of the reachable %.2f" % (degrees.std(), degrees[border:].std()))
    return [_row(nodes, what + "in-degree sd of the reachable", degrees[border:].std()),
            _row(nodes, what + "mean in-degree of the reachable", degrees[border:].mean()),
            _row(nodes, what + "fewest reachable links in a view", min(reachable))]


def _lies(nodes, seed, say):
    """How many views one liar fills that asks PUSHES boxes a round and names its friends as fresh."""
    lab = start(nodes, seed)
    liar, friends = lab.world.boxes[0], lab.world.boxes[1:SHUFFLE]
    rng = random.Random("liar/%s" % seed)
    for _ in range(LYING):
        for box in rng.sample(lab.world.boxes[SHUFFLE:], PUSHES):
            liar.tell(_push, liar.node, box, friends, rng.getrandbits(32))
        cycles(lab, 1)
    degrees = graph.of(lab.world).in_degrees()
    say("a liar in %d views, its friends in %s" % (degrees[0], list(degrees[1:SHUFFLE])))
    what = "in-degree of %s, which asks %d boxes a round (an honest box: 20)"
    return [_row(nodes, what % ("a liar", PUSHES), degrees[0]),
            _row(nodes, what % ("a liar's friend", PUSHES), degrees[1:SHUFFLE].mean())]


def _push(node, box, friends, exchange):
    forged = [node.descriptor()] + [Descriptor(friend.node.id, friend.address) for friend in friends]
    message = pack(ASK, exchange, pack_all(forged), node.rumours.digest(), b"", [])
    node.send_packed(box.node.id, box.address, message)


def _row(nodes, figure, ours, reference=None, reference_of="", aim=None):
    return {"figure": figure, "nodes": nodes, "ours": round(float(ours), 5), "reference": reference,
            "reference_of": reference_of, "aim": aim}
