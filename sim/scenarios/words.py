"""A real program in the agent's real container gives the right counts while boxes crash."""

import collections
import pathlib

from .. import jobs

NODES = 10
TASKS = 12
SEATS = 4

PROGRAM = pathlib.Path(__file__).parents[2] / "examples" / "words.wasm"


def _text(rng):
    return b" ".join(rng.choice((b"fence", b"back", b"box", b"door", b"seat")) for _ in range(60))


def _counts(text):
    """What the program prints: each word and how often it comes, in the words' order."""
    found = collections.Counter(text.decode().split())
    return "".join("%s %d\n" % (word, found[word]) for word in sorted(found)).encode()


def play(lab):
    """Word frequencies of small texts, through signatures, doors, chunks, container and receipts."""
    lab.runner = jobs.Real()
    rng = lab.world.stream("texts")
    inputs = [_text(rng) for _ in range(TASKS)]
    lab.boot(contacts=2)
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.until("ring closed", lab.ring("edge", SEATS), 300)
    lab.operator.push_workload(
        "words", "edge", TASKS, program=PROGRAM.read_bytes(), inputs=inputs, outputs=[_counts(text) for text in inputs])
    lab.always("settled at most once", lab.settled_once("words"))
    lab.go(2_000)
    victim = lab.holders("edge")[-1]
    victim.wanted = False
    victim.crash()
    lab.measure("settled_s", lab.until("all tasks settled", lab.done("words", TASKS), 600))
    fuel = [receipt["fuel"] for receipt in lab.operator.works["words"].settlement.receipts]
    lab.require("every receipt names its fuel", lambda: "" if min(fuel) > 0 else "a receipt without fuel")
