"""Many runs of the model: on a pool of this machine's processors, or on a Dask cluster.

A run is (task, arguments): a function of tasks.py by name, with what JSON can hold.
Each result is a file, named by the hash of what was asked, so that a sweep that was
broken off goes on where it was, and what is there already is not run again.
"""

import hashlib
import json
import os
import pathlib
from concurrent.futures import ProcessPoolExecutor, as_completed

from . import tasks
from .errors import ScaleError

WAIT_S = 20


def path_of(folder, task, arguments):
    """The file of a run's result."""
    words = json.dumps([tasks.VERSIONS.get(task, tasks.VERSION), task, arguments], sort_keys=True)
    return pathlib.Path(folder) / ("%s-%s.json" % (task, hashlib.sha256(words.encode()).hexdigest()[:16]))


def _write(path, task, arguments, result):
    # Whole or not at all: a sweep may be broken off at any moment.
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"task": task, "arguments": arguments, "result": result}) + "\n")
    os.replace(part, path)


def _pool(runs, processes):
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        futures = {pool.submit(tasks.run, task, arguments): (task, arguments) for task, arguments in runs}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _dask(runs, address):
    try:
        from dask import distributed
    except ImportError:
        raise ScaleError("sweeps on a cluster need Dask: pip install 'backfence[scale]'") from None
    try:
        client = distributed.Client(address, timeout=WAIT_S)
    except (OSError, ValueError) as error:
        raise ScaleError("no Dask scheduler answers at %s: %s" % (address, error)) from None
    with client:
        futures = {client.submit(tasks.run, task, arguments, pure=False): (task, arguments) for task, arguments in runs}
        for future, result in distributed.as_completed(list(futures), with_results=True):
            yield futures[future], result


def sweep(runs, folder, say, scheduler=None, processes=None):
    """Performs runs that have no result yet; list of the results, in the order of `runs`.

    runs: [(task, dict)]; scheduler: the address of a Dask scheduler, else a pool of
    `processes` is used.  say(text) shows how far it is.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    todo = [run for run in runs if not path_of(folder, *run).exists()]
    todo.sort(key=lambda run: -run[1].get("nodes", 0))  # the longest first
    done = len(runs) - len(todo)
    if done:
        say("%d of %d runs are there already" % (done, len(runs)))
    if todo:
        for (task, arguments), result in _dask(todo, scheduler) if scheduler else _pool(todo, processes):
            _write(path_of(folder, task, arguments), task, arguments, result)
            done += 1
            say("%d of %d: %s %s" % (done, len(runs), task, json.dumps(arguments, sort_keys=True)))
    return [json.loads(path_of(folder, *run).read_text())["result"] for run in runs]
