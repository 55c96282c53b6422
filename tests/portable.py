"""Pytest's side of the portable tests: one item for each function and interpreter.

A file is run once per interpreter, in a process of its own.  The runs begin with
the session, one on each processor, and yield to the other tests, which pytest goes
through meanwhile; the portable items come late and report what their run printed.

Emulated processors are given the agent compiled, as its package brings it to a
gateway: compiling it took them longer than most tests.  emulated.py tells a test of them.
"""

import ast
import collections
import concurrent.futures
import os
import subprocess
import tempfile
import threading

import emulated
import pytest

from backfence.sim.live import interpreters

RUNNER = interpreters.REPOSITORY / "tests" / "run_portable.py"
# For one file on one interpreter.  Generous: an emulated processor is some thirty times
# slower than the machine's own, and others may be using that.
FILE_LIMIT_S = 300
# For one under `make test-qemu`, where nobody waits for it.
PATIENT_LIMIT_S = 3600


class PortableFile(pytest.File):
    """A `proto_*.py` file; its items come from its source, which is not imported here."""

    def collect(self):
        names = function_names(self.path)
        only = () if self.config.getoption("every_file") else interpreters_of(self.path)
        for interpreter in chosen(self.config):
            if only and interpreter not in only:
                continue
            for name in names:
                yield PortableItem.from_parent(
                    self, name=f"{name}[{interpreter}]", function=name, interpreter=interpreter
                )


class PortableItem(pytest.Item):
    """One test function on one interpreter."""

    def __init__(self, *, function, interpreter, **rest):
        super().__init__(**rest)
        self.function_name = function
        self.interpreter = interpreter
        self.add_marker(pytest.mark.timeout(0))  # the run has a limit; waiting for it has none

    def runtest(self):
        outcome, text = self.config.stash[RUNS].outcome(self)
        if outcome != "ok":
            raise PortableFailure(text)

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, PortableFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, self.name


class PortableFailure(Exception):
    """A portable test failed; the text is what its run printed about it."""


class Runs:
    """Starts the selected runs side by side, keeps what each of them printed."""

    def __init__(self, limit_s=FILE_LIMIT_S):
        self.limit_s = limit_s  # for one file on one interpreter
        self.futures = {}
        self._waiting = collections.deque()

    def start(self, items):
        """Begins the runs of the portable items."""
        names = {}
        for item in items:
            if isinstance(item, PortableItem):
                names.setdefault(_key(item), []).append(item.function_name)
        # The slow ones first, so that no processor idles at the end.
        for (path, name), functions in sorted(names.items(), key=lambda run: _is_native(run[0][1])):
            future = self.futures[path, name] = concurrent.futures.Future()
            self._waiting.append((future, path, name, functions))
        for _ in range(os.cpu_count() or 1):
            threading.Thread(target=self._run_all, daemon=True).start()

    def outcome(self, item):
        """("ok" or "FAIL", text) of one item."""
        results, rest = self.futures[_key(item)].result()
        if item.function_name in results:
            return results[item.function_name]
        return "FAIL", rest

    def _run_all(self):
        while self._waiting:
            try:
                future, path, name, functions = self._waiting.popleft()
            except IndexError:
                return
            try:
                result = run_file(path, name, functions, self.limit_s)
            except OSError:
                # A loaded kernel refuses the start of a process once in ten thousand times.
                result = self._once_more(path, name, functions)
            future.set_result(result)

    def _once_more(self, path, name, functions):
        try:
            return run_file(path, name, functions, self.limit_s)
        except OSError as error:
            return {}, f"{name} did not start: {error}"

    def stop(self):
        """Forgets the runs that have not begun."""
        self._waiting.clear()


RUNS = pytest.StashKey[Runs]()


def _is_native(name):
    return name not in interpreters.EMULATED


def _key(item):
    return item.path, item.interpreter


def function_names(path):
    """The test functions of a portable file, in its order; no function is an error."""
    tree = ast.parse(path.read_bytes(), str(path))
    names = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    if not names:
        raise pytest.Collector.CollectError(f"{path} has no test functions")
    if len(set(names)) < len(names):
        raise pytest.Collector.CollectError(f"{path} defines a test twice: only one would run")
    return names


def interpreters_of(path):
    """What a portable file's INTERPRETERS names, a literal tuple; () if it has none: all of them."""
    for node in ast.parse(path.read_bytes(), str(path)).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "INTERPRETERS":
            return ast.literal_eval(node.value)
    return ()


def run_file(path, interpreter, names, limit_s=FILE_LIMIT_S):
    """Runs `names` of a file; returns ({name: (outcome, text)}, text for the names without)."""
    try:
        found = interpreters.find(interpreter)
    except interpreters.Missing as missing:
        return {}, str(missing)
    environment = dict(found.environment)
    if not _is_native(interpreter):
        environment["MICROPYPATH"] = f".frozen:{interpreters.compiled_agent()}"
        environment[emulated.VARIABLE] = "1"
    with tempfile.TemporaryDirectory(prefix="backfence-") as folder:
        try:
            run = subprocess.run(
                ["nice", "-n", "10", *found.arguments(str(RUNNER), str(path), *names)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=environment, cwd=folder, timeout=limit_s,
            )
            printed, end = run.stdout, f"exit status {run.returncode}"
        except subprocess.TimeoutExpired as expired:
            printed, end = expired.stdout or b"", f"stopped after {limit_s} s"
    results, rest = parse(printed.decode(errors="replace"), set(names))
    return results, f"{rest}{interpreter} ended before this test did: {end}"


def parse(printed, names):
    """Splits a run's output: ({name: (outcome, text before its verdict)}, the rest)."""
    results, text = {}, []
    for line in printed.splitlines(keepends=True):
        outcome, _, name = line.strip().partition(" ")
        if outcome in ("ok", "FAIL") and name in names:
            results[name] = (outcome, "".join(text))
            text = []
        else:
            text.append(line)
    return results, "".join(text)


def chosen(config):
    """The interpreters to run on, by the option or all of them."""
    names = (config.getoption("interpreters") or " ".join(interpreters.KNOWN)).replace(",", " ")
    names = names.split()
    for name in names:
        if name not in interpreters.KNOWN and name not in interpreters.BY_NAME:
            known = ", ".join([*interpreters.KNOWN, *interpreters.BY_NAME])
            raise pytest.UsageError(f"there is no interpreter {name!r}; known: {known}")
    return names


def pytest_addoption(parser):
    """The options that choose the portable tests' interpreters."""
    parser.addoption(
        "--interpreters", default="", metavar="NAMES",
        help=f"run portable tests on these only (of: {' '.join([*interpreters.KNOWN, *interpreters.BY_NAME])})",
    )
    parser.addoption(
        "--every-file", action="store_true",
        help="run every portable file on them, whatever interpreters it names, and wait an hour for each",
    )


def pytest_configure(config):
    """Refuses unknown interpreters before anything runs; strict where CI is set."""
    config.stash[RUNS] = Runs(PATIENT_LIMIT_S if config.getoption("every_file") else FILE_LIMIT_S)
    names = chosen(config)
    if os.environ.get("CI") == "true" and set(names) != set(interpreters.KNOWN):
        raise pytest.UsageError("CI runs on every interpreter: leave --interpreters (ARCHS) out")


def pytest_collect_file(file_path, parent):
    """Portable files found in a folder; named ones come by pytest_pycollect_makemodule."""
    if _is_portable(file_path) and not parent.session.isinitpath(file_path):
        return PortableFile.from_parent(parent, path=file_path)
    return None


def pytest_pycollect_makemodule(module_path, parent):
    """Keeps pytest from importing a portable file that is named on the command line."""
    if _is_portable(module_path):
        return PortableFile.from_parent(parent, path=module_path)
    return None


def _is_portable(path):
    return path.name.startswith("proto_") and path.suffix == ".py"


def pytest_collection_modifyitems(items):
    """Portable items late, for their runs go on meanwhile; live fleets last, with the machine to themselves."""
    items.sort(key=lambda item: 2 * item.path.stem.endswith("_live") + isinstance(item, PortableItem))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """The portable runs begin with the first test."""
    if not session.config.option.collectonly:
        session.config.stash[RUNS].start(session.items)


def pytest_unconfigure(config):
    """Drops runs that nobody waits for, after -x or an interruption."""
    config.stash[RUNS].stop()


def pytest_report_header(config):
    """Names the interpreters of this run."""
    return f"interpreters: {' '.join(chosen(config))}"
