"""Findings: kept once for each kind, made smaller, with the command that repeats them."""

import re
import subprocess
import sys
import time
from pathlib import Path

import batches
import compare
import device
import oracle
from binary import CODE, Parts, instructions, locals_end

SHRINK_S = 60


def here(case, mode):
    """device.record of this process, an error as a record."""
    try:
        out = device.record(case, "translated", mode)
        wrong = device.witness("translated")
        if wrong:
            out["after"] = wrong
        return out
    except Exception as e:
        return {"raised": f"{type(e).__name__}: {e}"}


def kind_of(text):
    """What two findings of one cause have in common, probably."""
    return re.sub(r"-?\d+", "N", text.split("(at offset")[0])[:100]


class Findings:
    """The findings of one search."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.kinds = {}

    def add(self, text, name, engine, batch):
        """Keep a finding: `batch` repeats it on interpreter `name` with `engine`."""
        self.count += 1
        key = kind_of(text), name, engine
        if key in self.kinds:
            return
        if len(batch) == 1 and not text.startswith("libFuzzer"):
            batch = [smaller(batch[0], kind_of(text), name, engine)]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{time.strftime('%m%d-%H%M%S')}-{len(self.kinds)}.json"
        batches.write(path, batch)
        path.with_suffix(".wasm").write_bytes(batch[-1]["data"])
        self.kinds[key] = path
        print(f"FOUND on {name} ({engine}): {text}\n  again: {again(path, name, engine)}", flush=True)

    def tell(self):
        """All of them, with the commands."""
        for (text, name, engine), path in self.kinds.items():
            print(f"{name} ({engine}): {text}\n  {again(path, name, engine)}")


def again(path, name, engine):
    """The command that repeats a finding."""
    script = Path(__file__).with_name("fuzz.py")
    return f"{sys.executable} {script} --repeat {path} --on '{name}' --engine {engine}"


def shows(case, kind, name, engine):
    """Does the case show a finding of this kind?"""
    from fuzz import MODES

    try:
        if name in MODES:
            record = here(case, MODES[name])
        else:
            record = batches.once(name, [case], [engine], 60)[0][-1][2]
        return kind_of(compare.finding(compare.Oracle(case), record)) == kind
    except (subprocess.SubprocessError, RuntimeError, LookupError, ValueError):
        return False


def smaller(case, kind, name, engine):
    """A smaller case of the same finding: fewer calls, then fewer instructions."""
    until = time.monotonic() + SHRINK_S
    best = case

    def attempt(changed):
        nonlocal best
        if time.monotonic() < until and shows(changed, kind, name, engine):
            best = changed
            return True
        return False

    if not attempt(dict(case)):
        return case
    for number in range(len(best["calls"]) - 1, -1, -1):
        attempt(dict(best, calls=best["calls"][:number] + best["calls"][number + 1 :]))
    valid = not oracle.valid(case["data"])
    try:
        parts = Parts(case["data"])
    except (IndexError, ValueError):
        return best
    for index in range(len(parts[CODE])):
        for piece in (10**6, 16, 8, 4, 2, 1):
            _cut(best, index, piece, attempt, valid)
    return best


def _cut(case, index, piece, attempt, valid):
    """Take runs of `piece` instructions out of body `index` while the finding stays."""
    at = 0
    while True:
        parts = Parts(case["data"])
        body = parts[CODE][index]
        try:
            listing = instructions(body, locals_end(body))
        except IndexError:
            return
        if at >= len(listing) - 1:
            return
        last = min(at + piece, len(listing) - 1)
        for filler in (b"", b"\0") if piece > 1 else (b"",):
            parts[CODE][index] = body[: listing[at][1]] + filler + body[listing[last][1] :]
            changed = dict(case, data=parts.join())
            if bool(oracle.valid(changed["data"])) != valid and attempt(changed):
                case = changed
                break
        else:
            at += piece
