"""A fleet on one machine: every agent a process of its own, with a home of its own.

`choose_interpreter()` finds a real MicroPython; `Lab` starts the agents on it,
reads their status files, kills them, and leaves no process behind.
"""

import ctypes
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import backfence

from .errors import OperatorError

MICROPYTHON_MIN = (1, 23)  # what OpenWrt 24.10 ships
PROBE_TIMEOUT_S = 20
STOP_TIMEOUT_S = 4
KILL_TIMEOUT_S = 60  # nothing outlives SIGKILL for long, unless the kernel holds it
POLL_S = 0.01
PORT_TRIES = 64
STATUS_MAX_BYTES = 65536  # a status of the largest view and seat tables is some 8 KB

_PROBE = (
    "import sys, select, socket, hashlib, json, struct, os, time;"
    "select.poll(); hashlib.sha256();"
    "print(sys.implementation[0], *sys.implementation[1])"
)


class LabError(OperatorError):
    """Something of the lab failed; the text is one clear line for a person."""


class Interpreter:
    """What the agents run on.

    command -- argv prefix, list of str; name -- for people, e.g. "MicroPython 1.25.0"
    micropython -- False if it is CPython
    """

    def __init__(self, command, name, micropython):
        self.command = command
        self.name = name
        self.micropython = micropython

    def argv(self, module, heap_bytes):
        """How to run `module` with a hard heap (CPython has none to set)."""
        heap = ["-X", "heapsize=%d" % heap_bytes] if self.micropython else []
        return self.command + heap + ["-m", module]


def choose_interpreter(path=None, venv=None):
    """A MicroPython of version 1.23 or later: on PATH, else beside our Python; else CPython.

    path -- a PATH to search instead of the environment's; venv -- a folder of
    executables instead of the one of this Python.
    """
    venv = os.path.dirname(sys.executable) if venv is None else venv
    for folder in (path, venv):
        found = shutil.which("micropython", path=folder)
        name = _probe(found) if found else None
        if name:
            return Interpreter([found], name, True)
    return Interpreter([sys.executable], "CPython %s" % platform.python_version(), False)


def _probe(executable):
    try:
        done = subprocess.run(
            [executable, "-X", "heapsize=256k", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.decode("utf-8", "replace").split()
    if done.returncode or len(words) < 4 or words[0] != "micropython" or not (words[1] + words[2]).isdigit():
        return None
    if (int(words[1]), int(words[2])) < MICROPYTHON_MIN:
        return None
    return "MicroPython %s" % ".".join(words[1:4]) + "".join("-" + word for word in words[4:] if word)


def free_ports(count):
    """The first of `count` UDP ports in a row that are free on 127.0.0.1 now.  Raises LabError."""
    # Below the range from which systems give out ports of their own accord.
    for _ in range(PORT_TRIES):
        first = random.randrange(10000, 32000 - count)
        if all_free(first, count):
            return first
    raise LabError("found no %d free UDP ports in a row on 127.0.0.1" % count)


def all_free(first, count):
    """Whether nobody listens on the `count` UDP ports from `first` of 127.0.0.1."""
    sockets = []
    try:
        for port in range(first, first + count):
            sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sockets[-1].bind(("127.0.0.1", port))
        return True
    except OSError:
        return False
    finally:
        for one in sockets:
            one.close()


class Process:
    """One process of the lab.  name -- str; home -- its folder; log -- path of its output"""

    def __init__(self, name, home, log, popen):
        self.name = name
        self.home = home
        self.log = log
        self.popen = popen
        self.killed = False  # by us, with kill -9

    @property
    def pid(self):
        return self.popen.pid

    @property
    def code(self):
        """The exit code, below 0 for a signal; None while the process runs.

        Popen's own poll and wait take a lock, and where Ctrl-C interrupts them between
        that and their `try`, they wait for it for ever.
        """
        if self.popen.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 0  # Ctrl-C came before we could note its code
            if pid:
                self.popen.returncode = os.waitstatus_to_exitcode(status)
        return self.popen.returncode

    def alive(self):
        return self.code is None

    def gone(self, timeout_s):
        """Waits for the end of the process; True if it came in time."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def send(self, number):
        """Send it a signal, unless it is gone."""
        if self.alive():
            os.kill(self.pid, number)

    def status(self):
        """The last status file as a dict; None while there is none."""
        try:
            with open(os.path.join(self.home, "status.json"), "rb") as source:
                return json.loads(source.read(STATUS_MAX_BYTES))
        except (OSError, ValueError):
            return None

    def status_age_s(self):
        """Seconds since the status file was written; None while there is none."""
        try:
            return max(0.0, time.time() - os.stat(os.path.join(self.home, "status.json")).st_mtime)
        except OSError:
            return None

    def kill(self):
        """kill -9, and wait until the process is gone."""
        self.killed = True
        self.send(signal.SIGKILL)
        self.gone(KILL_TIMEOUT_S)


class Lab:
    """Starts and ends processes below the folder `root`, which it makes.

    interpreter -- Interpreter; heap_bytes -- of each agent, int
    package -- what the agents import as `backfence`, a folder; by default this package
    """

    def __init__(self, root, interpreter, heap_bytes, package=None):
        self.root = root
        self.interpreter = interpreter
        self.heap_bytes = heap_bytes
        self.agents = []
        self.others = []
        self.path = os.path.join(root, "path")
        os.makedirs(self.path, exist_ok=True)
        # MicroPython finds the package through a link: the repository's folder
        # may have any name.
        link = os.path.join(self.path, "backfence")
        if not os.path.islink(link):
            os.symlink(package or os.path.dirname(os.path.abspath(backfence.__file__)), link)

    def start_agent(self, name, home, interpreter=None, heap_bytes=None):
        """Start the agent of the box whose home is `home`, on another interpreter than the lab's if one is given.

        Returns its Process.
        """
        argv = (interpreter or self.interpreter).argv("backfence.agent", heap_bytes or self.heap_bytes)
        argv = argv + ["--home", home]
        process = self._start(name, home, argv, niceness=5)
        self.agents.append(process)
        return process

    def start_python(self, name, arguments):
        """Start `python -m ...` with the arguments, a list of str.  Returns its Process."""
        process = self._start(name, self.root, [sys.executable, "-m"] + arguments, niceness=0)
        self.others.append(process)
        return process

    def _start(self, name, home, argv, niceness):
        environment = dict(os.environ)
        if argv[0] != sys.executable:
            environment["MICROPYPATH"] = ".frozen:" + os.path.abspath(self.path)
        log = os.path.join(home, name + ".log")
        with open(log, "ab") as sink:
            try:
                popen = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is ours to handle, not theirs
                    preexec_fn=Child(niceness),
                )
            except OSError as error:
                raise LabError("%s does not start: %s" % (argv[0], error.strerror)) from None
        return Process(name, home, log, popen)

    def living(self):
        """The agents that run."""
        return [agent for agent in self.agents if agent.alive()]

    def statuses(self):
        """The status dicts of the agents that run and have written one."""
        read = [agent.status() for agent in self.living()]
        return [status for status in read if status is not None]

    def check(self):
        """Raises LabError if an agent ended that we did not end, with the last line it wrote."""
        for agent in self.agents:
            if not agent.killed and not agent.alive():
                raise LabError(
                    "agent %s ended with code %d: %s (log: %s)"
                    % (agent.name, agent.code, last_line(agent.log), agent.log)
                )

    def stop(self, process):
        """End one process with SIGTERM, and SIGKILL if it does not listen.  Returns True if it is gone."""
        stop_all([process])
        return not process.alive()

    def stop_everything(self):
        """End all processes, whatever state they are in."""
        stop_all(self.agents + self.others)


def stop_all(processes):
    """SIGTERM to all at once, then SIGKILL to those that are still there after STOP_TIMEOUT_S."""
    running = [process for process in processes if process.alive()]
    for process in running:
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for process in running:
        if not process.gone(deadline - time.monotonic()):
            process.send(signal.SIGKILL)
            process.gone(KILL_TIMEOUT_S)


def last_line(log):
    """The last line in a log that says something; "no output" if there is none."""
    try:
        with open(log, "rb") as source:
            source.seek(max(0, os.path.getsize(log) - 4096))
            lines = source.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "no output")


class Child:
    """Runs in the child between fork and exec: it only makes system calls prepared before."""

    def __init__(self, niceness):
        self.niceness = niceness
        self.parent = os.getpid()
        try:
            self.prctl = ctypes.CDLL(None).prctl
        except (OSError, AttributeError):  # not Linux
            self.prctl = None

    def __call__(self):
        os.nice(self.niceness)
        if self.prctl is not None:
            # PR_SET_PDEATHSIG: if the demonstration itself is killed with -9,
            # its fleet does not live on.
            self.prctl(1, signal.SIGKILL)
            if os.getppid() != self.parent:
                os._exit(1)
