"""Looks for modules that the container treats otherwise than wasmtime.

    fuzz.py [--minutes N] [--seed N]        look; findings go to build/fuzz/findings
    fuzz.py --repeat FILE [--on NAME]       do one finding again

Rounds of generated and mutated modules run on CPython (in each integer mode), on
MicroPython natively with 64 and 32 bits, and a few under emulation; between them a
coverage-guided search of its own process (guided.py) leaves what reached new code in
build/fuzz/corpus, which the mutations then start from.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "agent" / "container")]

import batches  # noqa: E402
import cases  # noqa: E402
import compare  # noqa: E402
import device  # noqa: E402
import findings  # noqa: E402

from backfence.agent.container.mode import Mode  # noqa: E402
from backfence.sim.live.interpreters import BUILD  # noqa: E402

FOLDER = BUILD / "fuzz"
ROUND_CASES = 60
GUIDED_S = 20
# Integer modes that CPython can take besides its own: as on 32 bits, as on a big-endian box.
MODES = {"cpython": None, "cpython signed": Mode(True, False, False), "cpython bytes": Mode(False, False, False)}
# (interpreter, every how many rounds, cases at most)
OTHERS = (("micropython", 1, ROUND_CASES), ("i386", 1, ROUND_CASES), ("amd64", 3, ROUND_CASES), ("armhf", 6, 8), ("s390x", 12, 4), ("mips", 12, 4))


class Search:
    """What has been tried and found."""

    def __init__(self, seed, until):
        self.seed = seed
        self.until = until
        self.tried = {}
        self.modules = self.admitted = self.calls = self.reached = 0
        self.found = findings.Findings(FOLDER / "findings")

    def round(self, number):
        """One batch of new modules on the interpreters whose turn it is."""
        rnd = random.Random(f"{self.seed}/{number}")
        batch, oracles = [], []
        for _ in range(ROUND_CASES):
            case = cases.draw(rnd, FOLDER / "corpus")
            batch.append(case)
            oracles.append(compare.Oracle(case))
        self.modules += len(batch)
        for name, mode in MODES.items():
            for case, oracle in zip(batch, oracles):
                self.judge(name, "translated", case, oracle, findings.here(case, mode))
        for name, every, most in OTHERS:
            if number % every == every - 1 and time.monotonic() < self.until:
                some = batch[:most]
                for index, engine, record in batches.run(name, some):
                    self.judge(name, engine, some[index], oracles[index], record)
        return batch, oracles

    def judge(self, name, engine, case, oracle, record):
        """Count one record; keep it if it is a finding."""
        self.tried[name, engine] = self.tried.get((name, engine), 0) + 1
        if name == "cpython":
            self.admitted += "calls" in record
            self.calls += len(record.get("calls", ()))
            self.reached += sum(call[0] == "ok" for call in record.get("calls", ()))
        text = compare.finding(oracle, record)
        if text:
            self.found.add(text, name, engine, record.get("repeats") or [case])

    def line(self):
        """How far it has come."""
        where = ", ".join(f"{name} {engine} {count}" for (name, engine), count in sorted(self.tried.items()))
        return (
            f"{self.modules} modules, {self.admitted} admitted, {self.calls} calls ({self.reached} returned),"
            f" {self.found.count} findings; records: {where}"
        )


def search(minutes, seed):
    """Look until the time is over; True if nothing was found."""
    (FOLDER / "corpus").mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * minutes
    search_ = Search(seed, until)
    number = 0
    said = 0
    while number == 0 or time.monotonic() < until:
        search_.round(number)
        number += 1
        if number % 3 == 1:
            left = until - time.monotonic()
            if left > 5:
                guided(search_, seed + number, min(GUIDED_S, left))
        if time.monotonic() - said > 15:
            said = time.monotonic()
            print(f"{max(0, until - said) / 60:5.1f} min left: {search_.line()}", flush=True)
    print(f"seed {seed}: {search_.line()}")
    search_.found.tell()
    return not search_.found.count


def guided(search_, seed, seconds):
    """A while of coverage-guided search; its findings are kept with the others."""
    crashes = FOLDER / "guided"
    crashes.mkdir(exist_ok=True)
    run = subprocess.run(
        [sys.executable, str(HERE / "guided.py"), str(FOLDER / "corpus"), f"-max_total_time={int(seconds)}",
         f"-seed={seed & 0x7FFFFFFF}", "-max_len=4096", "-timeout=60", "-rss_limit_mb=4000", f"-artifact_prefix={crashes}/",
         "-print_final_stats=1"],
        capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    counts = [line.split()[-1] for line in run.stderr.splitlines() if "number_of_executed_units" in line]
    search_.tried["cpython", "guided"] = search_.tried.get(("cpython", "guided"), 0) + int(counts[0] if counts else 0)
    for path in sorted(crashes.iterdir()):
        case = cases.from_bytes(path.read_bytes())
        text = compare.finding(compare.Oracle(case), findings.here(case, None)) or f"libFuzzer stopped: {path.name}"
        search_.found.add(text, "cpython", "translated", [case])
        path.unlink()
    if run.returncode and not counts:
        raise SystemExit(f"Error: guided.py failed:\n{run.stderr[-2000:]}")


def repeat(path, name, engine):
    """Do a finding again; True if it is none any more."""
    batch = [device.load(line) for line in Path(path).read_text().splitlines()]
    wrong = []
    if name in MODES:
        records = [(i, "translated", findings.here(case, MODES[name])) for i, case in enumerate(batch)]
    else:
        records = batches.run(name, batch, [engine] if engine else [])
    for index, used, record in records:
        text = compare.finding(compare.Oracle(batch[index]), record)
        print(f"{name} {used}: {text or 'nothing wrong'}")
        wrong += [text] if text else []
    return not wrong


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description="Fuzz the job container against wasmtime.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="repeat these modules")
    parser.add_argument("--repeat", metavar="FILE", help="do this finding again")
    parser.add_argument("--on", default="cpython", metavar="NAME", help="on this interpreter")
    parser.add_argument("--engine", default="", metavar="NAME", help="with this engine")
    options = parser.parse_args()
    if options.repeat:
        if not Path(options.repeat).is_file():
            sys.exit(f"Error: there is no file {options.repeat}: findings are in build/fuzz/findings")
        sys.exit(0 if repeat(options.repeat, options.on, options.engine) else 1)
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    sys.exit(0 if search(options.minutes, seed) else 1)


if __name__ == "__main__":
    main()
