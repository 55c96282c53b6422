"""`make bench-enrol BOXES=1000000`: a factory's list of that many boxes is enrolled.

Time and memory of each command as the kernel counts them, and whether a box
believes what came out.  Exit 1 if a command fails, takes more memory than
MOST_KB, or longer than MOST_S.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time

from backfence.agent import peers, trust_file
from backfence.agent.wire.seal import Party
from backfence.bootstrap.operator import fleet as fleets

# What "minutes within bounded memory" is held to here.
MOST_S = 300
MOST_KB = 256 * 1024
BACKFENCE = [os.path.join(os.path.dirname(sys.executable), "backfence")]


def write_list(path, boxes, seed=1):
    """A factory's list of random keys, each below 2^254; returns the key in the middle."""
    rng = random.Random(seed)
    with open(path, "w") as file:
        file.write("public_key,serial\n")
        for number in range(boxes):
            key = rng.randbytes(31).hex() + "%02x" % rng.randrange(64)
            file.write(f"{key},HB2-{number:07}\n")
            if number == boxes // 2:
                middle = bytes.fromhex(key)
    return middle


def measured(name, *words):
    """Runs a command; prints its wall seconds and peak resident KB.  SystemExit if it fails."""
    start = time.monotonic()
    process = subprocess.Popen([*BACKFENCE, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - start
    print(f"{name:24} {wall_s:7.1f} s {usage.ru_maxrss:9,} KB", flush=True)
    if status or wall_s > MOST_S or usage.ru_maxrss > MOST_KB:
        sys.exit(f"{name}: exit {status}, at most {MOST_S} s and {MOST_KB:,} KB wanted")


def main():
    """Enrols, proves one box, enrols the same list again."""
    boxes = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        home, listed, out = (os.path.join(folder, name) for name in ("fleet", "list.csv", "out"))
        fleets.create(home)
        middle = write_list(listed, boxes)
        id = peers.identity_of(middle).hex()
        measured("enrol", "enrol", "--fleet", home, "--keys", listed)
        measured("proof of one box", "proof", "--fleet", home, f"HB2-{boxes // 2:07}", "--out", out)
        with open(os.path.join(out, id, "trust.cbor"), "rb") as file:
            data = file.read()
        believed = trust_file.load(data)
        assert believed.enrolled(Party(middle, 0, 0, believed.lot, believed.leaf, believed.path)), "the proof does not hold"
        print(f"trust.cbor {len(data):,} bytes, proof {32 * len(believed.path)} bytes")
        measured("describe", "describe", "--fleet", home, "--offline")
        sizes = [os.path.getsize(os.path.join(home, name)) for name in ("boxes.db", "lots/lot-1.tree")]
        print(f"boxes.db {sizes[0]:,} bytes, lot-1.tree {sizes[1]:,} bytes")
        print(f"this script's own peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:,} KB")


if __name__ == "__main__":
    main()
