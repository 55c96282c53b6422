"""The bench's figures from its times: ratios beside their aims, and how they are shown."""

import math

import programs
from rich.console import Console
from rich.table import Table

# What CoreMark does under wasmtime where the aims' iterations were fixed: an aim is a
# share of wasmtime's speed, whatever the machine.
WASMTIME_ITERATIONS = 18000
ITERATIONS = {"translated": 90, "machine": 400}
HAND_RATIO = 1.5
MACHINE_GAIN = 3.0


def report(times, interpreters, bits):
    """{"times": {program: {contender: seconds a round}}, "ratios": [...], "aims": [...]}."""
    return {"times": times, "ratios": ratios(times), "aims": aims(times, interpreters, bits)}


def ratios(times):
    """A row for each program: how many times as long as the reference each contender took."""
    rows = []
    for program, took in times.items():
        for contender, seconds in took.items():
            how, _, interpreter = contender.partition(" ")
            row = {"program": program, "contender": contender}
            for name, reference in (("hand", f"hand {interpreter}"), ("wabt", "wabt"), ("wasmtime", "wasmtime")):
                row[name] = seconds / took[reference] if reference in took and how != name else None
            rows.append(row)
    return rows


def mean(values):
    """The geometric mean, which ratios have; None of nothing."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def aims(times, interpreters, bits):
    """What was aimed at, and what was measured."""
    kernels = [name for name in times if name != programs.COREMARK and name not in programs.LONG]

    def over(one, other):
        pairs = [(times[k][one], times[k][other]) for k in kernels if one in times[k] and other in times[k]]
        return mean([a / b for a, b in pairs])

    rows = []
    for name in interpreters:
        ours, hand = f"translated {name}", f"hand {name}"
        _row(rows, f"{ours}: time over {hand}, kernels", over(ours, hand), "<=", HAND_RATIO)
        _row(rows, f"{ours}: time over the same without fuel, kernels", over(ours, f"unmetered {name}"), "", None)
        if bits[name] == 64:
            _row(rows, f"{ours}: time over wabt, kernels", over(ours, "wabt"), "<=", 1.0)
        aim = MACHINE_GAIN if bits[name] == 32 else None
        _row(rows, f"{ours}: time over machine {name}, kernels", over(ours, f"machine {name}"), ">=", aim)
    took = times.get(programs.COREMARK, {})
    for contender in took:
        how = contender.partition(" ")[0]
        if how in ITERATIONS:
            scaled = WASMTIME_ITERATIONS * took["wasmtime"] / took[contender]
            what = f"{contender}: CoreMark iterations/s where wasmtime does {WASMTIME_ITERATIONS}"
            _row(rows, what, scaled, ">=", ITERATIONS[how])
    return rows


def _row(rows, figure, value, sign, aim):
    if value is not None:
        held = None if aim is None else value <= aim if sign == "<=" else value >= aim
        rows.append({"figure": figure, "value": value, "aim": None if aim is None else f"{sign} {aim:g}", "held": held})


def show(report):
    """Tables for people."""
    console = Console(soft_wrap=True)
    table = Table(title="One round, times the reference's time", title_justify="left")
    table.add_column("program")
    table.add_column("contender")
    for name in ("hand", "wabt", "wasmtime"):
        table.add_column("/ " + name, justify="right")
    last = None
    for row in report["ratios"]:
        cells = ["-" if row[name] is None else f"{row[name]:.2f}" for name in ("hand", "wabt", "wasmtime")]
        table.add_row(row["program"] if row["program"] != last else "", row["contender"], *cells)
        last = row["program"]
    console.print(table)
    table = Table(title="Aims", title_justify="left")
    for name in ("figure", "measured", "aim", ""):
        table.add_column(name, justify="right" if name in ("measured", "aim") else "left")
    for row in report["aims"]:
        verdict = {True: "held", False: "MISSED", None: ""}[row["held"]]
        table.add_row(row["figure"], f"{row['value']:.2f}", row["aim"] or "-", verdict)
    console.print(table)
