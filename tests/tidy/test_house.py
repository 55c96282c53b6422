"""The checks themselves: each must find its violation, and only that."""

import house
import pytest


@pytest.fixture
def sample(tmp_path):
    """Writes a sample file; returns its path."""
    def write(text):
        path = tmp_path / "sample.py"
        path.write_text(text)
        return path
    return write


def test_imports_finds_them_wherever_they_stand(sample):
    path = sample("import gc\nimport socket\ndef f():\n    from time import ticks_ms\nfrom .x import os\n")
    assert house.imports(path, house.CORE_MODULES) == [
        f"{path}:2: imports socket", f"{path}:4: imports time",
    ]
    assert house.imports(path, house.EDGE_MODULES) == []


def test_the_core_has_no_socket_clock_file_or_randomness():
    assert not house.CORE_MODULES & {"socket", "os", "time", "select", "random", "io", "ssl"}
    assert not house.EDGE_MODULES & {"threading", "_thread", "asyncio", "typing", "random"}


def test_flakes_finds_names_that_nothing_defines_and_imports_that_nothing_uses(sample):
    path = sample("import gc\nimport sys  # noqa: F401\nimport os\nprint(os.name, nowhere)\n")
    assert house.flakes(path) == [f"{path}:1:1: 'gc' imported but unused", f"{path}:4:16: undefined name 'nowhere'"]


def test_escapes_finds_imports_above_the_agent(sample):
    path = sample("from . import a\nfrom .. import b\nfrom ...sim import c\n")
    assert house.escapes(path, 2) == [f"{path}:3: a relative import leaves the agent"]


def test_deepest_import_follows_the_order_of_imports(tmp_path):
    sources = {
        "__init__": "", "start": "from . import a\n", "a": "from .b import x\n", "b": "from .p import q\n",
        "p/__init__": "", "p/q": "try:\n    from ..c import y\nexcept ImportError:\n    pass\n", "c": "",
    }
    (tmp_path / "p").mkdir()
    for name, text in sources.items():
        (tmp_path / f"{name}.py").write_text(text)
    assert house.deepest_import(tmp_path, "start") == ["start", "a", "b", "p.q", "c"]
    (tmp_path / "start.py").write_text("from .p import q\nfrom . import a\n")
    assert len(house.deepest_import(tmp_path, "start")) == 3


def test_circle_finds_one_through_packages_and_leaves_functions_alone(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "__init__.py").write_text("from . import c\n")
    (tmp_path / "a.py").write_text("from .b import c\n")
    (tmp_path / "b" / "c.py").write_text("def late():\n    from .. import a\n")
    paths = list(tmp_path.rglob("*.py"))
    assert house.circle(tmp_path, paths) == []
    (tmp_path / "b" / "c.py").write_text("from ..a import thing\n")
    assert set(house.circle(tmp_path, paths)) == {"a", "b.c"}


def test_lengths_finds_a_long_function_and_a_long_file(sample):
    longest = "def f():\n" + "    pass\n" * (house.FUNCTION_LINES - 1)
    assert house.lengths(sample(longest)) == []
    path = sample(longest + "    pass\n")
    assert house.lengths(path) == [f"{path}:1: f has 71 lines, at most 70"]
    path = sample("pass\n" * (house.FILE_LINES + 1))
    assert house.lengths(path) == [f"{path}: 401 lines, at most 400"]


def test_docstrings_finds_public_things_without(sample):
    path = sample(
        '"""Sample."""\ndef f(): pass\ndef _g(): pass\nclass C:\n    """C."""\n'
        "    def short(self): pass\n    def m(self):\n" + "        pass\n" * 7
        + "    def __init__(self):\n" + "        pass\n" * 7 +
        "try:\n    pass\nexcept ImportError:\n    def h(): pass\n"
    )
    names = ("2: f", "7: m", "26: h")
    assert house.docstrings(path) == [f"{path}:{name} has no docstring" for name in names]
    path = sample("x = 1\n")
    assert house.docstrings(path) == [f"{path}:1: the module has no docstring"]
    assert house.docstrings(sample("")) == []


@pytest.mark.parametrize("host", house.REGISTRIES)
def test_hosts_finds_each(sample, host):
    path = sample(f"x = 1\nURL = 'http://{host}/debian'\n")
    assert house.hosts(path) == [f"{path}:2: {host}"]


def test_unfinished_finds_the_mark(sample):
    path = sample("# TO" + "DO: later\n")
    assert house.unfinished(path) == [f"{path}:1: TO" + "DO"]


def test_skips_finds_decorators_and_calls(sample):
    path = sample("import pytest\n@pytest.mark.skipif(True)\ndef test_a():\n    pytest.skip('x')\n")
    assert house.skips(path) == [f"{path}:2: skipif", f"{path}:4: skip"]


def test_what_the_controller_loads_is_seen_through_other_modules(tmp_path):
    (tmp_path / "between.py").write_text("import backfence.agent.slicing\n")
    loaded = house.loaded_by(["between"], tmp_path)
    assert "backfence.agent.slicing" in house.beyond_the_controller(loaded)
    assert house.beyond_the_controller(["backfence.agent.wire.cose", "backfence.bootstrap", "json"]) == []
    found = ["backfence.agent.tasks", "backfence.bootstrap.operator.push", "paho.mqtt.client"]
    assert house.beyond_the_controller(found) == found


MAKEFILE = ".PHONY: run test\nBIN := x\nrun: a ## Run it (N=2)\n\t@x\ntest:\n\t@y\n.venv/stamp: b\n"


def test_make_targets_tells_the_undocumented():
    assert house.make_targets(MAKEFILE) == {"run": True, "test": False}


def test_missing_targets_reads_code_and_leaves_prose_alone():
    text = "We make do.  `make run AGENTS=9`, then\n```sh\nmake bench\nmake test\n```\nor `make soak`.\n"
    assert house.missing_targets(text, MAKEFILE) == ["bench", "soak"]
