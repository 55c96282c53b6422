"""Cases run in batches by other interpreters; a process that dies gives up its case."""

import json
import subprocess
import tempfile
from pathlib import Path

import cases as case_lines

from backfence.sim.live import interpreters

DEVICE = Path(__file__).resolve().parent / "device.py"
HEAP = "48M"
# For one batch; an emulated processor needs the most.
LIMIT_S = 240


class Found(Exception):
    """An interpreter died or hung: `cases` in one process repeat it; the last of them alone, if one."""

    def __init__(self, what, cases):
        super().__init__(what)
        self.cases = cases


def command(name, *arguments):
    """(command line, environment) of device.py on an interpreter."""
    found = interpreters.find(name)
    environment = dict(found.environment)
    if name == "cpython":
        environment["PYTHONPATH"] = str(interpreters.import_root())
    return found.arguments(str(DEVICE), *arguments, heap=HEAP), environment


def write(path, batch):
    """Write cases as a batch."""
    Path(path).write_text("".join([case_lines.line(case) + "\n" for case in batch]))


def once(name, batch, engines=(), limit_s=LIMIT_S):
    """([(case number, engine, record)], what killed the process or "") of one process."""
    with tempfile.TemporaryDirectory(prefix="backfence-fuzz-") as folder:
        path = Path(folder) / "batch"
        write(path, batch)
        line, environment = command(name, str(path), *engines)
        try:
            run = subprocess.run(
                line, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=limit_s, cwd=folder,
            )
            printed, death = run.stdout.decode(errors="replace"), _death(run)
        except subprocess.TimeoutExpired as expired:
            printed, death = (expired.stdout or b"").decode(errors="replace"), f"no end after {limit_s} s"
    records, begun = [], None
    for text in printed.splitlines():
        if text.startswith("begin "):
            _, number, engine = text.split()
            begun = int(number), engine
        elif text.startswith("end ") and begun:
            records.append((*begun, json.loads(text[4:])))
            begun = None
    if death and begun is None and not records:
        raise RuntimeError(f"{name}: {death}: {printed[-500:]}")
    if begun:
        records.append((*begun, {"raised": death or "the process ended", "died": True}))
    return records, death


def _death(run):
    if run.returncode < 0 or run.returncode > 128:
        signal = -run.returncode if run.returncode < 0 else run.returncode - 128
        return f"killed by signal {signal}"
    if not run.stdout.rstrip().endswith(b"done"):
        return f"exit status {run.returncode}: {run.stdout[-200:].decode(errors='replace')}"
    return ""


def run(name, batch, engines=(), limit_s=LIMIT_S):
    """Yields (case number, engine, record) for the whole batch, going on after a death.

    A record of a process that died has "raised", and "repeats": the cases that in one
    process do it again, as few as a bisection finds.
    """
    first = 0
    while first < len(batch):
        records, death = once(name, batch[first:], engines, limit_s)
        for number, engine, record in records:
            if record.get("died"):
                record["repeats"] = bisect(name, batch[first : first + number + 1], engines, limit_s)
            yield first + number, engine, record
        if not death:
            return
        first += records[-1][0] + 1


def bisect(name, batch, engines, limit_s=LIMIT_S):
    """The fewest last cases of a batch with which the process still dies."""

    def dies(count):
        return bool(once(name, batch[-count:], engines, limit_s)[1])

    count = 1
    while count < len(batch) and not dies(count):
        count *= 2
    count = min(count, len(batch))
    least = count // 2 + 1
    while least < count:
        middle = (least + count) // 2
        if dies(middle):
            count = middle
        else:
            least = middle + 1
    return batch[-count:]
