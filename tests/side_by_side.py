"""Runs all tests in three processes side by side, for a machine of two processors.

    side_by_side.py [PYTEST'S ARGUMENTS]

Tests of live agents wait more than they compute, so they go first; portable tests and
all that is named nowhere compute and yield to them, and rooms that only compute yield to
both.  What the first process says is shown as it comes, what the others say when it has
ended; their failures count as much.  The exit code is that of the first one that failed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
# Rooms without portable tests whose fleets run in real time.
LIVE = ("bootstrap", "live", "soak")
# Rooms without either: nothing in them minds a busy machine.
BESIDE = ("conformance", "firmware_pkg", "fuzz_container", "fuzz_decoders", "fuzz_node", "machine", "powercut", "sim")


def runs():
    """(title, pytest's arguments, nice value) of each process; every room is in one of them."""
    rest = [f"--ignore={TESTS / name}" for name in LIVE + BESIDE]
    return (
        ("all other rooms", rest, 4),
        (", ".join(LIVE), [str(TESTS / name) for name in LIVE], 0),
        (", ".join(BESIDE), [str(TESTS / name) for name in BESIDE], 9),
    )


def main(arguments):
    """All runs; the exit code of the first that failed."""
    begun = []
    try:
        for title, rooms, nice in runs():
            said = tempfile.TemporaryFile() if begun else None
            command = ["nice", "-n", str(nice), sys.executable, "-m", "pytest", *arguments, *rooms]
            output = {"stdout": said, "stderr": subprocess.STDOUT} if said else {}
            begun.append((title, said, subprocess.Popen(command, stdin=subprocess.DEVNULL, **output)))
        for title, said, process in begun:
            process.wait()
            if said:
                said.seek(0)
                print(f"\nBeside, in {title}:", flush=True)
                sys.stdout.buffer.write(said.read())
                sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    finally:
        for _, _, process in begun:
            process.kill()  # after an interruption; it is over otherwise
    return next((process.returncode for _, _, process in begun if process.returncode), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
