"""Looks for inputs that a decoder treats otherwise than it must (decoders.py says how).

    fuzz_decoders.py [--minutes N] [--seed N] [--only DECODER]...    look
    fuzz_decoders.py --repeat FILE                                   do one finding again

Findings go to build/fuzz/findings, named by their decoder; what reached new code is in
build/fuzz/decoders, and the next search begins with it.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "agent"), str(HERE.parent / "agent" / "wire")]

from decoders import DECODERS  # noqa: E402

from backfence.agent.limits import DATAGRAM_BYTES  # noqa: E402
from backfence.sim.live.interpreters import BUILD  # noqa: E402

FOLDER = BUILD / "fuzz"
# A search has to read its corpus first, which grows; every decoder gets as much, however few the minutes.
LEAST_S = 4
# One input may take so long before libFuzzer calls it a hang, and so much memory in all.
HANG_S = 10
MEMORY_MB = 1000


def search(minutes, seed, names):
    """Give each decoder its share of the time; True if nothing was found."""
    random.Random(seed).shuffle(names)
    until = time.monotonic() + 60 * minutes
    tried = dict.fromkeys(names, 0)
    found, begin_s = [], 0
    for number, name in enumerate(names):
        begun = time.monotonic()
        share_s = max(LEAST_S, (until - begun) / (len(names) - number) - begin_s)
        tried[name], files = guided(name, seed + number, share_s)
        # What it takes to begin counts too: some seconds on a busy machine.
        begin_s = max(0, time.monotonic() - begun - share_s)
        found += files
    print(f"seed {seed}: {sum(tried.values())} inputs, {len(found)} findings: "
          + ", ".join(f"{name} {count}" for name, count in sorted(tried.items())))
    return not found


def guided(name, seed, seconds):
    """(inputs tried, findings' files) of one decoder in so many seconds."""
    crashes, corpus = FOLDER / "guided", FOLDER / "decoders" / name
    crashes.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    # Written here: what makes them would be slow where it is watched for coverage.
    for number, data in enumerate(DECODERS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(data)
    longest = max(map(len, DECODERS[name].seeds()))
    run = subprocess.run(
        [sys.executable, str(HERE / "guided.py"), name, str(corpus), f"-max_total_time={int(seconds)}",
         f"-seed={seed & 0x7FFFFFFF}", f"-max_len={max(DATAGRAM_BYTES, 2 * longest)}", f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MB}",
         f"-artifact_prefix={crashes}/", "-print_final_stats=1"],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    counts = [line.split()[-1] for line in run.stderr.splitlines() if "number_of_executed_units" in line]
    if run.returncode and not counts:
        sys.exit(f"Error: guided.py {name} failed:\n{run.stderr[-2000:]}")
    found = []
    for path in sorted(crashes.iterdir()):
        kept = FOLDER / "findings" / f"{name}-{path.name[-12:]}.bin"
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)
        found.append(kept)
        print(f"FOUND in {name}: {_why(name, kept)}\n  again: {sys.executable} {Path(__file__)} --repeat {kept}", flush=True)
    return int(counts[0]) if counts else 0, found


def _why(name, path):
    """A finding's exception in one line, "" if it is none any more."""
    try:
        data = path.read_bytes()
        DECODERS[name].check(data)
        DECODERS[name].check_cost(data)
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"
    return ""


def repeat(path):
    """Do a finding again, with its traceback."""
    name = next((name for name in sorted(DECODERS, key=len, reverse=True) if path.name.startswith(name + "-")), None)
    if name is None or not path.is_file():
        sys.exit(f"Error: {path} is no finding of a decoder: they are in {FOLDER / 'findings'}, named by it")
    data = path.read_bytes()
    print(f"{name}: {'taken' if DECODERS[name].check(data) else 'refused'}, %d bytes of memory, %d calls" % DECODERS[name].cost(data))
    DECODERS[name].check_cost(data)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description="Fuzz the decoders of wire and disk input.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", action="append", choices=sorted(DECODERS), metavar="DECODER", help="this one alone")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="do this finding again")
    options = parser.parse_args()
    if options.repeat:
        repeat(options.repeat)
        return
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    sys.exit(0 if search(options.minutes, seed, options.only or sorted(DECODERS)) else 1)


if __name__ == "__main__":
    main()
