"""The project keeps its house rules."""

import subprocess
import tomllib

import house
import pytest

from backfence.sim.live.interpreters import REPOSITORY

ROOMS = ("agent", "bootstrap", "examples", "firmware_pkg", "sim", "tests")
DOCUMENTED = ("agent", "bootstrap", "firmware_pkg", "sim")
AGENT = REPOSITORY / "agent"
EDGE = AGENT / "edge"
# Beside the edge's own, the one that starts it.
AT_THE_EDGE = (AGENT / "__main__.py",)


def python_files(*rooms):
    """All Python files of some rooms, sorted."""
    found = [path for room in rooms for path in sorted((REPOSITORY / room).rglob("*.py"))]
    assert len(found) >= len(rooms), "the rooms are empty: is this the repository?"
    return found


def text_files():
    """The files that git knows or would take, without the binary ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    paths = [REPOSITORY / name for name in run.stdout.split("\0") if name]
    paths = [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]
    assert len(paths) > 50
    return paths


def clean(found):
    """Fails with all that was found, a line each."""
    lines = [line.replace(f"{REPOSITORY}/", "") for line in found]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def test_the_agents_core_imports_nothing_of_the_machine():
    core = [path for path in python_files("agent") if EDGE not in path.parents and path not in AT_THE_EDGE]
    clean(line for path in core for line in house.imports(path, house.CORE_MODULES))


def test_the_agents_edge_imports_what_micropython_has():
    edge = [*EDGE.rglob("*.py"), *AT_THE_EDGE]
    clean(line for path in edge for line in house.imports(path, house.EDGE_MODULES))


def test_the_agent_imports_nothing_beside_itself():
    clean(
        line for path in python_files("agent")
        for line in house.escapes(path, len(path.relative_to(AGENT).parts))
    )


def test_the_agents_imports_fit_a_32_bit_stack():
    # __main__ imports this one, in a function.
    chain = ["__main__", *house.deepest_import(AGENT, "edge.main")]
    assert len(chain) > 3, "the start of the agent imports nothing?"
    assert len(chain) <= house.NESTED_IMPORTS, (
        " > ".join(chain) + f": at most {house.NESTED_IMPORTS} deep; import what lies deepest first"
    )


def test_imports_have_no_circles():
    found = house.circle(REPOSITORY, python_files(*ROOMS))
    assert not found, " > ".join(found) + ": which of them is imported first must not matter"


def test_files_and_functions_are_short():
    clean(line for path in python_files(*ROOMS) for line in house.lengths(path))


def test_names_are_defined_and_imports_used():
    clean(line for path in python_files(*ROOMS) for line in house.flakes(path))


def test_public_things_have_docstrings():
    clean(line for path in python_files(*DOCUMENTED) for line in house.docstrings(path))


def test_no_registry_is_named():
    clean(line for path in text_files() for line in house.hosts(path))


def test_nothing_is_left_unfinished():
    clean(line for path in text_files() for line in house.unfinished(path))


def test_no_test_leaves_itself_out():
    paths = [path for path in python_files("tests") if path.name != "test_house.py"]
    clean(line for path in paths for line in house.skips(path))


def test_the_controller_loads_no_slice_task_or_push_code():
    folder = REPOSITORY / "bootstrap/controller"
    modules = ["backfence.bootstrap.controller." + path.stem for path in folder.glob("*.py")]
    modules = [name.removesuffix(".__init__") for name in modules]
    assert len(modules) >= 2
    clean(house.beyond_the_controller(house.loaded_by(modules, REPOSITORY.parent)))


def test_live_fleets_need_no_library_of_the_tests_own():
    loaded = house.loaded_by(["backfence.sim.live.fleet", "backfence.sim.live.sysroots"], REPOSITORY.parent)
    clean(name for name in loaded if name in ("cyclonedx", "hypothesis", "numpy", "wasmtime"))


def test_every_make_target_is_documented_by_make_itself():
    targets = house.make_targets((REPOSITORY / "Makefile").read_text())
    assert len(targets) > 5
    clean(f"Makefile: {name} has no `## ` text" for name, documented in targets.items() if not documented)
    run = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    shown = {line.split()[1] for line in run.stdout.splitlines()}
    assert shown == set(targets)


def test_the_documents_name_targets_that_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    documents = [path for path in text_files() if path.suffix == ".md"]
    clean(
        f"{path}: make {name} does not exist"
        for path in documents
        for name in house.missing_targets(path.read_text(), makefile)
    )


def test_every_package_is_installed():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    found = {"backfence"}
    for room in DOCUMENTED:
        for init in (REPOSITORY / room).rglob("__init__.py"):
            found.add("backfence." + ".".join(init.parent.relative_to(REPOSITORY).parts))
    assert listed == found
