"""How fast the simulator is: rounds of a joined fleet for each second of the processor."""

import resource
import time

from ..lab import Lab

TITLE = "simulator speed, real nodes that shuffle and average"

# Rounds measured, by speech.  Sealed nodes greet about every second peer anew.
ROUNDS = {"plain": 10, "sealed": 3}
WARM_ROUNDS = 3
ROUND_MS = 1_000
# 10^5 nodes for 30 cycles in 7.2 s; without datagrams, timeouts or packing.
PEERSIM = 10**5 * 30 / 7.2


def rows(nodes, seed, say):
    """Node-rounds and datagrams a second of CPU, plain and sealed, and plain memory a node."""
    out = []
    for speech in ("plain", "sealed"):
        before = _resident()
        begun = time.process_time()
        lab = Lab("speed", nodes, seed, speech=speech, round_ms=str(ROUND_MS))
        lab.boot_joined()
        lab.go(WARM_ROUNDS * ROUND_MS)
        say("%s: warm after %.1f s" % (speech, time.process_time() - begun))
        begun, sent = time.process_time(), lab.world.network.sent
        lab.go(ROUNDS[speech] * ROUND_MS)
        took = time.process_time() - begun
        sent = lab.world.network.sent - sent
        say("%s: %d rounds in %.1f s" % (speech, ROUNDS[speech], took))
        out += [
            _row(nodes, "%s: node-rounds per CPU second" % speech, round(nodes * ROUNDS[speech] / took), PEERSIM),
            _row(nodes, "%s: datagrams per CPU second" % speech, round(sent / took)),
            _row(nodes, "%s: datagrams per node-round" % speech, round(sent / nodes / ROUNDS[speech], 2)),
        ]
        if speech == "plain":  # what it gives back, the sealed one takes again
            out.append(_row(nodes, "plain: kB of memory per node", round((_resident() - before) / nodes, 1)))
    return out


def _row(nodes, figure, ours, reference=None):
    # No aim: absolute times wander from machine to machine and with its load.
    source = "PeerSim, Newscast 20 and averaging, 10^5 nodes" if reference else ""
    return {"figure": figure, "nodes": nodes, "ours": ours, "reference": reference, "reference_of": source, "aim": None}


def _resident():
    """Resident memory of this process, kB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024
