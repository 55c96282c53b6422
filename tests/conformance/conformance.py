"""WebAssembly's tests on each MicroPython and each engine: `make conformance`.

What was run with the same code is kept under build/conformance and not run again, so
an interrupted run goes on where it stopped.
"""

import concurrent.futures
import hashlib
import json
import subprocess
import time
import tomllib
from pathlib import Path

import click
import convert
import extensions
import results

from backfence.sim.live import interpreters

HERE = Path(__file__).resolve().parent
REPOSITORY = interpreters.REPOSITORY
BUILD = interpreters.BUILD / "conformance"
SPECIFICATION = interpreters.BUILD / "specification"
TABLE = HERE / "table.toml"
AIMED_AT = "micropython amd64 armhf"
# The largest memory has 20 MiB, and is there twice while it moves.
HEAP = "96M"
# Files in one process: what it interned is never freed.
BATCH = 6
PROCESSES = 2
LIMIT_S = 3600


class Run:
    """One interpreter with one engine."""

    def __init__(self, interpreter, engine):
        self.interpreter = interpreters.find(interpreter)
        self.engine = engine
        self.name = f"{interpreter} {engine}"
        self.folder = BUILD / interpreter / engine
        self.results = []
        self.seconds = 0.0
        self.broken = []

    def kept(self, path):
        """Where the output for a .cmd file is kept, by all that it depends on."""
        return self.folder / f"{path.stem}-{code_key()}.txt"

    def batch(self, paths):
        """Run some .cmd files in one process and keep what it finishes; [what went wrong]."""
        command = self.interpreter.arguments(str(HERE / "driver.py"), self.engine, *map(str, paths), heap=HEAP)
        begun = time.monotonic()
        try:
            run = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=_environment(self.interpreter), timeout=LIMIT_S,
            )
            printed, end = run.stdout, f"exit status {run.returncode}"
        except subprocess.TimeoutExpired as expired:
            printed, end = expired.stdout or b"", f"stopped after {LIMIT_S} s"
        self.seconds += time.monotonic() - begun
        return self.keep(printed.decode("utf-8", "replace"), paths, end)

    def keep(self, printed, paths, end):
        """Save each file's part of the output; returns a line for the one that broke off."""
        left = list(paths)
        for path in paths:
            body, found, printed = printed.partition(f"= {path}\n")
            if not found:
                break
            kept = self.kept(path)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(body.partition(f"# {path}\n")[2])
            left.remove(path)
        if left:
            return [f"{left[0].stem}: the interpreter ended in it ({end}): {body.splitlines()[-1:]}"]
        return []

    def collect(self, paths):
        """Read the results of all files that are there."""
        for path in paths:
            kept = self.kept(path)
            if kept.exists():
                self.results += results.parse(test_name(path), kept.read_text())


def _environment(interpreter):
    if interpreter.name == "cpython":
        return {**interpreter.environment, "PYTHONPATH": str(interpreters.import_root())}
    return interpreter.environment


def test_name(path):
    """The test's name: its .cmd file's without the key."""
    return path.stem.rpartition("-")[0]


_key = None


def code_key():
    """Names the code that runs the tests: the container and the driver."""
    global _key
    if _key is None:
        found = hashlib.sha256()
        for path in [HERE / "driver.py", *sorted((REPOSITORY / "agent/container").rglob("*.py"))]:
            found.update(path.read_bytes())
        _key = found.hexdigest()[:12]
    return _key


def engines(name):
    """The engines that an interpreter has."""
    interpreter = interpreters.find(name)
    code = "from backfence.agent.container.admission import engines; print(*engines())"
    run = subprocess.run(
        interpreter.arguments("-c", code), env=_environment(interpreter), capture_output=True, text=True
    )
    if run.returncode:
        raise click.ClickException(f"{name} cannot load the container: {run.stderr.strip()[-200:]}")
    return run.stdout.split()


def prepare(table, only=(), folder=SPECIFICATION / "wast"):
    """The .cmd files of the tests that are in, or of those of them that are named."""
    names = [name for name in table["files"]["in"] if not only or name in only]
    found = [convert.prepared(folder / f"{name}.wast", BUILD / "tests") for name in names]
    return found + [path for path in extensions.prepared(BUILD / "tests") if not only or test_name(path) in only]


def carry_out(runs, paths, say):
    """Run what is not kept yet, PROCESSES at a time."""
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        waiting = {}
        for run in runs:
            todo = [path for path in paths if not run.kept(path).exists()]
            todo.sort(key=lambda path: path.stat().st_size, reverse=True)
            count = -(-len(todo) // BATCH)
            for at in range(count):
                waiting[pool.submit(run.batch, todo[at::count])] = run
        for number, done in enumerate(concurrent.futures.as_completed(waiting), 1):
            run = waiting[done]
            run.broken += done.result()
            say(f"{number} of {len(waiting)} batches done, the last on {run.name} ({run.seconds:.0f} s so far)")
    for run in runs:
        run.collect(paths)


def report(runs, table, version, whole=True):
    """(the object for conformance.json, lines of all that is wrong).

    Aims are held only against the `whole` of the tests.
    """
    wrong = []
    found = {"suite": version, "interpreters": {}}
    for run in runs:
        counts = results.tally(results.counted(run.results, table, run.engine))
        lines = run.broken + results.beside_the_table(run.results, table, run.engine)
        if whole:
            lines += results.missed(counts)
        wrong += [f"{run.name}: {line}" for line in lines]
        entry = {"kinds": counts, "failed": [r._asdict() for r in run.results if r.verdict == "FAIL"]}
        found["interpreters"].setdefault(run.interpreter.name, {})[run.engine] = entry
    compared, lines = results.fuel_differs({run.name: run.results for run in runs})
    found["fuel"] = {"compared": compared, "different": lines}
    return found, wrong + [f"fuel differs: {line}" for line in lines]


def show(runs, table):
    """The lines of a table: passed and total for each run and kind, and what was refused beside them."""
    for run in runs:
        yield run.name
        for kind, count in results.tally(results.counted(run.results, table, run.engine)).items():
            apart = [f"{count[why]} refused for {why}" for why in ("imports", "caps") if count[why]]
            line = f"  {kind:<22}{count['passed']:>6} of {count['total']:>6}  {', '.join(apart)}"
            yield line.rstrip()


@click.command()
@click.option("--interpreters", "names", default=AIMED_AT, help="Which, separated by spaces.")
@click.option("--engines", "wanted", default="", help="Which, separated by spaces; all that there are.")
@click.option("--files", default="", help="Tests by name, separated by spaces; all that are in.")
def main(names, wanted, files):
    """Run WebAssembly's tests and hold what fails against table.toml."""
    table = tomllib.loads(TABLE.read_text())
    try:
        paths = prepare(table, files.split())
        runs = [
            Run(name, engine)
            for name in names.split() for engine in engines(name) if not wanted or engine in wanted.split()
        ]  # fmt: skip
    except (interpreters.Missing, convert.ConvertError) as error:
        raise click.ClickException(str(error)) from None
    carry_out(runs, paths, lambda text: click.echo(text, err=True))
    version = (SPECIFICATION / "version").read_text().strip()
    found, wrong = report(runs, table, f"binaryen {version}", not files)
    BUILD.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    for line in show(runs, table):
        click.echo(line)
    click.echo(f"fuel: {found['fuel']['compared']} comparisons, {len(found['fuel']['different'])} differ")
    for line in wrong:
        click.echo(line, err=True)
    if wrong:
        raise click.ClickException(f"{len(wrong)} things are not as table.toml and the aims say")


if __name__ == "__main__":
    main()
