"""The verb for shell users: map, a program over many inputs."""

import contextlib
import os
import re
import sys
import time

import click

from ...agent import limits
from . import files, inputs, manifests, results, run
from . import source as sources
from .commands import broker_option, fleet_option, main, warn
from .cli_work import GRACE_S, Reporter, count_line, problems
from .errors import OperatorError
from .repetition import ATTEMPTS
from .settle import OPEN
from .split import WAYS, split_file


class InOrder:
    """Writes the outputs of a run to a binary stream, each as soon as those before it are written."""

    def __init__(self, work, stream):
        self._work, self._stream = work, stream
        self._next = 0

    def __call__(self, _numbers):
        tasks = self._work.settlement.tasks
        while self._next < len(tasks) and tasks[self._next].state not in OPEN:
            output = self._work.output(self._next)
            if output is not None:
                self._stream.write(output)
            self._next += 1
        self._stream.flush()


class IntoFolder:
    """Writes each output to a file of its own as it comes."""

    def __init__(self, work, folder, names):
        self._work, self._folder, self._names = work, folder, names

    def __call__(self, numbers):
        for number in numbers:
            output = self._work.output(number)
            if output is not None:
                files.write_whole(os.path.join(self._folder, self._names[number]), output)


def pieces(paths, way, task_bytes):
    """Returns (inputs.Piece of each task, a name for each): one task a file, or each file split."""
    found, names = [], []
    for path in paths:
        base = os.path.basename(path)
        cut = [inputs.whole(path)] if way == "whole" else split_file(path, way, task_bytes)
        width = len(str(len(cut) - 1))
        found += cut
        names += [base] if way == "whole" else [f"{base}.{number:0{width}}" for number in range(len(cut))]
    return found, names


def check_folder(folder, paths, names):
    """OperatorError unless every output can have its name in the directory, and no input is overwritten."""
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    if twice:
        raise OperatorError(f"two inputs are called {min(twice)}", "Outputs are named after inputs: give them in two calls.")
    inside = [path for path in paths if os.path.realpath(os.path.dirname(path) or ".") == os.path.realpath(folder)]
    if inside:
        raise OperatorError(f"the outputs would go beside the input {inside[0]}", "Give --out another directory.")
    os.makedirs(folder, exist_ok=True)


def only_slice(fleet):
    """Returns the name of the fleet's only live slice; OperatorError if there are none or several."""
    live = []
    for label in fleet.labels():
        if label.startswith("slice-"):
            payload = fleet.signed(label)[1]
            if not payload.get("end") and payload["expires"] > time.time():
                live.append(payload["name"])
    if len(live) != 1:
        raise OperatorError(
            "this fleet has " + (f"the slices {', '.join(live)}" if live else "no slice yet"),
            "Name one with --slice." if live else "Push one with `backfence push`, see docs/cli.md.",
        )
    return live[0]


def default_name(path):
    """Returns map-STEM of a program's path, as the name of a workload may be."""
    stem = os.path.splitext(os.path.basename(path))[0].lower()
    return ("map-" + re.sub("[^a-z0-9]+", "-", stem).strip("-"))[:32]


@main.command(name="map")
@fleet_option
@broker_option
@click.argument("path", metavar="PROG.wasm", type=click.Path(exists=True, dir_okay=False))
@click.argument("paths", metavar="INPUT...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--slice", metavar="NAME", help="Where it runs.  [default: the only slice there is]")
@click.option("--out", metavar="DIR", help="Write each output to a file named after its input, instead of all to stdout.")
@click.option("--split", "way", type=click.Choice(WAYS), default="whole", show_default=True,
              help="Cut each input into tasks: one a line, or as many lines or words as a task takes.")
@click.option("--task-bytes", type=int, default=limits.BLOB_BYTES, show_default=True, help="With --split: of one task, at most.")
@click.option("--arg", "arguments", multiple=True, help="An argument for the program; may be repeated.")
@click.option("--replicas", type=int, help="Boxes that do each task.  [default: 1]")
@click.option("--quorum", type=int, help="Boxes that must agree.  [default: 1; with --adaptive 2]")
@click.option("--attempts", type=int, help=f"Boxes that do a task at most, before it has FAILED.  [default: {ATTEMPTS}]")
@click.option("--adaptive", is_flag=True, help="One box does each task; others check what boxes without a record say.")
@click.option("--verifier", metavar="CHECK.wasm", type=click.Path(exists=True, dir_okay=False), help="Tells right outputs from wrong ones.")
@click.option("--checkers", type=int, help="Boxes that run the verifier before it runs here.  [default: 0]")
@click.option("--deadline", default="1h", show_default=True, help="How long it may take.")
@click.option("--fuel", type=int, default=manifests.FUEL, show_default=True, help="Of one task.")
@click.option("--name", help="Name of the workload.  [default: map-PROG]")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="json: the summary on stdout; needs --out.")
def map_command(fleet, broker, path, paths, slice, out, way, task_bytes, arguments, name, style, **options):
    """Run a program over INPUTs on the fleet, a task each; outputs in their order to stdout, as they come.

    Exit 0 only if every task SUCCEEDED.  Ctrl-C ends the workload.  After a crash the
    same command goes on where it was.
    """
    if style == "json" and not out:
        raise click.UsageError("--format json needs --out: stdout is for the summary")
    given, names = pieces(paths, way, task_bytes)
    if out:
        check_folder(out, paths, names)
    data = sources.read_file(path, "the program")
    sources.check_program(data, path)
    name = name or default_name(path)
    options = sources.trusting(options)
    options["deadline_s"] = sources.duration(options.pop("deadline"))
    with run.open_session(fleet, name, broker or fleet.broker) as session:
        manifest = manifests.workload_manifest(
            fleet, name, slice or only_slice(fleet), data, given, args=arguments, **options
        )
        work = run.unfinished(fleet, manifest)
        click.echo(f"{name}: {len(given)} tasks" + (", going on where it was" if work else ""), err=True)
        work = work or run.create(fleet, manifest)
        warn(fleet)
        writer = IntoFolder(work, out, names) if out else InOrder(work, sys.stdout.buffer)
        interrupted = _collect(work, manifest, session, writer)
    _tell(work, style, interrupted)


def _collect(work, manifest, session, writer):
    """Pushes what is not pushed, collects, ends; True if Ctrl-C came in between, or nobody reads on."""
    collector = run.Collector(work, session)
    reporter = Reporter(len(manifest.inputs))
    try:
        if not work.plan["pushed"]:
            run.publish(work, manifest, session)
        deadline_s = work.settlement.payload["issued"] + work.settlement.payload["deadline_s"]
        collector.collect(time.monotonic() + max(deadline_s - time.time(), 0) + GRACE_S, reporter, writer)
        interrupted = False
    except (KeyboardInterrupt, BrokenPipeError):
        interrupted = True
    finally:
        reporter.close()
    run.finish(work, session)
    with contextlib.suppress(BrokenPipeError):
        writer(work.settlement.decided())
    return interrupted


def _tell(work, style, interrupted):
    summary = work.summary()
    if style == "json":
        click.echo(results.as_json(summary))
    click.echo(count_line(summary["states"], summary["total"]), err=True)
    problems(summary)
    if not work.settlement.succeeded:
        what = "interrupted; the workload was ended: " if interrupted else ""
        raise click.ClickException(f"{what}{summary['succeeded']} of {summary['total']} tasks succeeded")
