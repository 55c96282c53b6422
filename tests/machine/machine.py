"""The machine: qemu's "virt" board with an ARM Cortex-A15, switched on and pulled.

A boot takes many seconds, most of them the kernel's own.  So it is done once for each
kernel and memory size, up to where init waits to be told to go on, and qemu's state is
saved there; each power_on() goes on from that state.  No disk was touched before it, no
driver of a disk loaded, and the kernel had gathered no randomness.
"""

import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from backfence.bootstrap.operator.lab import Child

from . import initramfs

QEMU = "qemu-system-arm"
# Longer than any step took on a busy machine with two cores.
LIMIT_S = 180
BOARD = ("-M", "virt,dtb-randomness=off,highmem=off", "-cpu", "cortex-a15", "-nodefaults", "-display", "none", "-no-reboot")
COMMAND_LINE = "console=ttyAMA0 panic=-1 loglevel=4 random.trust_cpu=off"
POLL_S = 0.02


class MachineError(Exception):
    """The machine did not do what was asked in time; the text ends with its last words."""


class Machine:
    """One emulated machine.

    folder: of parts.provide(); rom: path of a read-only ext4 image, mounted at /rom;
    disk: disk.Disk, the guest's /dev/vda; work: a folder for its sockets and logs.
    console: all that it said since power_on() (bytes); its service may write to /dev/hvc0,
    which is the file `log`.  capture: keep what goes over its network in the file of that
    name (pcap).
    """

    def __init__(self, folder, rom, disk, work, memory_mb=64, capture=False):
        self.folder = Path(folder)
        self.rom = rom
        self.disk = disk
        self.work = Path(work)
        self.memory_mb = memory_mb
        self.log = self.work / "service.log"
        self.capture = self.work / "net.pcap" if capture else None
        self.console = b""
        self.process = None
        self._commands = 0

    def power_on(self, now_s=None):
        """Start it with its clock at now_s (Unix seconds; the host's time), until a shell answers."""
        state, initrd = saved_state(self.folder, self.memory_mb)
        with tempfile.TemporaryDirectory() as sockets:  # a socket's path must be short
            self.disk.path = f"{sockets}/disk"
            self.disk.power_on()
            self.disk.serve()
            drive = f"driver=nbd,node-name=disk,server.type=unix,server.path={self.disk.path}"
            command = _command(self.folder, initrd, self.memory_mb, drive, self.rom, self.log, f"{sockets}/qmp")
            if self.capture:
                self.capture.unlink(missing_ok=True)
                command += ["-object", f"filter-dump,id=capture,netdev=net,file={self.capture}"]
            self._start([*command, "-incoming", f"exec:cat {state}"])
            control = Control(f"{sockets}/qmp")
            control.wait("paused")
            control.ask("cont")
        self.tell(str(int(time.time() if now_s is None else now_s)))
        self.wait_for(b"STARTED\n")

    def _start(self, command):
        self.console = b""
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0,
            preexec_fn=Child(0),  # it does not outlive the thread that started it
        )
        os.set_blocking(self.process.stdout.fileno(), False)

    def tell(self, line):
        """Type a line (str)."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def listen(self, seconds):
        """Take in what it says, for at most so long; False if it is off."""
        if select.select([self.process.stdout], [], [], seconds)[0]:
            some = self.process.stdout.read()
            if some == b"":
                return False
            self.console += some or b""
        return True

    def wait_for(self, words, limit_s=LIMIT_S, start=0):
        """Wait until it says `words` (bytes) after `start` of its console; MachineError if it does not."""
        end = time.monotonic() + limit_s
        while words not in self.console[start:]:
            if self.disk.dead.is_set():
                raise MachineError("its power was cut")
            if not self.listen(POLL_S) or time.monotonic() > end:
                raise MachineError(f"never said {words!r}: {self.last_words()}")

    def run(self, command, limit_s=LIMIT_S):
        """What a shell command prints (str), run on the console.  MachineError if it does not end."""
        self._commands += 1
        mark = f"@@{self._commands}@@"
        start = len(self.console)
        self.tell(f"{command}; echo '{mark[:3]}''{mark[3:]}'")
        self.wait_for(mark.encode() + b"\n", limit_s, start)
        text = self.console[start:].decode(errors="replace")
        return text[: text.index(mark)]

    def last_words(self, lines=6):
        """The end of what it said, for a person."""
        text = self.console.decode(errors="replace")
        return " | ".join(re.sub(r"\s+", " ", line) for line in text.splitlines()[-lines:])

    def pull(self):
        """The power goes: the disk answers nothing any more, the machine is no more.

        What the disk's cache loses is Disk.power_off()'s, before or after.
        """
        self.disk.dead.set()
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


class Control:
    """qemu's own console (QMP) on a Unix socket."""

    def __init__(self, path, limit_s=LIMIT_S):
        end = time.monotonic() + limit_s
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > end:
                    raise MachineError("qemu did not start") from None
                time.sleep(POLL_S)
        self.socket.settimeout(limit_s)
        self.lines = self.socket.makefile("r")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        """The answer to one command.  MachineError if it is refused."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.lines.readline() or '{"error": {"desc": "qemu ended"}}')
            if "error" in answer:
                raise MachineError(f"qemu refused {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def wait(self, status, question="query-status", limit_s=LIMIT_S):
        """Wait until qemu says that it is, or its saving is, in `status`."""
        end = time.monotonic() + limit_s
        while self.ask(question).get("status") != status:
            if time.monotonic() > end:
                raise MachineError(f"qemu was never {status}")
            time.sleep(POLL_S)


def _command(folder, initrd, memory_mb, drive, rom, log, control):
    """qemu's command line; the devices are the same, in the same order, in every run."""
    return [
        qemu(), *BOARD, "-m", str(memory_mb), "-kernel", str(folder / "kernel"), "-initrd", str(initrd),
        "-append", COMMAND_LINE,
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
        "-chardev", f"file,id=log,path={log},append=on", "-device", "virtio-serial-pci",
        "-device", "virtconsole,chardev=log",
        "-blockdev", drive, "-device", "virtio-blk-pci,drive=disk",
        "-blockdev", f"driver=file,node-name=rom,filename={rom},read-only=on", "-device", "virtio-blk-pci,drive=rom",
        "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", "virtio-rng-pci",
        "-qmp", f"unix:{control},server=on,wait=off",
    ]


def qemu():
    """The emulator's path.  MachineError if there is none."""
    found = shutil.which(QEMU)
    if found is None:
        raise MachineError(f"{QEMU} is missing: install Debian's package of that name")
    return found


def saved_state(folder, memory_mb):
    """(path of the machine's state at READY, path of its initramfs), made at the first call."""
    image = initramfs.build(folder)
    version = subprocess.run([qemu(), "--version"], capture_output=True, check=True).stdout
    command = repr(_command(folder, "", memory_mb, "", "", "", ""))
    key = hashlib.sha256(b"\0".join((image, version, command.encode()))).hexdigest()[:16]
    state, initrd = (Path(folder) / f"boot-{memory_mb}-{key}{suffix}" for suffix in (".state", ".cpio"))
    with (Path(folder) / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not state.exists():
            for old in Path(folder).glob(f"boot-{memory_mb}-*"):
                old.unlink()
            initrd.write_bytes(image)
            _save_state(Path(folder), initrd, memory_mb, state)
    return state, initrd


def _save_state(folder, initrd, memory_mb, state):
    print(f"machine: booting once with {memory_mb} MB", flush=True)
    with tempfile.TemporaryDirectory() as work:
        rom = Path(work) / "rom"
        rom.write_bytes(bytes(4096))
        machine = Machine(folder, rom, Nothing(), work, memory_mb)
        drive = "driver=null-co,node-name=disk,size=1048576"
        machine._start(_command(folder, initrd, memory_mb, drive, rom, f"{work}/log", f"{work}/qmp"))
        try:
            machine.wait_for(b"READY\n")
            if b"crng init done" in machine.console:
                raise MachineError("the kernel had its randomness before READY: all boots would share it")
            control = Control(f"{work}/qmp")
            control.ask("stop")
            part = state.with_suffix(".part")
            control.ask("migrate", uri=f"exec:cat > {part}")
            control.wait("completed", "query-migrate")
            part.rename(state)
        finally:
            machine.pull()


class Nothing:
    """No disk: for the machine that is only booted once."""

    def __init__(self):
        self.dead = threading.Event()
