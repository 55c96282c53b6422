"""What a box in no slice sends and receives while nothing happens.

Sealed speech, the default round, every box joined with a random view; doors,
averages, greetings and seals are all there.  Bytes both ways, with IP and UDP
headers, over a whole epoch and its rest after the fleet has settled.
"""

from dataclasses import replace

from ...agent import epoch
from ...agent.config import Config
from ..fleet import address_of
from ..lab import Lab

TITLE = "idle traffic of a box in no slice, sealed, default round"
NODES = (1_000,)
# Until boxes greet as many anew in each round as they will.
WARM_ROUNDS = 32
# A whole epoch of averages and its rest: half of it is twice as busy as the other half.
ROUNDS = epoch.ROUNDS + epoch.IDLE_REST_ROUNDS
HEADERS = {"IPv4": 28, "IPv6": 48}
AIM = "<= 65"
REFERENCE = (65, "serf 0.9.4, WAN profile, encrypted")
LOSS = (0.0, 0.02)


def rows(nodes, seed, say):
    """Bytes a second of a box, on IPv4 and IPv6, without loss and at 2 %."""
    out = []
    for family in HEADERS:
        for loss in LOSS:
            rate, datagrams, hellos = measure(nodes, seed, family, loss)
            where = "%s, %d %% loss" % (family, 100 * loss)
            say("%s: %.1f B/s, %.2f datagrams and %.2f greetings a round" % (where, rate, datagrams, hellos))
            out.append(_row(nodes, "bytes a second, " + where, rate, AIM, *REFERENCE))
            out.append(_row(nodes, "greetings a round, " + where, hellos))
    out.append(_row(nodes, "default round, s", Config().round_ms / 1000))
    return out


def measure(nodes, seed, family="IPv4", loss=0.0, speech="sealed", warm=WARM_ROUNDS, rounds=ROUNDS):
    """(bytes a second of a box both ways with headers, its datagrams a round, greetings it began a round)."""
    round_ms = Config().round_ms
    # No busy rounds: what joining and counting for the first time costs is not idle.
    lab = Lab("idle-traffic", nodes, seed, speech=speech, round_ms=str(round_ms), busy_round_ms=str(min(round_ms, 60_000)))
    for member in lab.fleet.members:
        member.address = address_of(member.number, v6=family == "IPv6")
    lab.world.network.faults = replace(lab.world.network.faults, loss=loss)
    lab.boot_joined(view=20, doors=2)
    lab.world.run_until(warm * round_ms)
    before = _sum(lab)
    lab.world.run_until((warm + rounds) * round_ms)
    datagrams, data, hellos = (now - then for now, then in zip(_sum(lab), before))
    data += datagrams * HEADERS[family]
    return data / nodes / rounds / (round_ms / 1000), datagrams / nodes / rounds, hellos / nodes / rounds


def _sum(lab):
    counters = [box.node.counters for box in lab.world.live()]
    return [sum(c[name] for c in counters for name in names)
            for names in (("datagrams_in", "datagrams_out"), ("bytes_in", "bytes_out"), ("hellos",))]


def _row(nodes, figure, ours, aim=None, reference=None, reference_of=""):
    return {"figure": figure, "nodes": nodes, "ours": round(ours, 2), "reference": reference,
            "reference_of": reference_of, "aim": aim}
