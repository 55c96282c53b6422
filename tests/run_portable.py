"""Runs the tests of one portable file; on CPython and on MicroPython alike.

    run_portable.py FILE [NAME ...]

Prints `ok NAME` or `FAIL NAME` and the traceback for each test function, in
the order of the names (without names: all, sorted), exits 1 if one failed.
"""

import gc
import sys


def print_exception(error):
    """The traceback of `error` on standard output."""
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error, file=sys.stdout)


def run(path, names):
    """Imports the file and calls its test functions; returns how many failed."""
    folder, _, file = path.rpartition("/")
    # A test imports its neighbours and the project; from the script's own folder, emulated.py.
    sys.path.append(sys.path[0])
    sys.path[0] = folder or "."
    module = __import__(file[: -len(".py")])
    failed = 0
    for name in names or sorted(key for key in dir(module) if key.startswith("test_")):
        gc.collect()
        try:
            getattr(module, name)()
            verdict = "ok"
        except Exception as error:
            print_exception(error)
            verdict = "FAIL"
            failed += 1
        print(verdict, name)
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print("usage: run_portable.py FILE [NAME ...]")
        sys.exit(2)
    sys.exit(1 if run(sys.argv[1], sys.argv[2:]) else 0)
