"""Looks for lies of enrolled peers that do to a node what they must not (liars.py says what).

    fuzz_node.py [--minutes N] [--seed N]    look
    fuzz_node.py --repeat FILE               do one finding again

A fleet is made once; each sequence of lies is played by a child process that begins with
a copy of it.  A finding is a file with the sequence's seed in build/fuzz/findings.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
sys.path[:0] = [str(HERE), str(TESTS), str(TESTS / "agent"), str(TESTS / "fuzz_decoders")]

from liars import World  # noqa: E402

FOLDER = TESTS.parent / "build" / "fuzz" / "findings"
# A sequence takes a second or two; one that takes this long hangs.
HANG_S = 120
SAY_S = 15


def play(world, seed, rounds=40):
    """What is wrong with one sequence, played by a child on a copy of the world: a traceback, "" if nothing is."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            signal.alarm(HANG_S)
            world.play(seed, rounds)
        except BaseException:
            os.write(into, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as told:
        text = told.read().decode()
    _, status = os.waitpid(child, 0)
    return text or ("" if status == 0 else f"the child ended by signal {status & 127}: a hang, if that is 14")


def search(minutes, seed):
    """Play until the time is over; True if nothing was found."""
    world = World()
    rnd = random.Random(seed)
    until = time.monotonic() + 60 * minutes
    played, kinds, said = 0, set(), time.monotonic()
    while time.monotonic() < until:
        number = rnd.randrange(1 << 48)
        text = play(world, number)
        played += 1
        if text:
            _keep(number, text, kinds)
        if time.monotonic() - said > SAY_S:
            said = time.monotonic()
            print(f"{max(0, until - said) / 60:5.1f} min left: {played} sequences, {len(kinds)} findings", flush=True)
    print(f"seed {seed}: {played} sequences, {len(kinds)} findings")
    return not kinds


def _keep(number, text, kinds):
    """Keep a finding, once for each place that it comes from."""
    lines = text.strip().splitlines()
    place = [line for line in lines if line.lstrip().startswith("File ")][-1:]
    kind = (*place, lines[-1][:60])
    if kind in kinds:
        return
    kinds.add(kind)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"node-{number:012x}.json"
    path.write_text(json.dumps({"seed": number, "found": text}, indent=1) + "\n")
    print(f"FOUND: {lines[-1][:300]}\n  again: {sys.executable} {Path(__file__)} --repeat {path}", flush=True)


def repeat(path):
    """Do a finding again, with its traceback; 1 if it is still one."""
    try:
        number = json.loads(path.read_text())["seed"]
    except (OSError, ValueError, KeyError):
        sys.exit(f"Error: {path} is no finding of the node: they are in {FOLDER}, named node-*.json")
    text = play(World(), number)
    print(text or "nothing wrong")
    return 1 if text else 0


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description="Fuzz whole nodes by enrolled liars.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="do this finding again")
    options = parser.parse_args()
    if options.repeat:
        sys.exit(repeat(options.repeat))
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    sys.exit(0 if search(options.minutes, seed) else 1)


if __name__ == "__main__":
    main()
