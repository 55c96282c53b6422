"""Runs all tests in two processes side by side, for a machine of two processors.

    both.py [PYTEST'S ARGUMENTS]

Most tests of live agents wait more than they compute; the rooms below only compute.
So these go beside the rest, in a process of their own, and yield to it: nobody waits for
the computing while the waiting is not over.  What it says follows when the first has
ended, and its failures count as much.  The exit code is pytest's.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
# Rooms without portable tests and without live fleets: nothing in them minds a busy machine.
BESIDE = ("conformance", "firmware_pkg", "fuzz_container", "fuzz_decoders", "fuzz_node", "machine", "powercut", "sim")


def main(arguments):
    """Both runs; the exit code of the first that failed."""
    pytest = [sys.executable, "-m", "pytest", *arguments]
    rooms = [str(TESTS / name) for name in BESIDE]
    with tempfile.TemporaryFile() as said:
        beside = subprocess.Popen(
            ["nice", "-n", "5", *pytest, *rooms], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            first = subprocess.run([*pytest, *(f"--ignore={room}" for room in rooms)], check=False)
            second = beside.wait()
        except KeyboardInterrupt:
            return 130
        finally:
            beside.kill()  # after an interruption; it is over otherwise
        said.seek(0)
        print(f"\nBeside, in {', '.join(BESIDE)}:", flush=True)
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    return first.returncode or second


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
