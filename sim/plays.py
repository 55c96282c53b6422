"""Plays of a bench that go on from one world: side by side in forked processes, and kept when they are done.

What is the same for all of them, such as boxes that have met, is made once.  A play that
is kept was played by the very code that asks for it, and is not played again: so what
takes hours can be ended and gone on with, or be played a few at a time.
"""

import gc
import hashlib
import json
import multiprocessing
import os
import pathlib
import sys
import time
from multiprocessing.connection import wait

# No more worlds at once than a small machine has cores: a large one takes a gigabyte.
PROCESSES = 2
ROOT = pathlib.Path(__file__).resolve().parents[1]
# What a play's outcome depends on.
ROOMS = ("agent", "bootstrap", "firmware_pkg", "sim")


def code():
    """A hash (hex) of all code that a play runs."""
    found = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def perform(make, play, names, nodes, seed, folder, title):
    """The outcomes of plays, {name: dict}, in the order of `names`; RuntimeError if one failed.

    make(nodes, seed, say) gives what all plays begin with, and play(it, name, say) what JSON
    can hold.  Each outcome is kept as folder/TITLE-NODES-SEED-NAME.json as soon as there is one.
    """
    mark = code()
    paths = {name: pathlib.Path(folder) / ("%s-%d-%d-%s.json" % (title, nodes, seed, name)) for name in names}
    todo = [name for name in names if _kept(paths[name], mark) is None]
    for name in names:
        if name not in todo:
            _say(title, nodes, name, "kept from before")
    if todo:
        begin = make(nodes, seed, lambda text: _say(title, nodes, "all", text))
        gc.collect()
        gc.freeze()  # so that collections leave in peace, and unwritten, what all share
        sys.stdout.flush()

        def one(name):
            _one(lambda say: play(begin, name, say), lambda text: _say(title, nodes, name, text), paths[name], mark)

        try:
            failed = _side_by_side(one, todo)
        finally:
            gc.unfreeze()
        if failed:
            raise RuntimeError("failed: " + ", ".join(failed))
    return {name: _kept(paths[name], mark) for name in names}


def _side_by_side(one, todo):
    """Calls one(name) for all in processes forked from this one; the names of those that failed."""
    fork, waiting, running, failed = multiprocessing.get_context("fork"), list(todo), {}, []
    while waiting or running:
        while waiting and len(running) < PROCESSES:
            name = waiting.pop(0)
            process = fork.Process(target=one, args=(name,))
            process.start()
            running[process.sentinel] = (name, process)
        for sentinel in wait(running):
            name, process = running.pop(sentinel)
            process.join()
            if process.exitcode:
                failed.append(name)
    return failed


def _kept(path, mark):
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return kept["outcome"] if kept.get("code") == mark else None


def _one(play, say, path, mark):
    begun = time.process_time()
    outcome = play(say)
    cpu_s = round(time.process_time() - begun, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"code": mark, "cpu_s": cpu_s, "outcome": outcome}) + "\n")
    os.replace(part, path)
    say("done, %.0f s of CPU" % cpu_s)


def _say(title, nodes, name, text):
    print("%s %d, %s: %s" % (title, nodes, name, text), file=sys.stderr, flush=True)
