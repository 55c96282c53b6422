"""Coverage-guided search of one decoder on CPython, by atheris.

    guided.py DECODER CORPUS [libFuzzer's options]

Inputs are changed by bytes (libFuzzer) and by what they mean (trees.py); what reaches new
code is kept in CORPUS.  A finding is an exception, and ends the process.
"""

import random
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "agent"), str(HERE.parent / "agent" / "wire")]

import atheris  # noqa: E402

with atheris.instrument_imports(include=["backfence.agent", "backfence.bootstrap.operator"]):
    import trees
    from decoders import DECODERS

# The cost of one input in so many is taken: that is slow.  Which, says the input.
COST_EVERY = 16


def main(name, corpus):
    """Search until libFuzzer's options end it.  The corpus has the good inputs as seed-N."""
    decoder = DECODERS[name]
    seeds = [path.read_bytes() for path in sorted(corpus.glob("seed-*"))]

    def one(data):
        decoder.check(data)
        if zlib.crc32(data) % COST_EVERY == 0:
            decoder.check_cost(data)

    def mutator(data, most, seed):
        rnd = random.Random(seed)
        if rnd.random() < 0.6:
            changed = trees.mutated(rnd, rnd.choice(seeds) if rnd.random() < 0.1 else data)
            if len(changed) <= most:
                return changed
        return atheris.Mutate(data, most)

    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[3:]], one, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
