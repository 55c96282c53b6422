"""The package unpacked into emulated roots: its modules load on each processor."""

import subprocess

import interpreters
import pytest
from backfence.firmware_pkg import build

ROOTS = ["amd64", "armhf", "s390x", "mips"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulated")
    return build.package(folder / "out", folder / "work")


def install(package, root):
    """Unpacks a package as opkg does, by the system's own tar."""
    subprocess.run(["tar", "-xzf", package, "-C", root, "./data.tar.gz"], check=True)
    subprocess.run(["tar", "-xzf", root / "data.tar.gz", "-C", root], check=True)
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
