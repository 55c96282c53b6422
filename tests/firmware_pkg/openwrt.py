"""A root file system as OpenWrt's of one processor: busybox, MicroPython, and stand-ins for procd.

The shell and every command run on that processor, under qemu-user where it is not
this machine's.  No kernel support is asked for: each program of the other processor
has a script in its place that starts the emulator, by a static shell of this
machine's under /.host.  (Debian has no busybox for MIPS: there the shell is this
machine's, and MicroPython alone is emulated.)
"""

import os
import shutil
import subprocess
from pathlib import Path

from backfence.sim.live import interpreters

HERE = Path(__file__).parent
STAND_INS = HERE / "root"
# A box's commands: those of OpenWrt's busybox that our scripts and the stand-ins call.
COMMANDS = (
    "ash basename cat chgrp chmod chown cmp cp cut date env grep head kill ln ls mkdir mv pidof ps"
    " rm rmdir sed sh sleep sync test touch tr wc"
).split()
_NATIVE = "#!/.host/busybox sh\n"
_LOGGER = '#!/bin/sh\n# Stands in for logd: each line with its priority.\nwhile [ "${1#-}" != "$1" ]; do\n\tcase "$1" in -t | -p) shift ;; esac\n\tshift\ndone\nif [ $# = 0 ]; then cat; else echo "$*"; fi >> /tmp/log\n'


class Root:
    """The file system under `folder`; it is made anew."""

    def __init__(self, folder, processor="amd64"):
        self.folder = Path(folder)
        self.processor = processor
        self.emulated = processor in interpreters.EMULATED
        self.system = (interpreters.SYSROOTS / processor).resolve()
        subprocess.run(["cp", "-a", "--link", f"{self.system}/.", self._made(".")], check=True)
        for name in ("etc/config", "etc/rc.d", "etc/init.d", "tmp", "usr/lib/opkg/info", "sbin", "bin", ".host"):
            self._made(name)
        (self.folder / "dev").mkdir(exist_ok=True)
        (self.folder / "dev/null").touch()
        self._commands()
        shutil.copytree(STAND_INS, self.folder, dirs_exist_ok=True)
        self.write("bin/logger", _LOGGER, 0o755)
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/ash\n")
        self.write("etc/group", "root:x:0:\n")

    def _made(self, name):
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _commands(self):
        """bin/* and usr/bin/micropython, each started by the emulator if need be."""
        host = interpreters.SYSROOTS / "amd64/usr/bin/busybox"
        _link(host, self.folder / ".host/busybox")
        own = self.folder / "usr/bin/busybox"
        if self.emulated:
            _link(interpreters.emulator(self.processor), self.folder / ".host/qemu")
            self.emulate("usr/bin/micropython", '/usr/bin/micropython.real "$@"')
        if self.emulated and own.exists():
            self.emulate("usr/bin/busybox", '/usr/bin/busybox.real "${0##*/}" "$@"')
        for name in COMMANDS:
            self.folder.joinpath("bin", name).symlink_to("/usr/bin/busybox" if own.exists() else "/.host/busybox")

    def emulate(self, name, call):
        """Puts a script in a program's place that starts the emulator; `call` is its guest's command."""
        path = self.folder / name
        path.rename(f"{path}.real")
        self.write(name, f"{_NATIVE}exec /.host/qemu {call}\n", 0o755)

    def write(self, name, text, mode=0o644):
        """Writes a file anew; text or bytes."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # it may be a link into the sysroot
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)

    def read(self, name):
        """A file's text, empty if there is none."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def run(self, *command, **variables):
        """Runs a command in this root; the finished process, its output as text in stdout."""
        return subprocess.run(
            [*chroot(self.folder), *command], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240,
            env={"PATH": "/usr/bin:/bin:/sbin", **variables},
        )

    def service(self, command):
        """Calls the init script: (what it told procd as lists of words, the process)."""
        self.write("tmp/procd.log", "")
        run = self.run("/etc/init.d/backfence", command)
        return [line.split("\t") for line in self.read("tmp/procd.log").splitlines()], run

    def paths(self):
        """The path of every file and folder, relative."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


def as_root(program):
    """The words that run a program of the administrator's as root, or as root of a name space of its own."""
    words = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, f"{program} is missing"
    return [*words, path]


def chroot(folder):
    """The words before a command that is to run with `folder` as its root."""
    return [*as_root("chroot"), folder]


def _link(source, target):
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copy(source, target)  # another file system


def parameters(calls):
    """{name: words} of procd_set_param."""
    return {words[1]: words[2:] for words in calls if words[0] == "set_param"}
