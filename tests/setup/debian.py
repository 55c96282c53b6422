"""Installs the Debian packages that the tests need and the machine lacks.

    debian.py [machine | firmware | qemu | hosts | bench-box]

With `machine`: what `make powercut` needs, with `firmware`: `make firmware`, with `qemu`:
`make test-qemu`, with `hosts`: `make hosts`, with `bench-box`: `make bench-box`, and no more.  Uses the
machine's own package sources.  Needs root only if something is missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from backfence.firmware_pkg import processors

BUILD = Path(__file__).resolve().parent.parent.parent / "build"

PACKAGES = {
    "mosquitto": "a second MQTT broker beside the embedded one",
    "mosquitto-clients": "a client that knows nothing of us",
    "iproute2": "hosts as network namespaces, networks of their own for agents",
    "qemu-user-static": "the other processors",
    "faketime": "boxes without a clock",
    "clang": "C programs to WebAssembly",
    "lld": "their linker",
    "wasi-libc": "their C library",
    "libclang-rt-dev-wasm32": "their compiler's run-time library",
    "binaryen": "random modules as compilers write them, for make fuzz",
    "debian-archive-keyring": "the signatures of the sysroots' packages",
    "gcc": "the static executable for x86-64",
    "gcc-mips-linux-gnu": "the one for MIPS, and its interpreter, which Debian no longer has",
    "bzip2": "unpacking their sources",
    "xz-utils": "unpacking their sources",
    "signify-openbsd": "the judge of the feed's signature",
    "shellcheck": "the boxes' scripts",
    "shfmt": "their form, as OpenWrt wants it",
    "systemd": "the judge of the lab's unit",
    "wabt": "WebAssembly's own tests, from text to modules",
}

# For `make powercut` alone: CI does not run it.
MACHINE = {
    "qemu-system-arm": "the whole machine",
    "e2fsprogs": "its disks, made and read from outside",
    "mosquitto": "the fleet's broker",
    "gcc-arm-linux-gnueabihf": "the static executable",
    "bzip2": "unpacking its sources",
    "xz-utils": "unpacking its sources",
    "debian-archive-keyring": "the signatures of its kernel's packages",
}

# For `make firmware`: CI builds for two of the processors.
FIRMWARE = {
    **{named.package(): f"the static executable for {named.name}" for named in processors.PROCESSORS.values()},
    "bzip2": "unpacking their sources",
    "xz-utils": "unpacking their sources",
    "debian-archive-keyring": "the signatures of those",
}
# For `make test-qemu`: two of its seven processors are compiled for.
QEMU = {
    "qemu-user-static": "the other processors",
    "mosquitto": "the mixed fleet's broker",
    "gcc-mips-linux-gnu": "the interpreter for MIPS, which Debian no longer has",
    "gcc-mipsel-linux-gnu": "the same in the other byte order",
    "bzip2": "unpacking their sources",
    "xz-utils": "unpacking their sources",
    "debian-archive-keyring": "the signatures of the sysroots' packages",
}
# For `make bench-box` and `make bench-speech`.
BENCH_BOX = {
    "valgrind": "the count of instructions of make bench-speech",
    "libsodium23": "the ladder that is compared there",
    "qemu-user": "a processor whose instructions a plugin counts",
    "gcc": "that plugin",
    "gcc-mips-linux-gnu": "the interpreter for MIPS",
    "bzip2": "unpacking its sources",
    "xz-utils": "unpacking its sources",
    "debian-archive-keyring": "the signatures of the sysroots' packages",
}
# For `make hosts`: its NATs and counters beside what the cheap ones of `make test` need.
HOSTS = {
    "faketime": "boxes without a clock",
    "iproute2": "hosts as network namespaces",
    "nftables": "their NATs, and counters of what passes",
    "conntrack": "what a NAT remembers",
    "mosquitto": "the fleet's broker",
    "qemu-user-static": "boxes of other processors",
    "gcc-mips-linux-gnu": "the interpreter for one of them",
    "bzip2": "unpacking its sources",
    "xz-utils": "unpacking its sources",
    "debian-archive-keyring": "the signatures of its packages",
}
GROUPS = {(): PACKAGES, ("machine",): MACHINE, ("firmware",): FIRMWARE, ("qemu",): QEMU, ("hosts",): HOSTS, ("bench-box",): BENCH_BOX}


def missing(packages):
    """Those of the packages, a dict by name, that are not installed, in order."""
    query = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages],
        capture_output=True, text=True,
    )
    installed = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in packages if name not in installed]


def install(names):
    """Installs packages by apt-get, its own words kept in build/debian.log."""
    print("Installing Debian packages:", *names, flush=True)
    log = BUILD / "debian.log"
    log.parent.mkdir(exist_ok=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = ["apt-get", "-o", "Acquire::Retries=3", "-q", "-y"]
    with log.open("wb") as output:
        for rest in (["update"], ["install", "--no-install-recommends", *names]):
            run = subprocess.run(
                [*command, *rest], env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
            if run.returncode and rest != ["update"]:  # one dead source need not matter
                tail = log.read_text(errors="replace").splitlines()[-5:]
                sys.exit("\n".join([f"Error: apt-get {rest[0]} failed; {log} ends:", *tail]))


def main():
    """Installs what is missing, or says in one line what a person must install."""
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        sys.exit("Error: this needs Debian (or Ubuntu): apt-get is not here")
    packages = GROUPS.get(tuple(sys.argv[1:]))
    if packages is None:
        print("usage: debian.py [machine | firmware | qemu | hosts | bench-box]", file=sys.stderr)
        sys.exit(2)
    names = missing(packages)
    if not names:
        return
    if os.geteuid() != 0:
        sys.exit("Error: these packages are needed; install them: sudo apt-get install " + " ".join(names))
    install(names)
    if missing(packages):
        sys.exit("Error: apt-get succeeded, but these are still missing: " + " ".join(missing(packages)))


if __name__ == "__main__":
    main()
