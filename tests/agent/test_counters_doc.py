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
    assert moved <= set(NAMES)
