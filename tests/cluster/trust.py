"""Records and verifiers on real agents, some of them liars (`make trust`).

MicroPython agents and a real mosquitto, as in cluster.py, without its disasters.  One
bag of tasks after another: under adaptive replication, without records at first and then
with those that the runs before have made; with a verifier that the owner runs; with one
that two boxes run before him, where liars say the opposite of what it says.  Every output
must be right, and liars must have lied.
"""

import argparse
import hashlib
import os
import tempfile
import time

from rich.console import Console
from rich.table import Table

from backfence.bootstrap.operator import manifests, run as runs
from backfence.bootstrap.operator.errors import OperatorError
from backfence.sim.live import interpreters

from cluster import SETTLE_S, SLICE, Broker, Cluster, pieces, say, wanted

EXAMPLES = interpreters.REPOSITORY / "examples"
LIARS, SEATED = 0.2, 0.8
ADAPTIVE_RUNS = 3
BITS, SEARCHED = 6, 400
ADAPTIVE = {"adaptive": True, "quorum": 2}


def searches(count):
    """Inputs of pow.wasm."""
    return [b"task%d %d 0 %d\n" % (task, BITS, SEARCHED) for task in range(count)]


def found(data):
    """What pow.wasm gives, by CPython."""
    text = data.split()[0]
    for number in range(SEARCHED):
        digest = hashlib.sha256(text + b"%d" % number)
        if digest.digest()[0] >> (8 - BITS) == 0:
            return b"%s %d %d %s\n" % (text, BITS, number, digest.hexdigest().encode())
    return b"%s %d none\n" % (text, BITS)


def bags(tasks):
    """[(name, program, inputs, right(input), options)] in the order in which they are done."""
    verifier = (EXAMPLES / "powcheck.wasm").read_bytes()
    rows = [(f"adaptive-{number + 1}", "words.wasm", pieces(tasks), wanted, ADAPTIVE) for number in range(ADAPTIVE_RUNS)]
    rows.append(("verifier", "pow.wasm", searches(tasks), found, {"verifier": verifier}))
    rows.append(("checkers", "pow.wasm", searches(tasks), found, {"verifier": verifier, "checkers": 2}))
    return rows


def work(cluster, name, program, inputs, right, options):
    """Does one bag to its end; its row of the report."""
    begun_s = time.monotonic()
    with runs.open_session(cluster.operator, name, cluster.broker) as session:
        manifest = manifests.workload_manifest(
            cluster.operator, name, SLICE, (EXAMPLES / program).read_bytes(), inputs, deadline_s=SETTLE_S,
            fuel=50_000_000, pages=4, **options)
        made, _report = runs.start(cluster.operator, manifest, "concat", session)
        collector = runs.Collector(made, session)
        until_s = time.monotonic() + SETTLE_S
        while not made.settlement.settled and time.monotonic() < until_s:
            collector.collect(time.monotonic() + 1)
            cluster.lab.check()
        runs.finish(made, session)
    outputs = list(made.outputs())
    receipts = [each for each in made.settlement.receipts if each["outcome"] == "ok"]
    lies = [each for each in receipts if each["output"] != hashlib.sha256(right(inputs[each["task"]])).digest()]
    return {
        "bag": name, "tasks": len(inputs), "succeeded": made.settlement.counts()["SUCCEEDED"],
        "wrong": sum(output is not None and output != right(data) for output, data in zip(outputs, inputs)),
        "results a task": round(len(receipts) / len(inputs), 2), "lies": len(lies),
        "owner's checks": made.verified, "seconds": round(time.monotonic() - begun_s),
    }


def perform(arguments, folder):
    """Runs all bags; the report, a list of rows."""
    liars = max(1, round(LIARS * arguments.agents))
    rows = []
    with Broker(folder) as broker, Cluster(os.path.join(folder, "fleet"), broker.address, arguments.agents, liars) as cluster:
        seats = int(SEATED * arguments.agents)
        cluster.slice(seats, SLICE)
        say(f"{arguments.agents} agents, {liars} of them liars: the slice of {seats} is full")
        for bag in bags(arguments.tasks):
            rows.append(work(cluster, *bag))
            say(str(rows[-1]))
    return rows


def faults(rows):
    """Returns what is wrong with a report, a list of lines."""
    first, last = rows[0], rows[ADAPTIVE_RUNS - 1]
    return [f"{row['bag']}: {row['wrong']} wrong outputs" for row in rows if row["wrong"]] + [
        f"{row['bag']}: not every task succeeded" for row in rows if row["succeeded"] < row["tasks"]
    ] + [line for bad, line in (
        (not sum(row["lies"] for row in rows), "nobody lied"),
        (last["results a task"] >= first["results a task"], "records spared nothing"),
    ) if bad]


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--agents", type=int, default=16)
    parser.add_argument("--tasks", type=int, default=160)
    arguments = parser.parse_args()
    if arguments.agents < 8 or arguments.tasks < 20:
        parser.error("there are 8 agents and 20 tasks or more")
    try:
        with tempfile.TemporaryDirectory(prefix="trust") as folder:
            rows = perform(arguments, folder)
    except OperatorError as problem:
        raise SystemExit(f"Error: {problem}") from None
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    why_not = faults(rows)
    raise SystemExit("Error: " + "; ".join(why_not) if why_not else 0)


if __name__ == "__main__":
    main()
