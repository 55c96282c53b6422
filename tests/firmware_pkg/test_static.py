"""The static executables: what they are, that the agent is in them whole, and that they run it."""

import re
import shutil
import struct
import subprocess
import sys

import pytest
from backfence.firmware_pkg import build, image, processors, static

# Built in CI; `make firmware` builds the others, by the same recipe, and `make
# firmware-twice` compares the bytes of two builds.
BUILT = ("amd64", "mips")
JOB = build.REPOSITORY / "tests/firmware_pkg/job_lines.py"
MODULES = (
    "array binascii cryptolib errno gc hashlib json math micropython os select socket struct sys time uctypes"
)


@pytest.fixture(scope="module", params=BUILT)
def executable(request):
    """(name, path of its executable), built if it is not there."""
    target = static.path_of(request.param)
    static.Workshop().executable(request.param, target)
    return request.param, target


def command(name, path):
    """How an executable is started here."""
    if name == "amd64":
        return [str(path)]
    emulator = f"qemu-{processors.named(name).emulator}-static"
    return [emulator, str(path)]


def run(executable, folder, *arguments):
    """Runs it in a folder, without any place of modules but its own."""
    return subprocess.run(
        [*command(*executable), "-X", "heapsize=2wM", *arguments], capture_output=True, text=True,
        cwd=folder, env={"PATH": "/usr/bin:/bin"}, timeout=120,
    )


def test_it_is_static_stripped_and_of_its_processor(executable):
    name, path = executable
    row = processors.named(name)
    data = path.read_bytes()
    order = ">" if data[5] == 2 else "<"
    assert (data[:4], data[4]) == (b"\x7fELF", row.bits // 32)
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    assert (kind, machine, order) == (2, row.machine, ">" if name == "mips" else "<")
    assert image.read(data).target == name  # what the operator's `backfence firmware` takes it for
    # No symbols, no debugging, no path of the machine that built it; nothing to load at its start.
    words = subprocess.run(["readelf", "-SlW", path], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"\.symtab|\.debug|\.dynamic\b|INTERP|DYNAMIC", words), words
    assert "GNU_STACK" not in words or not re.search(r"GNU_STACK.*RWE", words)
    assert str(build.REPOSITORY).encode() not in data
    assert len(data) <= 2_500_000


def test_every_module_of_the_agent_is_in_it(executable, tmp_path):
    names = []
    for source in build.sources():
        parts = ["backfence", *source.with_suffix("").parts]
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    names = [name for name in names if not name.endswith("__main__")]
    lines = [f"import {name}" for name in [*MODULES.split(), *names]]
    lines += ["import sys, os", "print(sys.path, os.mount is not None)"]
    done = run(executable, tmp_path, "-c", "\n".join(lines))
    assert (done.stdout, done.stderr) == ("['', '.frozen'] True\n", "")


def test_it_knows_its_release(executable, tmp_path):
    done = run(executable, tmp_path, "-c", "from backfence.agent.release import SEQUENCE; print(SEQUENCE)")
    assert (done.stdout, done.stderr) == (f"{build.epoch()}\n", "")


def test_a_traceback_names_file_and_line(executable, tmp_path):
    done = run(executable, tmp_path, "-c", "from backfence.agent.config import parse\nparse(None)")
    assert done.returncode == 1
    assert re.search(r'File "backfence/agent/config.py", line \d\d+, in parse', done.stderr), done.stderr


def test_it_starts_an_agent_that_makes_its_key(executable, tmp_path):
    (tmp_path / "agent.conf").write_text("listen = 127.0.0.1:7000\n")
    done = run(executable, "/", "-m", "backfence.agent", "--home", str(tmp_path))
    assert re.search(r"enrol this box, whose public key is [0-9a-f]{64}$", done.stderr.strip()), done.stderr
    assert (done.returncode, len((tmp_path / "box.key").read_bytes())) == (1, 32)


def test_its_cryptography_gives_the_published_values(executable, tmp_path):
    # FIPS 197, appendix C.1 and C.3; FIPS 180-4's "abc".
    code = """
from cryptolib import aes
from hashlib import sha256
block = bytes.fromhex("00112233445566778899aabbccddeeff")
print(aes(bytes(range(16)), 1).encrypt(block).hex())
print(aes(bytes(range(32)), 1).encrypt(block).hex())
print(sha256(b"abc").digest().hex())
"""
    assert run(executable, tmp_path, "-c", code).stdout.split() == [
        "69c4e0d86a7b0430d8cdb78070b4c55a",
        "8ea2b7ca516745bfeafc49904b496089",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ]


def test_jobs_come_out_as_on_cpython_with_the_same_fuel(executable, tmp_path):
    for name in ("nbody.wasm", "trap.wasm"):
        shutil.copy(build.REPOSITORY / "examples" / name, tmp_path)
    programs = sorted(path.name for path in tmp_path.iterdir())
    reference = subprocess.run(
        [sys.executable, JOB, *programs], capture_output=True, text=True, cwd=tmp_path, check=True
    ).stdout
    assert [line.split()[:2] for line in reference.splitlines()] == [["nbody.wasm", "ok"], ["trap.wasm", "ok"]]
    done = run(executable, tmp_path, str(JOB), *programs)
    assert done.stderr == ""
    engines = 1 if executable[0] == "mips" else 2  # the fixed machine wants a native emitter
    # What CPython did on its one engine, each engine here did alike.
    for line in reference.splitlines():
        assert done.stdout.splitlines().count(line) == engines, done.stdout


def test_what_is_missing_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert static.main(["mipsel"]) == 1
    assert capsys.readouterr().err == "Error: mipsel-linux-gnu-gcc is missing: install gcc-mipsel-linux-gnu\n"
    assert static.main(["vax"]) == 1
    assert capsys.readouterr().err.startswith("Error: there is no processor 'vax'; known: amd64 ")
