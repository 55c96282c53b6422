"""Coverage-guided search of the decoder, the validation and the translator on CPython, by atheris.

    guided.py CORPUS [libFuzzer's options]

An input is a module.  It is changed by bytes (libFuzzer) and by structure (mutate.py); one
that reaches new code is kept in CORPUS.  A finding is an exception, and ends the process.
"""

import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "agent" / "container")]

import atheris  # noqa: E402

with atheris.instrument_imports(include=["backfence.agent.container"]):
    from backfence.agent import container

    # All of it, now: what a box loads with its first job would not be seen.
    while not (container.load() and container.load("translated")):
        pass

import cases  # noqa: E402
import compare  # noqa: E402
import findings  # noqa: E402
import mutate  # noqa: E402
from generate import generate  # noqa: E402


class Finding(Exception):
    """The container did what it must not."""


def one(data):
    """One input."""
    case = cases.from_bytes(data)
    text = compare.finding(compare.Oracle(case), findings.here(case, None))
    if text:
        raise Finding(text)


def mutator(data, most, seed):
    """A changed input: by what it means if it can be taken apart, else by bytes."""
    rnd = random.Random(seed)
    if rnd.random() < 0.7:
        try:
            changed = mutate.mutate(rnd, data, generate(rnd, 8))
            if len(changed) <= most:
                return changed
        except (IndexError, ValueError, UnicodeDecodeError):
            pass
    return atheris.Mutate(data, most)


def seeds(folder):
    """Generated modules for an empty corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        for number in range(200):
            (folder / f"seed-{number}").write_bytes(generate(random.Random(number), 12))


if __name__ == "__main__":
    seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one, custom_mutator=mutator)
    atheris.Fuzz()
