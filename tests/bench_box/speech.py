"""What speech costs a box, in instructions of x86-64, counted by valgrind's callgrind.

    speech.py                    the table, and build/bench/speech-cost.json

Runs speech_pieces.py on Debian's MicroPython for x86-64, each piece so many times and
fewer times; the difference is the piece's own, without what starts the interpreter.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from backfence.sim.live import interpreters

PIECES = Path(__file__).resolve().parent / "speech_pieces.py"
OUT = interpreters.BUILD / "bench" / "speech-cost.json"
# piece: (what it is, how often it is done more, how many of its unit are then in one).
TABLE = {
    "greeting": ("one new peer: a greeting, both ends, for one of them", 4, 2),
    "ladder": ("of that the X25519 ladder", 4, 1),
    "bits": ("a step of the ladder: four bits", 4, 64),
    "seal": ("a datagram of 217 bytes sealed", 400, 1),
    "open": ("and opened", 400, 1),
    "plain-seal": ("sealed without encryption", 400, 1),
    "plain-open": ("and opened", 400, 1),
    "forged": ("a forged datagram refused", 400, 1),
    "library": ("the ladder by libsodium, through ffi", 40, 1),
}
# Done anyway, so that what happens at first only is in both counts.
FIRST = 2


class Failed(Exception):
    """The bench cannot go on; the text is one line."""


def instructions(piece, times):
    """How many instructions a process takes that does a piece so many times."""
    found = interpreters.find("amd64")
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *found.arguments(str(PIECES), piece, str(times))],
            env=dict(found.environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not collected:
        raise Failed(f"{piece}: {(run.stdout + run.stderr).strip().splitlines()[-1]}")
    return int(collected.group(1))


def main():
    """Count all pieces."""
    parser = argparse.ArgumentParser(description="Count what speech costs a box.")
    parser.add_argument("pieces", nargs="*", metavar="PIECE", help=", ".join(TABLE))
    names = parser.parse_args().pieces or list(TABLE)
    told = {}
    for piece in names:
        what, more, units = TABLE[piece]
        told[piece] = (instructions(piece, FIRST + more) - instructions(piece, FIRST)) // (more * units)
        print(f"{told[piece]:>12,}  {what}", flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (Failed, KeyError, interpreters.Missing) as problem:
        sys.exit(f"Error: {problem}")
