"""How fast the job container is, each figure beside its reference, all in one run.

    bench.py [--programs NAMES] [--interpreters NAMES] [--turns N] [--seconds S]

Each program's contenders take turns, so that a machine whose speed drifts drifts for
all; the figure is the median over the rounds, in processor time.  Writes
build/bench/container.json.
"""

import argparse
import json
import math
import statistics
import sys
from pathlib import Path

import contenders
import figures
import heaps
import programs

from backfence.sim.live import interpreters

OUT = interpreters.BUILD / "bench" / "container.json"
# Enough rounds of each program that all contenders agree on their checksum.
AGREE = 3


def say(text):
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def agree(program, field):
    """All contenders do the same work; Failed if a checksum differs."""
    sums = {contender.name: contender.run(program, AGREE)[1] for contender in field}
    if len(set(sums.values())) > 1:
        raise contenders.Failed(f"{program}: the checksums differ: {sums}")


def calibrate(contender, program, seconds):
    """Rounds that take about so many seconds."""
    rounds = 1
    while True:
        took_s = contender.run(program, rounds)[0]
        if took_s >= seconds / 2 or rounds > 1 << 24:
            return rounds
        rounds = max(rounds + 1, math.ceil(rounds * min(16, seconds / max(took_s, 1e-4))))


def measure(program, field, turns, seconds):
    """{contender: [seconds for one round of the program]}."""
    agree(program, field)
    rounds = {contender.name: calibrate(contender, program, seconds) for contender in field}
    took = {contender.name: [] for contender in field}
    for turn in range(turns):
        say(f"{program}: turn {turn + 1} of {turns}")
        # Each turn begins with another contender: nobody always runs behind the same one.
        for contender in field[turn % len(field):] + field[: turn % len(field)]:
            took_s = contender.run(program, rounds[contender.name])[0]
            took[contender.name].append(took_s / rounds[contender.name])
    return took


def arguments():
    """The command line."""
    known = [*programs.KERNELS, programs.COREMARK]
    parser = argparse.ArgumentParser(prog="make bench-container")
    parser.add_argument("--programs", nargs="*", choices=known, default=known, metavar="NAME")
    parser.add_argument(
        "--interpreters", nargs="*", choices=list(contenders.MICROPYTHONS), metavar="NAME",
        default=["micropython", "amd64", "i386"],
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of one run")
    return parser.parse_args()


def main():
    """Builds, measures, prints, writes."""
    chosen = arguments()
    try:
        field = contenders.all_of(chosen.interpreters)
        say("contenders: " + ", ".join(contender.name for contender in field))
        times = {}
        for program in chosen.programs:
            programs.build(program)
            able = [contender for contender in field if contender.can(program)]
            took = measure(program, able, chosen.turns, chosen.seconds)
            times[program] = {name: statistics.median(runs) for name, runs in took.items()}
        say("heaps: the least one that CoreMark fits")
        room = heaps.rows(chosen.interpreters) if programs.COREMARK in chosen.programs else []
    except (contenders.Failed, programs.Unbuilt, interpreters.Missing) as error:
        sys.exit(f"Error: {error}")
    report = figures.report(times, chosen.interpreters, contenders.MICROPYTHONS)
    report["aims"] += room
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    figures.show(report)
    print(f"\nwritten: {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}")
    sys.exit(0 if all(row["held"] is not False for row in report["aims"]) else 1)


if __name__ == "__main__":
    main()
