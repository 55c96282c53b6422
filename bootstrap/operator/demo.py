"""`make run`: a whole Backfence on this machine, with a job, a disaster and a check.

This file reads the knobs and keeps house: one run at a time, an empty run
directory, no process left behind, one clear line if it fails.  What happens in
between is told in story.py.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys

import click

from . import broker as brokers
from . import text
from .errors import OperatorError
from .story import Story
from .view import open_view

AGENTS, SEATS, KILLS = 16, 8, 2
AGENTS_MAX = 64  # processes of one machine; more is the simulator's business
SEATS_MIN = 3  # less is a ring in name only
# MicroPython compiles the agent's sources when it starts; with the job's page,
# its code and the tables of a box that is a door this is enough with a margin.
HEAP_KB = 2048
HEAP_KB_RANGE = (512, 65536)
RUN_DIRECTORY = os.path.join("build", "run")
MARK = ".backfence-run"  # only a directory with this mark is ever emptied


class Knobs:
    """What can be set, checked.  Raises OperatorError with one clear line.

    agents, seats, kills, heap_kb -- text of a number, or None for the default;
    input, broker -- text or None
    """

    def __init__(self, agents=None, seats=None, input=None, broker=None, kills=None, heap_kb=None):
        self.kills = number("KILLS", kills, KILLS, 0, AGENTS_MAX)
        self.seats = number("SEATS", seats, SEATS, SEATS_MIN, AGENTS_MAX)
        self.agents = number("AGENTS", agents, AGENTS, SEATS_MIN, AGENTS_MAX)
        self.heap_kb = number("HEAP_KB", heap_kb, HEAP_KB, *HEAP_KB_RANGE)
        self.input = input or None
        self.broker = broker or None
        if self.kills >= self.seats:
            raise OperatorError(f"KILLS={self.kills} leaves nothing of SEATS={self.seats}; kill fewer")
        if self.agents < self.seats + self.kills:
            raise OperatorError(
                f"AGENTS={self.agents} are too few: SEATS={self.seats} and {self.kills} agents to lose "
                f"need at least {self.seats + self.kills}"
            )


def number(name, value, default, least, most):
    """The number in a knob's text, or its default if it is empty; OperatorError if it is out of range."""
    if value is None or value == "":
        return default
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise OperatorError(f"{name}={value} is not a number from {least} to {most}")
    return int(value)


@click.command("demo")
@click.option("--agents", metavar="N", help=f"agents to start (default {AGENTS})")
@click.option("--seats", metavar="N", help=f"seats of the slice (default {SEATS})")
@click.option("--input", metavar="FILE", help="text to count (default: 1.2 MB of Python's documentation)")
@click.option("--broker", metavar="HOST:PORT", help="a broker that runs already (default: an embedded one)")
@click.option("--kills", metavar="N", help=f"agents to kill -9 in mid-run (default {KILLS})")
@click.option("--heap-kb", metavar="KB", help=f"hard heap of each agent (default {HEAP_KB})")
@click.option("--run-dir", metavar="DIR", default=RUN_DIRECTORY, help=f"where the run is kept (default {RUN_DIRECTORY})")
@click.option("--no-live", is_flag=True, help="plain lines instead of a live picture")
def demo(agents, seats, input, broker, kills, heap_kb, run_dir, no_live):
    """Run a fleet, a job and a disaster on this machine, and check the result."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        knobs = Knobs(agents, seats, input, broker, kills, heap_kb)
        data = text.load(knobs.input) if knobs.input else None
        outside = brokers.external(knobs.broker) if knobs.broker else None
        with run_directory(run_dir):
            run(knobs, data, outside, run_dir, not no_live)
    except OperatorError as error:
        fail(error.message + (f". {error.hint}" if error.hint else ""))
    except KeyboardInterrupt:
        fail("interrupted; all processes of the run are ended", 130)


def run(knobs, data, outside, run_dir, live):
    """One run in an empty directory; leaves report.json there.  Raises OperatorError if it was not a good one."""
    view = open_view(live)
    story = Story(knobs, run_dir, view)
    try:
        story.tell(data, outside)
    except OperatorError as error:
        raise OperatorError(f"{error.message}; logs are in {run_dir}", error.hint) from None
    finally:
        # Another Ctrl-C must not leave half of the fleet behind.
        with uninterrupted():
            view.close()
            story.clean_up()
    story.print_result()


def fail(line, code=1):
    """One line on stderr and the end."""
    print("Error: " + " ".join(line.split()), file=sys.stderr)
    sys.exit(code)


def _interrupt(_number, _frame):
    raise KeyboardInterrupt


@contextlib.contextmanager
def uninterrupted():
    """Signals that would interrupt us are ignored until this is over."""
    # Blocking them would not do: another thread would take them and hand them to us.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def run_directory(path):
    """An empty directory for one run, ours alone until it ends.

    What an earlier run left is removed; a directory that is not of a run is
    refused.  Raises OperatorError.
    """
    try:
        os.makedirs(path, exist_ok=True)
        with open(path.rstrip(os.sep) + ".lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OperatorError(f"another run is using {path}; let it end first") from None
            _empty(path)
            # The run's signing key ends with it, and so does its witness (witness.py).
            home = os.environ.get("XDG_STATE_HOME", "")
            os.environ["XDG_STATE_HOME"] = os.path.abspath(os.path.join(path, "state"))
            try:
                yield
            finally:
                os.environ["XDG_STATE_HOME"] = home
    except OSError as error:
        raise OperatorError(f"cannot use {path}: {error.strerror or error}") from None


def _empty(path):
    names = os.listdir(path)
    if names and MARK not in names:
        raise OperatorError(f"{path} holds other things than a run; name another directory")
    for name in names:
        full = os.path.join(path, name)
        if os.path.isdir(full) and not os.path.islink(full):
            shutil.rmtree(full)
        elif name != MARK:
            os.remove(full)
    with open(os.path.join(path, MARK), "w"):
        pass


if __name__ == "__main__":
    demo(prog_name="make run")
