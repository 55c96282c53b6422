"""Shares the minutes of `make fuzz` among its parts.

    fuzz_all.py [--minutes N] [--seed N] [PART]...

Parts: container (fuzz_container/), decoders (fuzz_decoders/), node (fuzz_node/); all of
them if none is named.  The exit code is 1 if one of them found something.
"""

import argparse
import random
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
# part: (script, its share).  The container has the most code, and runs on six interpreters.
PARTS = {
    "container": ("fuzz_container/fuzz.py", 2),
    "decoders": ("fuzz_decoders/fuzz_decoders.py", 2),
    "node": ("fuzz_node/fuzz_node.py", 1),
}


def main():
    """Run the parts one after the other."""
    parser = argparse.ArgumentParser(description="Fuzz the container, the decoders and the node.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}: take some of {', '.join(PARTS)}")
    parts = options.parts or list(PARTS)
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    whole = sum(PARTS[part][1] for part in parts)
    found = []
    for part in parts:
        script, share = PARTS[part]
        minutes = options.minutes * share / whole
        print(f"-- {part}, {minutes:.1f} minutes", flush=True)
        run = subprocess.run([sys.executable, str(TESTS / script), "--minutes", str(minutes), "--seed", str(seed)], check=False)
        found += [part] if run.returncode else []
    sys.exit(f"Found in: {', '.join(found)}" if found else 0)


if __name__ == "__main__":
    main()
