"""The package on emulated processors: its modules load, and its service runs."""

import json
import re
import shutil
import signal
import socket
import subprocess
import time

import interpreters
import pytest
from backfence.bootstrap.operator import enrol, fleet
from backfence.firmware_pkg import build
from openwrt import call, make_box, parameters

ROOTS = ["amd64", "armhf", "s390x", "mips"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulated")
    return build.package(folder / "out", folder / "work")


def install(package, root):
    """Unpacks a package as opkg does, by the system's own tar."""
    subprocess.run(["tar", "-xzf", package, "-C", root, "./data.tar.gz"], check=True)
    # A sysroot's /lib is a link, OpenWrt's a folder: it must stay what it is.
    keep = "--keep-directory-symlink"
    subprocess.run(["tar", keep, "-xzf", root / "data.tar.gz", "-C", root], check=True)
    (root / "data.tar.gz").unlink()


def module_names():
    """The dotted names of the agent's modules; __main__ would start it."""
    for source in build.sources():
        parts = ["backfence", *source.with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        if parts[-1] != "__main__":
            yield ".".join(parts)


def run_on(name, library, *arguments):
    """Runs an interpreter with `library` as its only module path beside the frozen ones."""
    found = interpreters.find(name)
    return subprocess.run(
        found.arguments(*arguments), capture_output=True, text=True, timeout=120, cwd=library,
        env=dict(found.environment, MICROPYPATH=f".frozen:{library}"),
    )


@pytest.mark.parametrize("name", ["micropython", *ROOTS])
def test_every_module_loads_from_bytecode(package, tmp_path, name):
    install(package, tmp_path)
    library = tmp_path / build.LIBRARY
    assert not list(library.rglob("*.py"))
    names = list(module_names())
    lines = [f"import {module}" for module in names]
    run = run_on(name, library, "-c", "\n".join([*lines, "print('loaded', %d)" % len(names)]))
    assert (run.stdout, run.stderr) == (f"loaded {len(names)}\n", "")


@pytest.mark.parametrize("name", ROOTS)
def test_the_interpreters_refuse_bytecode_of_another_version(package, tmp_path, name):
    install(package, tmp_path)
    module = tmp_path / build.LIBRARY / "backfence/agent/errors.mpy"
    module.write_bytes(b"M\x05" + module.read_bytes()[2:])
    run = run_on(name, module.parent.parent.parent, "-c", "import backfence.agent.errors")
    assert run.returncode != 0 and "incompatible .mpy file" in run.stdout + run.stderr


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    return fleet.create(str(tmp_path_factory.mktemp("fleet") / "fleet"), width=4)


def wait_for(path, process, limit_s=100):
    """The JSON of a file that a process is about to write."""
    end = time.monotonic() + limit_s
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f"no {path.name} after {limit_s} s"
        time.sleep(0.1)
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", ROOTS)
def test_a_fresh_box_says_its_key_is_enrolled_and_starts(package, operator, tmp_path, name):
    root, box = tmp_path / "emulated", tmp_path / "box"
    shutil.copytree(interpreters.SYSROOTS / name, root, symlinks=True)
    install(package, root)
    box.mkdir()
    make_box(box)
    # The command that stands where the box has MicroPython, in this root.
    found = interpreters.find(name, root)
    program = box / "micropython"
    program.write_text("#!/bin/sh\nMICROPYPATH=.frozen:%s exec %s \"$@\"\n" % (
        root / build.LIBRARY, " ".join(found.command)))
    program.chmod(0o755)
    options = "option listen '127.0.0.1:%d'\noption status_ms '200'\n" % free_port()

    calls, status = call(box, options=options, address="127.0.0.1", program=program)
    assert status == 1
    said = "\n".join("\t".join(words) for words in calls)
    key = re.search(r"whose public key is ([0-9a-f]{64})$", said, re.M)
    assert key, said
    assert (box / "home/box.key").stat().st_mode & 0o777 == 0o600

    [taken] = enrol.take(operator, [bytes.fromhex(key[1])], str(tmp_path / "enrolled"))
    shutil.copy(f"{taken.home}/trust.cbor", box / "home/trust.cbor")
    calls, status = call(box, address="127.0.0.1", program=program)
    assert status == 0
    process = subprocess.Popen(
        parameters(calls)["command"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
    )
    try:
        assert wait_for(box / "home/status.json", process)["id"] == taken.id.hex()
        if name == "mips":  # without foreign functions it cannot see a signal
            (box / "home/stop").touch()
        else:
            process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (0, "")
    finally:
        process.kill()
        process.wait()


def free_port():
    """A UDP port of the loopback interface that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
