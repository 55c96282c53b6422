"""`make firmware` from two copies of the tree gives the same bytes, wherever and whenever."""

import os
import shutil
import subprocess
import sys
import time

from backfence.firmware_pkg import build, usign

EPOCH = "1700000000"
# All that the packages are made of.
TREE = ("__init__.py", "LICENSE", "pyproject.toml", "agent", "firmware_pkg")


def copy(folder, moved_s):
    """A copy of the tree below folder/backfence, its files' times moved."""
    tree = folder / "backfence"
    tree.mkdir(parents=True)
    for name in TREE:
        source = build.REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    now = time.time() + moved_s
    for path in tree.rglob("*"):
        os.utime(path, (now, now))
    return tree


def start(tree, key, umask, **variables):
    """Starts the build in a copy."""
    return subprocess.Popen(
        [sys.executable, "-m", "backfence.firmware_pkg"], cwd=tree.parent, umask=umask,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tree.parent), "SOURCE_DATE_EPOCH": EPOCH,
             "FEED_KEY": str(key), **variables},
    )


def built(tree):
    """{path: bytes} of all that the build left in its output folder."""
    out = tree / "build/firmware"
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*") if path.is_file()
    }


def test_two_copies_of_the_tree_give_the_same_bytes(tmp_path):
    usign.Key.make().save(tmp_path / "feed.key")
    trees = [copy(tmp_path / "a", 0), copy(tmp_path / "another/place/of/another/depth", -40_000_000)]
    runs = [
        start(trees[0], tmp_path / "feed.key", 0o022, TZ="UTC", LANG="C.UTF-8", PYTHONHASHSEED="1"),
        start(trees[1], tmp_path / "feed.key", 0o077, TZ="Asia/Kathmandu", LANG="C", PYTHONHASHSEED="2"),
    ]
    for run in runs:
        said, _ = run.communicate(timeout=200)
        assert run.returncode == 0 and "sha256" in said, said
        assert "lab key" not in said
    first, second = (built(tree) for tree in trees)
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []
    # Of each kind one, and nothing of the place in it.
    for end in (".ipk", ".deb", "Packages.sig", "Packages.gz", "Makefile", ".cdx.json"):
        assert [name for name in first if name.endswith(end)]
    assert not [name for name, data in first.items() if str(tmp_path).encode() in data]


def test_without_a_time_the_build_says_what_to_set(tmp_path):
    run = start(copy(tmp_path, 0), "", 0o022, SOURCE_DATE_EPOCH="")
    said, _ = run.communicate(timeout=100)
    assert run.returncode == 1
    assert said == ("Error: set SOURCE_DATE_EPOCH to the release's UNIX seconds:"
                    " this is no git tree with a commit\n")
