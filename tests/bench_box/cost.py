"""What an idle box costs, in instructions of a 32-bit big-endian MIPS: exact, and alike in every run.

    cost.py [--tree PATH] [--rounds N] [--nodes N]
    cost.py --steps              the longest single steps of long computations, alone

A fleet is recorded natively (record.py), one of its boxes is replayed alone under
qemu-mips (replay.py), and a plugin (count.c) counts its instructions.  With --tree
another checkout is counted too, and the table has how many times as much it takes.
Writes build/bench/box-cost.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from backfence.sim.live import interpreters

HERE = Path(__file__).resolve().parent
REPOSITORY = interpreters.REPOSITORY
OUT = interpreters.BUILD / "bench" / "box-cost.json"

NODES = 100
WARM_ROUNDS = 34
ROUNDS = 60
# The heap the agent's package starts it with.
HEAP = "1wM"
# Virtual memory of the recording: every box of the fleet is in it.
FLEET_HEAP_KB = 1024
# mips o32's number of write().
WRITE = 4004
# A router's processor, at one instruction a cycle.
HERTZ = 500_000_000


class Failed(Exception):
    """The bench cannot go on; the text is one line."""


def say(text):
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


class Tree:
    """A checkout of the repository, with its agent compiled."""

    def __init__(self, path, work):
        self.path = Path(path).resolve()
        if not (self.path / "agent" / "node.py").is_file():
            raise Failed(f"{path} is no checkout of Backfence")
        self.work = Path(work)
        self.root = self.work / "root"
        self.root.mkdir(parents=True)
        (self.root / "backfence").symlink_to(self.path)
        self.compiled = self.work / "mpy"
        run([sys.executable, "-c", "import sys; from backfence.firmware_pkg import build; build.compile_agent(sys.argv[1])",
             self.compiled], PYTHONPATH=self.root)

    def modules(self, place):
        """MICROPYPATH with the agent in place; the tree's own lan.py goes with it."""
        return f".frozen:{place}:{self.path / 'tests/agent'}:{HERE}"


def run(command, **environment):
    """Its standard output and error; Failed if it does not end well."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env={**os.environ, **{name: str(value) for name, value in environment.items()}})
    if done.returncode:
        raise Failed(f"{Path(str(command[0])).name} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout, done.stderr


def record(tree, nodes, rounds):
    """The trace file of one box of a fleet of this tree."""
    trace = tree.work / "trace"
    native = interpreters.find("amd64")
    command = [*native.command, "-X", f"heapsize={nodes * FLEET_HEAP_KB}K", HERE / "record.py", trace, nodes, WARM_ROUNDS, rounds]
    run(command, MICROPYPATH=tree.modules(tree.root))
    return trace


def counted(tree, plugin, script, *arguments):
    """(what a script printed, [(mark, count)]) under the counter."""
    mips = interpreters.find("mips")
    with tempfile.TemporaryDirectory(dir=tree.work) as home:
        out = Path(home) / "counts"
        emulator = ["setarch", "-R", "qemu-mips", "-plugin", f"{plugin},out={out},write={WRITE}"]
        printed, marks = run([*emulator, mips.command[-1], "-X", f"heapsize={HEAP}", HERE / script, *arguments, home],
                             MICROPYPATH=tree.modules(tree.compiled))
        counts = [int(line) for line in out.read_text().split()]
    return json.loads(printed), list(zip(marks.split("\n"), counts))


def idle(tree, plugin, trace):
    """The replay's findings, with `instructions` a round."""
    found, marks = counted(tree, plugin, "replay.py", trace)
    if not found["same"]:
        raise Failed("the box did not say in the replay what it said in the fleet")
    at = dict(marks)
    found["start"] = at["loaded"]
    found["instructions"] = (at["end"] - at["begin"]) // found["rounds"]
    return found


def pieces(tree, plugin, trace):
    """{part: instructions}, the mean of the times it was done."""
    names, marks = counted(tree, plugin, "pieces.py", trace)
    pairs = [(before[1], after[1]) for before, after in zip(marks, marks[1:]) if (before[0], after[0]) == ("begin", "end")]
    spans = {}
    # The first pair is the replay's.
    for name, (before, after) in zip(names, pairs[1:], strict=True):
        spans.setdefault(name, []).append(after - before)
    # The part without a name is nothing: what the marks themselves cost.
    nothing = min(spans.pop(""))
    return {name: round(sum(took) / len(took)) - nothing for name, took in spans.items()}


def longest_steps(tree, plugin):
    """{part: (instructions of its longest step, of a step in the mean, steps)}."""
    parts, marks = counted(tree, plugin, "steps.py")
    spans = [after[1] - before[1] for before, after in zip(marks, marks[1:]) if (before[0], after[0]) == ("begin", "end")]
    out, at = {}, 0
    for name, count in parts:
        took = spans[at : at + count]
        at += count
        out[name] = max(took), sum(took) // count, count
    return out


def flash(tree):
    """{bytes, files} that an idle box writes to its state directory in a day."""
    printed, _ = run([sys.executable, HERE / "flash.py"], PYTHONPATH=f"{tree.root}:{tree.path / 'tests/agent'}")
    return json.loads(printed)


def build_plugin(work):
    """The compiled counter."""
    plugin = Path(work) / "count.so"
    run(["gcc", "-O2", "-shared", "-fPIC", "-o", plugin, HERE / "count.c"])
    return plugin


def measure(path, work, plugin, nodes, rounds):
    """{figure: instructions or another number} of a checkout."""
    tree = Tree(path, work)
    say(f"{tree.path}: a fleet of {nodes} is recorded")
    trace = record(tree, nodes, rounds)
    say(f"{tree.path}: one of its boxes is replayed")
    found = idle(tree, plugin, trace)
    say(f"{tree.path}: its parts are counted")
    parts = pieces(tree, plugin, trace)
    say(f"{tree.path}: a day of twelve boxes, for what they write")
    found["flash"] = flash(tree)
    return found, parts


def table(ours, theirs):
    """Lines of a Markdown table; theirs is None or another tree's {figure: number}."""
    head = "| instructions | here |" + (" there | times |" if theirs else "")
    lines = [head, "|---|---|" + ("---|---|" if theirs else "")]
    for name, number in ours.items():
        line = f"| {name} | {number:,} |"
        if theirs:
            other = theirs.get(name)
            line += f" {other:,} | {other / max(number, 1):.1f} |" if other is not None else " | |"
        lines.append(line)
    return lines


def figures(found, parts):
    """{figure: instructions}, the round first."""
    return {"an idle round": found["instructions"], **parts, "loading, until the box runs": found["start"]}


def summary(found):
    """A line: what happened in the rounds that were counted."""
    rounds, round_s = found["rounds"], found["round_s"]
    share = 100 * found["instructions"] / round_s / HERTZ
    names = ("shuffles", "shuffles_answered", "averages", "averages_answered", "ladders", "datagrams_in", "datagrams_out")
    return (f"in {rounds} rounds of {round_s:.0f} s {found['turns']} turns of the loop, "
            + ", ".join(f"{found[name]} {name}" for name in names)
            + f"; {found['flash']['bytes']} bytes in {found['flash']['files']} files of state written a day; {share:.2f} % of a processor of {HERTZ // 1_000_000} MHz"
            " with one instruction a cycle")


def main(argv):
    """Count, print, write; the exit code."""
    parser = argparse.ArgumentParser(prog="cost.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--tree", help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="idle rounds that are counted (%(default)s)")
    parser.add_argument("--nodes", type=int, default=NODES, help="boxes of the fleet (%(default)s)")
    parser.add_argument("--steps", action="store_true", help="count the longest single steps alone")
    options = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="backfence-cost-") as work:
            plugin = build_plugin(work)
            if options.steps:
                for name, (most, mean, count) in longest_steps(Tree(REPOSITORY, f"{work}/here"), plugin).items():
                    print(f"{name}: {most:,} instructions at most, {mean:,} in the mean of {count}")
                return 0
            found, parts = measure(REPOSITORY, f"{work}/here", plugin, options.nodes, options.rounds)
            ours, theirs, there = figures(found, parts), None, None
            if options.tree:
                there, parts = measure(options.tree, f"{work}/there", plugin, options.nodes, options.rounds)
                theirs = figures(there, parts)
    except (Failed, interpreters.Missing) as problem:
        say(f"Error: {problem}")
        return 1
    print("\n".join(table(ours, theirs)))
    print("\nhere:  " + summary(found))
    if there:
        print("there: " + summary(there))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"here": ours, "there": theirs, "found": found, "found_there": there}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
