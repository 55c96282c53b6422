"""The verbs that send work out and bring results back: sign, push, run, results, cancel."""

import hashlib
import os
import shlex
import sys
import time

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from . import files, manifests, push, results, run
from . import source as sources
from .commands import broker_option, fleet_option, format_option, main, show, warn
from .errors import OperatorError

# How often a line of progress is printed where there is no terminal.
PLAIN_EVERY_S = 5.0
# `run` and `results` wait this much past the deadline for what is on its way.
GRACE_S = 5.0
# Reasons of failed tasks that are shown.
PROBLEMS = 8


def _seats(_ctx, _parameter, value):
    """The int of "8"; a share such as "10 %" stays text."""
    if value is None or "%" in value:
        return value
    if not value.isascii() or not value.isdigit():
        raise click.BadParameter("a number such as 8, or a share of the fleet such as 10%")
    return int(value)


def source_options(command):
    """Adds SOURCE and the options that override its keys, as `path` and `overrides`."""
    options = (
        click.option("--name", help="Override the name."),
        click.option("--seats", callback=_seats, metavar="N|P%", help="Slice: override the number of seats, or their share."),
        click.option("--where", help="Slice: override which boxes."),
        click.option("--choice", help="Query: override what is asked."),
        click.option("--slice", help="Workload: override the slice it runs on."),
        click.option("--program", type=click.Path(), help="Workload: override the program."),
        click.option("--input", type=click.Path(), help="Workload: override the input."),
        click.option("--split", help="Workload: cut the input by words, lines, line or whole."),
        click.option("--replicas", type=int, help="Workload: boxes that do each task."),
        click.option("--quorum", type=int, help="Workload: boxes that must agree."),
        click.option("--deadline", help="Workload: how long it may take, such as 15m."),
    )
    for option in reversed(options):
        command = option(command)
    return click.argument("source", metavar="SOURCE", type=click.Path(exists=True, dir_okay=False))(command)


def overridden(options):
    """Returns those of a verb's options that override keys of SOURCE."""
    names = ("name", "seats", "where", "choice", "slice", "program", "input", "split", "replicas", "quorum", "deadline")
    return {name: options[name] for name in names}


@main.command()
@fleet_option
@source_options
@click.option("-o", "--out", required=True, metavar="FILE", help="Where the signed manifest goes.")
@click.option("--blobs", metavar="DIR", help="Workload: where program, inputs and index go.  [default: FILE.blobs]")
def sign(fleet, source, out, blobs, **options):
    """Sign a slice, query or workload into a file, for any MQTT client to publish.

    Prints the commands that do what `backfence push` does.
    """
    settings = sources.load(source, overridden(options))
    manifest = sources.build(fleet, settings)
    signed = fleet.sign(manifest)
    if settings["kind"] == "workload":
        # Whoever publishes it, `backfence results` can settle it.
        results.Work.create(fleet, manifest, signed, settings.get("merge", "concat"), pushed=True)
    warn(fleet)
    folder = blobs or out + ".blobs"
    if manifest.blobs:
        os.makedirs(folder, exist_ok=True)
    for digest, data in manifest.blobs.items():
        files.write_whole(os.path.join(folder, digest.hex()), data)
    files.write_whole(out, signed)
    click.echo("\n".join(commands(fleet, manifest.label, out, folder if manifest.blobs else None)))


def commands(fleet, label, out, folder):
    """Returns the lines of shell that publish a signed file as KIND-NAME, and the blobs in a directory (or None)."""
    host, port, *_ = push.parse_broker(fleet.broker)
    tell = f"mosquitto_pub -h {host} -p {port} -r -q 1"
    lines = [f"{tell} -t {fleet.topic('manifest', label)} -f {shlex.quote(out)}"]
    if folder is not None:
        blob = f'{fleet.topic("blob", *filter(None, [fleet.tenant]))}/"${{blob##*/}}"'
        lines = [f"for blob in {shlex.quote(folder)}/*; do", f'  {tell} -t {blob} -f "$blob"', "done", *lines]
    return lines


def _load_signed(fleet, path, blobs):
    """Returns (signed bytes, payload, blobs) of a file that `sign` made."""
    signed = files.read(path)
    payload = manifests.read(signed, fleet.keys)
    folder = blobs or path + ".blobs"
    found = {}
    if payload["kind"] == "firmware":
        raise OperatorError(f"{path} is a firmware", f"Publish it with `backfence firmware publish {path}`.")
    if payload["kind"] == "workload":
        if not os.path.isdir(folder):
            raise OperatorError(f"the blobs of {path} are not in {folder}", "Name their directory with --blobs.")
        for name in os.listdir(folder):
            data = sources.read_file(os.path.join(folder, name), "a blob")
            if hashlib.sha256(data).hexdigest() != name:
                raise OperatorError(f"{folder}/{name} is not what its name says", "Sign the workload again.")
            found[bytes.fromhex(name)] = data
    return signed, payload, found


@main.command(name="push")
@fleet_option
@broker_option
@source_options
@click.option("--blobs", metavar="DIR", help="With a signed file: where its blobs are.  [default: SOURCE.blobs]")
@click.option("--wait", type=float, default=2.0, show_default=True, help="Seconds to listen for doors' refusals.")
@click.option("--deadline-s", type=float, default=60.0, show_default=True, help="Seconds the broker has to take it.")
@format_option
def push_command(fleet, broker, source, blobs, wait, deadline_s, style, **options):
    """Sign and publish a slice, query or workload: a TOML file, or one that `sign` made."""
    broker = broker or fleet.broker
    given = overridden(options)
    if source.endswith(".toml"):
        report = _push_toml(fleet, broker, sources.load(source, given), wait, deadline_s)
    elif any(value is not None for value in given.values()):
        raise click.UsageError("a signed manifest cannot be changed; give its TOML file")
    else:
        signed, payload, found = _load_signed(fleet, source, blobs)
        with _session(fleet, broker, payload) as session:
            report = push.publish(broker, fleet, signed, found, deadline_s, session=session)
            report.refused = push.listen(session, push.names_of(payload, found), wait)
    warn(fleet)
    value = {
        "manifest": report.label, "sequence": report.sequence, "acknowledged": report.acknowledged,
        "bytes": report.size, "refused": report.refused,
    }
    lines = [f"{report.label} {report.sequence}: {report.acknowledged} publications, {report.size:,} bytes"]
    show(style, value, "\n".join(lines + refusals(report.refused)))
    if report.refused:
        raise SystemExit(1)


def _session(fleet, broker, settings):
    """Connects before anything is signed.  For a workload the broker begins to
    keep results now, for `backfence results`."""
    if settings["kind"] == "workload":
        return run.open_session(fleet, settings["name"], broker)
    session = push.Session(broker)
    session.subscribe(fleet.refused_topic())
    return session


def _push_toml(fleet, broker, settings, wait, deadline_s):
    with _session(fleet, broker, settings) as session:
        manifest = sources.build(fleet, settings)
        if settings["kind"] == "workload":
            _, report = run.start(fleet, manifest, settings.get("merge", "concat"), session, deadline_s)
        else:
            report = push.publish(broker, fleet, fleet.sign(manifest), {}, deadline_s, session=session)
        report.refused = push.listen(session, push.names_of(manifest.payload, manifest.blobs), wait)
    return report


def refusals(refused):
    """Returns a line for each refusal of a door."""
    return [f"refused by {each['box'][:8]}: {each['what']}: {each['why']}" for each in refused]


class Reporter:
    """Progress on stderr: a bar on a terminal, else a line now and then."""

    def __init__(self, total):
        self.console = Console(stderr=True)
        self.shown_s, self.line, self.told = 0.0, "", 0
        self.bar = None
        if self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.task = self.bar.add_task("tasks", total=total)
            self.bar.start()

    def __call__(self, work, refused):
        counts = work.settlement.counts()
        for line in refusals(refused[self.told:]):
            self.console.print(line, markup=False, highlight=False)
        self.told = len(refused)
        if self.bar:
            self.bar.update(self.task, completed=counts["SUCCEEDED"])
            return
        line = count_line(counts, len(work.settlement.tasks))
        if line != self.line and (time.monotonic() - self.shown_s >= PLAIN_EVERY_S or work.settlement.settled):
            self.shown_s, self.line = time.monotonic(), line
            click.echo(line, err=True)

    def close(self):
        """Takes the bar away."""
        if self.bar:
            self.bar.stop()


def count_line(counts, total):
    """Returns "12/40 SUCCEEDED, 3 IN_PROGRESS, ..."."""
    rest = [f"{count} {state}" for state, count in counts.items() if count and state != "SUCCEEDED"]
    return ", ".join([f"{counts['SUCCEEDED']}/{total} SUCCEEDED", *rest])


@main.command(name="run")
@fleet_option
@broker_option
@source_options
@click.option("-o", "--out", metavar="FILE", help="Where the merged output goes.  [default: stdout]")
@click.option("--each", metavar="DIR", help="Also write each task's output, the receipts and a summary here.")
@click.option("--keep", is_flag=True, help="Leave the workload live when it is done.")
@format_option
def run_command(fleet, broker, source, out, each, keep, style, **options):
    """Push a workload, wait, settle, and write its output.

    Exit 0 only if every task SUCCEEDED.  After Ctrl-C, `backfence results`
    goes on where this stopped.
    """
    if style == "json" and not out:
        raise click.UsageError("--format json needs -o FILE: stdout is for the summary")
    broker = broker or fleet.broker
    settings = _workload(source, options)
    with run.open_session(fleet, settings["name"], broker) as session:
        manifest = sources.build(fleet, settings)
        work, report = run.start(fleet, manifest, settings.get("merge", "concat"), session)
        warn(fleet)
        click.echo(f"{report.label} {report.sequence}: {len(manifest.inputs)} tasks pushed", err=True)
        reporter = Reporter(len(manifest.inputs))
        until_s = time.monotonic() + manifest.payload["deadline_s"] + GRACE_S
        try:
            run.Collector(work, session).collect(until_s, reporter)
        except KeyboardInterrupt:
            reporter.close()
            raise OperatorError("interrupted; the workload goes on", f"See `backfence results {work.name}`.") from None
        finally:
            reporter.close()
        if not keep:
            run.finish(work, session)
        work.close()
    finish(work, out, each, style)


def _workload(path, options):
    settings = sources.load(path, overridden(options))
    if settings["kind"] != "workload":
        kind = settings["kind"]
        raise OperatorError(f"{path} is a {kind}, and only a workload runs", f"Push a {kind} with `backfence push`.")
    return settings


def finish(work, out, each, style):
    """Writes outputs, says confirmed/total, exits 1 unless all SUCCEEDED."""
    summary = work.summary()
    if each:
        work.write(each)
    if work.settlement.succeeded:
        if out:
            files.write_parts(out, work.merged_parts())
        elif style == "text":
            for part in work.merged_parts():
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
    line = count_line(summary["states"], summary["total"])
    if style == "json":
        click.echo(results.as_json(summary))
    click.echo(line, err=True)
    problems(summary)
    if not work.settlement.succeeded:
        hint = f"\nHint: outputs that did come are written with `backfence results {work.name} --each DIR`."
        raise click.ClickException(
            f"{summary['succeeded']} of {summary['total']} tasks succeeded" + ("" if each else hint)
        )


def problems(summary):
    """Says on stderr why the first tasks of a results.Work.summary failed."""
    for problem in summary["problems"][:PROBLEMS]:
        click.echo(f"task {problem['task']}: {problem['state']}: {push.clean(problem['reason'])}", err=True)


@main.command(name="results")
@fleet_option
@broker_option
@click.argument("name", metavar="WORKLOAD")
@click.option("--each", metavar="DIR", help="Write each task's output, the receipts and a summary here.")
@click.option("-o", "--out", metavar="FILE", help="Write the merged output here.")
@click.option("--wait", type=float, default=2.0, show_default=True, help="Seconds to wait for more results.")
@click.option("--offline", is_flag=True, help="Only what came already; ask no broker.")
@format_option
def results_command(fleet, broker, name, each, out, wait, offline, style):
    """Collect the results of the newest run of WORKLOAD, with their receipts.

    Takes what the broker kept since `push`.  Exit 0 only if every task SUCCEEDED.
    """
    work = results.Work.newest(fleet, name)
    if not work.plan["pushed"]:
        click.echo(f"Warning: {name} was not pushed whole, and boxes may not know it: push it again.", err=True)
    if not offline and not work.settlement.settled:
        with run.open_session(fleet, name, broker or fleet.broker) as session:
            collector = run.Collector(work, session, checks=False)
            until_s = time.monotonic() + wait
            while not work.settlement.settled and time.monotonic() < until_s:
                if collector.step(0.2):
                    until_s = time.monotonic() + wait
        work.close()
    summary = work.summary()
    if style == "text":
        for row in summary["metering"]:
            click.echo(
                f"{row['box']}  {row['tasks']:5} tasks  {row['fuel']:>14,} fuel  {row['ms']:>9,} ms  "
                f"{row['byte_s']:>14,} byte-s"
            )
    if work.settlement.succeeded and not out:
        _say_done(work, each, style, summary)
    else:
        finish(work, out, each, style)


def _say_done(work, each, style, summary):
    """All succeeded and nobody asked for the merged output."""
    if each:
        work.write(each)
    line = count_line(summary["states"], summary["total"])
    show(style, summary, line)


@main.command()
@fleet_option
@broker_option
@click.argument("name", metavar="WORKLOAD")
def cancel(fleet, broker, name):
    """End a workload: boxes drop its tasks, open ones become CANCELED."""
    end_label(fleet, broker, f"workload-{fleet.own(name)}")
    run.forget_session(fleet, name, broker or fleet.broker)


def end_label(fleet, broker, label):
    """Publishes the end of KIND-NAME and says so."""
    report = run.end(fleet, label, broker or fleet.broker)
    warn(fleet)
    click.echo(f"{label} {report.sequence}: ended")
