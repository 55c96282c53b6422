"""The verbs for who writes jobs: check, try.  They need no fleet."""

import sys

import click

from ...agent import limits
from . import manifests, program, results, trial, verdict
from . import source as sources
from .commands import format_option, main, show
from .errors import OperatorError

SEED_BYTES = 32
UNITS = {"": 1, "k": 1024, "m": 1 << 20}
HEAP_LEAST = 256 << 10
HEAP_MOST = 1 << 30


def _heap(_ctx, _parameter, value):
    """Bytes of "512K", "2M", "1wM"; w is a word of this machine's: 2 on 64 bits."""
    text = value.lower()
    digits = text.rstrip("wkm")
    unit = text[len(digits):]
    if not digits.isascii() or not digits.isdigit() or unit.removeprefix("w") not in UNITS:
        raise click.BadParameter("a size such as 512K, 2M or 1wM")
    size = int(digits) * UNITS[unit.removeprefix("w")] * (2 if unit.startswith("w") and sys.maxsize > 1 << 32 else 1)
    if not HEAP_LEAST <= size <= HEAP_MOST:
        raise click.BadParameter("from 256K to 1024M")
    return size


def _seed(_ctx, _parameter, value):
    try:
        seed = bytes.fromhex(value)
        if len(seed) <= SEED_BYTES:
            return seed.ljust(SEED_BYTES, b"\0")
    except ValueError:
        pass
    raise click.BadParameter(f"up to {SEED_BYTES} bytes in hexadecimal, such as 2a")


def program_argument(command):
    """Adds PROG.wasm as `path`."""
    kind = click.Path(exists=True, dir_okay=False)
    return click.argument("path", metavar="PROG.wasm", type=kind)(command)


def manifest_option(command):
    """Adds --manifest."""
    kind = click.Path(exists=True, dir_okay=False)
    return click.option("--manifest", type=kind, metavar="FILE.toml", help="A workload: its limits and arguments.")(command)


def workload(manifest, path):
    """(limits, arguments, deterministic) of a workload's TOML file; without one, what a manifest has by default."""
    if manifest is None:
        return manifests.job_limits(), [], True
    settings = sources.load(manifest)
    if settings["kind"] != "workload":
        raise OperatorError(f"{manifest} is a {settings['kind']}, and only a workload has limits")
    arguments = settings.get("args", [])
    manifests.check_arguments(arguments)
    return manifests.job_limits(**settings.get("limits", {})), arguments, settings.get("deterministic", True)


@main.command()
@program_argument
@manifest_option
@format_option
def check(path, manifest, style):
    """Say what a box would say to a program: admitted, and what it takes; or why not, and what to do."""
    data = sources.read_file(path, "the program")
    allowed = workload(manifest, path)[0]
    found = verdict.check(data, allowed, manifest is not None)
    if found["admitted"]:
        show(style, found, "\n".join(verdict.lines(path, found)))
        return
    if style == "json":
        click.echo(results.as_json(found))
        raise SystemExit(1)
    what = "a box would refuse the program" if found["outcome"] == "refused" else "no run could succeed of"
    raise OperatorError(f"{what} {path}: {found['reason']}", found["fix"])


@main.command(name="try")
@program_argument
@click.argument("arguments", metavar="[ARG]...", nargs=-1)
@click.option("--input", "given", type=click.File("rb"), metavar="FILE", help="The input, instead of stdin.")
@click.option("--fuel", type=int, metavar="N", help=f"Fuel allowed.  [default: {manifests.FUEL:,}]")
@click.option("--pages", type=int, metavar="N", help=f"Pages of 64 KiB allowed.  [default: {manifests.PAGES}]")
@click.option("--output", type=int, metavar="N", help=f"Bytes of output allowed.  [default: {limits.BLOB_BYTES:,}]")
@click.option("--engine", metavar="NAME", help="An engine of the container.  [default: the best there is]")
@click.option("--heap", "heap_bytes", callback=_heap, default="1wM", show_default=True, metavar="SIZE",
              help="The whole heap of the box, the agent's part included.")
@click.option("--seed", callback=_seed, default="00", show_default=True, metavar="HEX", help="What random bytes come from.")
@click.option("--deterministic/--no-deterministic", default=None,
              help="As in a manifest: fixed clock, canonical NaNs.  [default: deterministic]")
@manifest_option
@click.option("--stats", is_flag=True, help="Say on stderr what it took.")
@click.option("--profile", is_flag=True, help="Show on stderr which functions used the fuel.")
@format_option
def try_command(path, arguments, given, heap_bytes, engine, seed, deterministic, manifest, stats, profile, style, **given_limits):
    """Run a program as a box does, on MicroPython in a box's heap: stdin is its input, stdout its output.

    Exits with the program's own code; 134 trap, 124 out of fuel, 137 out of memory, 126 refused.
    Arguments that begin with a hyphen stand after `--`.
    """
    if profile and engine not in (None, "translated"):
        raise click.UsageError("--profile counts in the engine `translated`: leave --engine out")
    data = sources.read_file(path, "the program")
    allowed, default_arguments, by_manifest = workload(manifest, path)
    allowed.update({key: value for key, value in given_limits.items() if value is not None})
    manifests.job_limits(**allowed)
    manifests.check_arguments(arguments)
    asked = trial.request(
        data, read_input(given), **allowed, args=list(arguments or default_arguments), seed=seed.hex(),
        deterministic=by_manifest if deterministic is None else deterministic, engine=engine, profile=profile,
    )
    out = sys.stdout.buffer

    def write(piece):
        out.write(piece)
        out.flush()

    try:
        found = trial.hold(asked, heap_bytes, write)
    except KeyboardInterrupt:
        click.echo("cancelled: interrupted", err=True)
        raise SystemExit(verdict.CODES["cancelled"]) from None
    raise SystemExit(tell(path, found, heap_bytes, stats, style, program.Survey(data) if "profile" in found.report else None))


def read_input(file):
    """The bytes of the input, whole: of a file, or of stdin."""
    file = file or sys.stdin.buffer
    if file.isatty():
        click.echo("reading the input from the terminal; Ctrl-D ends it", err=True)
    data = file.read(sources.INPUT_BYTES + 1)
    if len(data) > limits.BLOB_BYTES:
        click.echo(
            f"Warning: the input has more than the {limits.BLOB_BYTES:,} bytes that a task may have; "
            "a workload's `split` cuts it", err=True,
        )
    return data


def tell(path, found, heap_bytes, stats, style, survey):
    """Says on stderr what came of a run; returns the exit code."""
    if found.kind == "engine":
        names = ", ".join(found.report["engines"])
        raise OperatorError("this machine has no such engine of the container", f"It has: {names}.")
    if not found.micropython:
        click.echo("Warning: " + verdict.NO_MICROPYTHON, err=True)
    report = found.report
    if style == "json":
        click.echo(results.as_json(verdict.stats(found, heap_bytes, survey)), err=True)
        return verdict.code(found)
    if found.kind == "refused":
        click.echo(f"Error: a box would refuse the program {path}: {found.reason}", err=True)
        click.echo("Hint: " + program.fix(found.reason), err=True)
        return verdict.code(found)
    errors = report.get("errors", "").encode("latin-1")
    if errors:
        stream = sys.stderr.buffer
        stream.write(errors if errors.endswith(b"\n") else errors + b"\n")
        stream.flush()
    if survey:
        click.echo("\n".join(verdict.profile_lines(found, survey)), err=True)
    if stats:
        click.echo(verdict.stats_line(found), err=True)
    elif found.kind != "ok":
        click.echo(verdict.line(found), err=True)
    return verdict.code(found)
