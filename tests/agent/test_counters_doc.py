"""docs/counters.md and the table of counters say the same."""

import pathlib
import re

from backfence.agent.counters import NAMES

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_page_lists_every_counter_with_its_meaning():
    page = (ROOT / "docs" / "counters.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.M))
    assert rows == NAMES


def test_every_counter_is_moved_somewhere_and_no_other_is():
    text = "\n".join(path.read_text() for path in (ROOT / "agent").rglob("*.py") if path.name != "counters.py")
    unused = [name for name in NAMES if f'"{name}"' not in text]
    assert not unused
    moved = set(re.findall(r'bump\("(\w+)"', text))
    assert len(moved) > 80 and moved <= set(NAMES)


def test_no_reader_asks_for_another():
    asked = {}
    # The controller has counters of its own.
    for room in ("agent", "sim", "tests/agent", "tests/sim"):
        for path in (ROOT / room).rglob("*.py"):
            for name in re.findall(r'\bcounters\["(\w+)"\]', path.read_text()):
                asked.setdefault(name, path)
    assert len(asked) > 80
    assert not {name: str(path) for name, path in asked.items() if name not in NAMES}


def test_each_has_a_name_and_a_meaning():
    for name, meaning in NAMES.items():
        assert name == name.lower() and " " not in name and 5 < len(meaning) < 80
