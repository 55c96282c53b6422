"""Cases: a module with calls of its exports, an allowance, a cap of pages; see oracle.py."""

import json
import random
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

import mutate
import oracle
from binary import MEMORY, Parts
from generate import generate
from odd import constant_bits

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Programs as large as clang's are slow to translate on CPython.
SMALL_BYTES = 5000
FEATURES = ("--mvp-features", "--enable-sign-ext", "--enable-nontrapping-float-to-int", "--enable-multivalue")


def case(rnd, data):
    """A case for a valid module: exports called with odd arguments."""
    parts = Parts(data)
    names = [(name, index) for name, kind, index in parts.exported() if not kind]
    getters = [pair for pair in names if pair[0][:1] == "g"]
    others = [pair for pair in names if pair not in getters]
    calls = []
    for _ in range(rnd.choice((1, 2, 3))):
        for name, index in rnd.sample(others, min(len(others), 6)):
            params, _ = parts.function_type(index)
            calls.append([name, [constant_bits(rnd, t) for t in params]])
    calls += [[name, []] for name, index in getters if not parts.function_type(index)[0]]
    return {
        "data": data, "calls": calls, "fuel": rnd.choice((50, 1000, 3000, 20000, 20001, 60000)),
        "pages": rnd.choice((1, 2, 3, 3, 4)), "stdin": bytes(range(rnd.choice((0, 3, 100)))),
    }  # fmt: skip


def of(rnd, data):
    """A case for any bytes: without calls if wasmtime finds no valid module in them, or one not of the container's set."""
    if not oracle.valid(data):
        try:
            return case(rnd, data)
        except (IndexError, ValueError):
            pass
    return {"data": data, "calls": [], "fuel": 1000, "pages": 2}


def from_bytes(data):
    """The case of a coverage-guided input: what is drawn is drawn from its bytes."""
    return of(random.Random(zlib.crc32(data)), data)


def generated(rnd, size=100):
    """A case of a generated module."""
    return case(rnd, generate(rnd, size))


def mutated(rnd, original, size=25):
    """A case of a mutated module; half of the originals of None are generated small."""
    data = generate(rnd, size) if original is None else original
    return of(rnd, mutate.mutate(rnd, data, generate(rnd, 12)))


def draw(rnd, corpus):
    """A case for the search: generated, binaryen's, or mutated from any of these, the examples and the corpus."""
    r = rnd.random()
    if r < 0.5:
        return generated(rnd, rnd.choice((10, 50, 100, 200)))
    if r < 0.6:
        return of(rnd, binaryen(rnd))
    original = None
    if r < 0.63:
        original = binaryen(rnd)
    elif r < 0.66:
        small = [path for path in sorted(EXAMPLES.glob("*.wasm")) if path.stat().st_size < SMALL_BYTES]
        original = rnd.choice(small).read_bytes()
    elif r < 0.8:
        kept = sorted(corpus.iterdir())
        if kept:
            data = rnd.choice(kept).read_bytes()
            original = None if oracle.valid(data) else data
    try:
        return mutated(rnd, original)
    except (IndexError, ValueError):
        return mutated(rnd, None)


def binaryen(rnd):
    """A module that binaryen makes of random bytes, often optimised, with a memory of one page."""
    if shutil.which("wasm-opt") is None:
        raise SystemExit("Error: wasm-opt is not here: install binaryen, or run `make fuzz` as root")
    with tempfile.TemporaryDirectory(prefix="backfence-fuzz-") as folder:
        source, made = Path(folder) / "bytes", Path(folder) / "made"
        failed = True
        while failed:  # its optimiser has faults of its own
            source.write_bytes(rnd.randbytes(rnd.choice((100, 500, 2000))))
            failed = subprocess.run(
                ["wasm-opt", "-ttf", "--fuzz-passes", *FEATURES, "--remove-imports", str(source), "-o", str(made)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            ).returncode
        parts = Parts(made.read_bytes())
    if parts[MEMORY]:
        parts[MEMORY][:] = [b"\1\1\3"]
    return parts.join()


def line(case):
    """A case as a line of a batch."""
    return json.dumps({key: value.hex() if isinstance(value, bytes) else value for key, value in case.items()})
