"""Benches: the figures of the agent's own classes, each beside its reference.

A bench is a file here with TITLE and `rows(nodes, seed, say)`: a list of dicts

    {"figure": text, "nodes": int, "ours": number, "reference": number or None,
     "reference_of": text, "aim": "<= 2" or None}

`say(text)` shows progress.  The harness adds ratio and held, and writes
NAME.json.  A bench with other sizes than the usual ones has NODES, and one whose plays
can be taken one by one has PLAYS, their names, and `rows(nodes, seed, say, chosen)`.
"""

import importlib
import json
import operator
import os
import pathlib
import pkgutil
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed

# The sizes at which figures are taken, unless a bench or the command says otherwise.
NODES = (1_000, 10_000)
# One bench a process, and no more processes than a small machine has cores.
PROCESSES = 2
FIELDS = ("figure", "nodes", "ours", "reference", "reference_of", "aim")
_AIMS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "==": operator.eq}


def load(name):
    """A bench's module; ModuleNotFoundError if there is none of this name."""
    return importlib.import_module(__name__ + "." + name)


def names():
    """The benches, by name, each with its title."""
    return {module.name: load(module.name).TITLE for module in pkgutil.iter_modules(__path__)}


def holds(aim, ours):
    """Whether `ours` meets an aim such as "<= 2"; None without an aim, ValueError if it is none."""
    if aim is None:
        return None
    sign, _, number = aim.partition(" ")
    if sign not in _AIMS:
        raise ValueError("an aim is a sign and a number, such as '<= 2', not %r" % aim)
    return _AIMS[sign](ours, float(number))


def worst(aim, found):
    """The one of several numbers that meets an aim least well; without an aim the greatest."""
    return (min if aim and aim[0] == ">" else max)(found)


def judge(row):
    """A bench's row with `ratio` and `held`; ValueError if it is not one."""
    if set(row) != set(FIELDS):
        raise ValueError("a row has %s, not %s" % (", ".join(FIELDS), ", ".join(sorted(row))))
    ratio = row["ours"] / row["reference"] if row["reference"] else None
    return dict(row, ratio=ratio, held=holds(row["aim"], row["ours"]))


def command(name, sizes, seed, plays=None):
    """The command that repeats one bench."""
    some = " --plays " + ",".join(plays) if plays else ""
    return "python -m backfence.sim bench %s --nodes %s --seed %d%s" % (name, ",".join(map(str, sizes)), seed, some)


def _cpu_s():
    """Seconds of CPU of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def _say(text):
    print(text, file=sys.stderr, flush=True)


def perform(name, sizes=None, seed=1, out=None, say=_say, plays=None):
    """Runs one bench at each size; its report, written to out/NAME.json if `out` is given.

    plays: only these of its PLAYS.
    A bench that raises is a bench that missed: its traceback is in "failure".
    """
    module = load(name)
    sizes = tuple(sizes or getattr(module, "NODES", NODES))
    begun, chosen = _cpu_s(), [plays] if plays else []
    rows, failure = [], None
    for nodes in sizes:
        try:
            found = module.rows(nodes, seed, lambda text: say("%s %d: %s" % (name, nodes, text)), *chosen)
            for row in found:
                rows.append(judge(row))
        except Exception:
            failure = traceback.format_exc()
            say("%s %d: %s" % (name, nodes, failure))
            break
    report = {
        "bench": name,
        "title": module.TITLE,
        "seed": seed,
        "command": command(name, sizes, seed, plays),
        "cpu_s": round(_cpu_s() - begun, 1),
        "held": failure is None and all(row["held"] is not False for row in rows),
        "rows": rows,
    }
    if failure:
        report["failure"] = failure
    if out is not None:
        folder = pathlib.Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / (name + ".json")).write_text(json.dumps(report, indent=2) + "\n")
    return report


def perform_all(chosen, sizes=None, seed=1, out=None, plays=None):
    """Runs benches side by side, and yields each one's report as it ends; plays: of one that has some."""
    if len(chosen) < 2:
        for name in chosen:
            yield perform(name, sizes, seed, out, plays=plays)
        return
    with ProcessPoolExecutor(PROCESSES, max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(perform, name, sizes, seed, out) for name in chosen]):
            yield done.result()


def _number(value):
    if value is None:
        return "-"
    return "%d" % value if float(value) == int(value) and abs(value) < 1e9 else "%.4g" % value


def table(report):
    """Lines for people: one a figure, with its reference, ratio and aim."""
    head = ("figure", "nodes", "ours", "reference", "ratio", "aim", "")
    cells = [head]
    for row in report["rows"]:
        word = {True: "ok", False: "MISSED", None: ""}[row["held"]]
        cells.append((
            row["figure"], _number(row["nodes"]), _number(row["ours"]), _number(row["reference"]),
            _number(row["ratio"]), row["aim"] or "-", word))
    widths = [max(len(cell[i]) for cell in cells) for i in range(len(head))]
    lines = ["%s: %s (%.0f s of CPU)" % (report["bench"], report["title"], report["cpu_s"])]
    for cell in cells:
        numbers = [cell[i].rjust(widths[i]) for i in range(1, 6)]
        lines.append("  ".join(["  " + cell[0].ljust(widths[0])] + numbers + [cell[6]]).rstrip())
    sources = sorted({row["reference_of"] for row in report["rows"] if row["reference_of"]})
    return lines + ["  references: " + "; ".join(sources)] if sources else lines
