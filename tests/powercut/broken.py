"""Agents that are broken on purpose: the rig must find each."""

import shutil
from pathlib import Path

from backfence.firmware_pkg import build

# name: (what is broken, file below agent/, what stands there, what stands there instead)
WAYS = {
    "flush": (
        "nothing is ever flushed", "edge/disk.py",
        "def _sync(file):\n    file.flush()", "def _sync(file):\n    return\n    file.flush()",
    ),
    "slot": (
        "a slot is not flushed before the record names it", "edge/disk.py",
        'file = open(self._path(name), "r+b")\n        try:\n            _sync(file)',
        'file = open(self._path(name), "r+b")\n        try:\n            return',
    ),
    "confirmed": (
        "an update is written over what is confirmed", "slots.py",
        "    free = [slot for slot in (SLOT_A, SLOT_B) if slot not in (runs, record.confirmed)]",
        "    if record.confirmed:\n        return record.confirmed\n    free = [SLOT_A, SLOT_B]",
    ),
}


class NotFound(Exception):
    """What is to be broken is no longer there; the text is for a person."""


def tree(folder, name):
    """A copy of the repository's agent, broken; its path."""
    what, file, right, wrong = WAYS[name]
    copy = Path(folder) / "broken"
    shutil.copytree(build.REPOSITORY / "agent", copy / "agent")
    shutil.copy2(build.REPOSITORY / "__init__.py", copy / "__init__.py")
    path = copy / "agent" / file
    text = path.read_text()
    if text.count(right) != 1:
        raise NotFound(f"agent/{file} has changed: tests/powercut/broken.py no longer finds where to break it ({what})")
    path.write_text(text.replace(right, wrong))
    return copy


def modules(folder, source):
    """A folder with the compiled modules of a tree."""
    before, build.REPOSITORY = build.REPOSITORY, source
    try:
        build.compile_agent(Path(folder) / "modules")
    finally:
        build.REPOSITORY = before
    return Path(folder) / "modules"
