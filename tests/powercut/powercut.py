"""`make powercut`: an emulated ARM box loses its power in the midst of updates, hundreds of times.

    powercut.py [--cuts N] [--seed N] [--machines N] [--break NAME]

Exit code 1 if one boot did not come back, or what it came back with was not the old or
the new version, whole.  docs/powercut.md says what is emulated and what is not.
"""

import collections
import dataclasses
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import box as boxes  # noqa: E402  (neighbours of this folder)
import broken  # noqa: E402
import world as worlds  # noqa: E402
from lane import Lane  # noqa: E402

from machine import parts  # noqa: E402

BUILD = HERE.parent.parent / "build"


@dataclasses.dataclass
class Options:
    """What all machines have in common."""

    trial_s: int
    memory_mb: int
    kind: str


class Progress:
    """Counts the cuts of all machines, tells each in a line, and knows when it is enough."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.begun = 0
        self.enough = False
        self.done = []
        self.lock = threading.Lock()
        self.start = time.monotonic()

    def more(self):
        """True if one more cut is to be begun; after a fault none is."""
        with self.lock:
            self.begun += 1
            return self.begun <= self.wanted and not self.enough and not self.faults()

    def faults(self):
        """The cuts that left what must not be."""
        return [cut for cut in self.done if cut.fault]

    def report(self, cut):
        """One more."""
        with self.lock:
            self.done.append(cut)
            pulled = sum(1 for each in self.done if each.plan != "none")
            words = f"FAULT: {cut.fault}" if cut.fault else f"{cut.outcome} stays"
            ran = f"ran {cut.ran} after {cut.up_s:.0f} s" if cut.ran else "not up yet"
            which = f"cut {pulled}/{self.wanted}" if cut.plan != "none" else "last boot"
            ran += f" ({cut.memory})" if cut.memory else ""
            print(f"{time.monotonic() - self.start:6.0f} s  {which}  machine {cut.machine}: {ran};"
                  f" cut in: {cut.phase} (cache: {cut.way}, {cut.lost} lost, {cut.kept} kept, {cut.torn} torn); {words}",
                  flush=True)


def table(cuts):
    """Lines: cuts by phase and by what they left."""
    counts = collections.Counter((cut.phase, "fault" if cut.fault else cut.outcome) for cut in cuts)
    columns = ("old", "new", "packaged", "fault")
    lines = [f"{'the power was cut in':24}{'cuts':>6}" + "".join(f"{column:>10}" for column in columns)]
    for phase in sorted({phase for phase, _ in counts}):
        row = [counts[phase, column] for column in columns]
        lines.append(f"{phase:24}{sum(row):6}" + "".join(f"{count:10}" for count in row))
    row = [sum(counts[key] for key in counts if key[1] == column) for column in columns]
    return [*lines, f"{'all':24}{sum(row):6}" + "".join(f"{count:10}" for count in row)]


@click.command()
@click.option("--cuts", default=200, show_default=True, help="how often the power is pulled")
@click.option("--seed", type=int, help="repeats what was drawn (default: a new one, printed)")
@click.option("--machines", default=2, show_default=True, help="machines at once, each with a disk of its own")
@click.option("--trial-s", default=60, show_default=True, help="trial_s of the boxes")
@click.option("--memory-mb", default=64, show_default=True, help="memory of a machine")
@click.option("--break", "sabotage", type=click.Choice(sorted(broken.WAYS)), help="an agent that is broken on purpose")
@click.option("--nice", "niceness", default=10, show_default=True, help="how polite to other work on this machine")
@click.option("--keep", is_flag=True, help="keep the folder of the run, whatever comes of it")
def main(cuts, seed, machines, trial_s, memory_mb, sabotage, niceness, keep):
    """Pull the plug of emulated boxes in the midst of updates."""
    seed = random.randrange(1 << 32) if seed is None else seed
    print(f"powercut: seed {seed}, {cuts} cuts on {machines} machines of {memory_mb} MB"
          + (f", agent broken: {broken.WAYS[sabotage][0]}" if sabotage else ""), flush=True)
    os.nice(niceness)
    folder = Path(tempfile.mkdtemp(prefix="backfence-powercut-"))
    try:
        found = run(folder, Options(trial_s, memory_mb, "ext4"), seed, cuts, machines, sabotage)
    except (parts.PartsError, boxes.BoxError, broken.NotFound) as error:
        sys.exit(f"Error: {error}")
    pulled = [cut for cut in found.done if cut.plan != "none"]
    print("\n" + "\n".join(table(pulled)))
    figures = {"seed": seed, "broken": sabotage, "machines": machines, "memory_mb": memory_mb, "trial_s": trial_s,
               "seconds": round(time.monotonic() - found.start), "cuts": [dataclasses.asdict(cut) for cut in found.done]}
    figures_path(sabotage).write_text(json.dumps(figures, indent=1) + "\n")
    if found.faults():
        print(f"\nError: after {len(pulled)} cuts: {found.faults()[0].fault}\nThe run is kept in {folder}", file=sys.stderr)
        sys.exit(1)
    if not keep:
        shutil.rmtree(folder)
    print(f"\n{len(pulled)} cuts, each followed by the old or the new agent, whole.  Figures: {figures_path(sabotage)}")


def figures_path(sabotage):
    """Where a run's figures go: those of a broken agent do not replace the good one's."""
    return BUILD / ("powercut.json" if sabotage is None else f"powercut-{sabotage}.json")


def run(folder, options, seed, cuts, machines, sabotage):
    """All machines' cuts; the Progress."""
    made = parts.provide()
    tree = broken.tree(folder, sabotage) if sabotage else None
    modules = broken.modules(folder, tree) if sabotage else None
    rom = boxes.make_rom(folder, modules)
    world = worlds.World(folder, machines, tree)
    progress = Progress(cuts)
    try:
        world.start()
        lanes = []
        for number in range(machines):
            (folder / f"machine{number}").mkdir()
            lanes.append(Lane(number, world, made, rom, folder / f"machine{number}", seed, options, progress.report))
        threads = [Runner(lane, progress) for lane in lanes]
        for thread in threads:
            thread.start()
        _join(threads, progress)
        for thread in threads:
            if thread.error:
                raise thread.error
    finally:
        for lane in lanes:
            lane.machine.pull()
        world.stop()
    return progress


def _join(threads, progress):
    """Wait for the threads; Ctrl-C lets each finish its cut and boot a last time."""
    while any(thread.is_alive() for thread in threads):
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            print("powercut: no more cuts; the last boots are looked at", flush=True)
            progress.enough = True


class Runner(threading.Thread):
    """One lane; its exception, if it had one, is kept in `error`."""

    def __init__(self, lane, progress):
        super().__init__(daemon=True)
        self.lane, self.progress, self.error = lane, progress, None

    def run(self):
        """Thread's own."""
        try:
            self.lane.run(self.progress.more)
        except Exception as error:  # told by the main thread
            self.error = error


if __name__ == "__main__":
    main()
