"""The single steps of a long computation, each between two marks; on MicroPython, counted by count.c.

    steps.py HOME

The agent is loaded as in the field, so that a step may meet a collection of garbage; then
each is done once more with the garbage collected beforehand.  The last line of standard output is [[part, its steps]], as JSON; the marks are in that order.
"""

import gc
import json

import replay
import vectors
from backfence.agent import manifest, trust, trust_file
from backfence.agent.wire import x25519
from backfence.agent.wire.hashes import sha256
from replay import mark

LADDERS = 5
CHECKS = 3

steps = []


def through(name, computation, clean):
    """Mark each step; clean: collect the garbage before it."""
    done = False
    name += ", no collection in it" if clean else ""
    while not done:
        if clean:
            gc.collect()
        mark("begin")
        done = computation.step()
        mark("end")
        if not steps or steps[-1][0] != name:
            steps.append([name, 0])
        steps[-1][1] += 1


def main():
    """Ladders, then checks."""
    replay.start.collect_less()
    for i in range(LADDERS):
        ladder = x25519.Ladder(sha256(b"ours %d" % i), replay.OWNER, sha256(bytes([i])))
        through("a step of the X25519 ladder", ladder, i == LADDERS - 1)
    keys = trust.Keys(trust_file.fleet_id(vectors.OPERATOR), trust.Root(1, [b"r" * 60], 1, vectors.OPERATOR))
    for i in range(CHECKS):
        through("a step of a signature's check", manifest.Check(vectors.EDGE, keys), i == CHECKS - 1)
    print(json.dumps(steps))


main()
