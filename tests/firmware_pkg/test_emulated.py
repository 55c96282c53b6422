"""The package's bytecode on emulated processors: every module loads, and another version does not."""

import subprocess
import tarfile

import pytest
from backfence.firmware_pkg import build, openwrt
from backfence.sim.live import interpreters

EPOCH = 1_700_000_000


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A folder with what the package puts below /, unpacked by tar; the modules' own."""
    folder = tmp_path_factory.mktemp("emulated")
    package = openwrt.package(folder / "out", openwrt.modules(folder / "work", EPOCH), EPOCH)
    subprocess.run(["tar", "-xzf", package, "-C", folder, "./data.tar.gz"], check=True)
    with tarfile.open(folder / "data.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / build.LIBRARY


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


# The other processors load the same bytes in all portable tests.
@pytest.mark.parametrize("name", ["micropython", "amd64", "armhf"])
def test_every_module_loads_from_bytecode(library, name):
    assert not list(library.rglob("*.py"))
    names = list(module_names())
    lines = [f"import {module}" for module in names]
    run = run_on(name, library, "-c", "\n".join([*lines, "print('loaded', %d)" % len(names)]))
    assert (run.stdout, run.stderr) == (f"loaded {len(names)}\n", "")


@pytest.mark.parametrize("name", ["amd64", "armhf", "mips"])
def test_the_interpreters_refuse_bytecode_of_another_version(library, tmp_path, name):
    module = tmp_path / "older.mpy"
    module.write_bytes(b"M\x05" + (library / "backfence/agent/errors.mpy").read_bytes()[2:])
    run = run_on(name, tmp_path, "-c", "import older")
    assert run.returncode != 0 and "incompatible .mpy file" in run.stdout + run.stderr
