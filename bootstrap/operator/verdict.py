"""What is said of a program that was checked or tried: lines for people, values for JSON."""

import sys

from ...agent.container import room
from ...agent.container.limits import Refused
from ...agent.container.limits import PAGE_BYTES
from . import program, trial

# Exit codes of `backfence try` where the program gives none: as shells and
# `timeout` have them (abort, timed out, killed for its memory, interrupted, not executable).
CODES = {"ok": 0, "trap": 134, "fuel": 124, "memory": 137, "cancelled": 130, "refused": 126}
CODE_MOST = 255
NO_MICROPYTHON = (
    "no MicroPython 1.23 or later was found here, so this ran on CPython: results and fuel are a box's, "
    "memory, speed and what can be compiled are not; `make setup` fetches one"
)
ROWS = 24
BAR = 16


def check(data, allowed, by_manifest):
    """What a box would say to a program (bytes), a dict for JSON.

    allowed: {"fuel", "pages", "output"}; by_manifest: they were given, so that a
    run they end at once is told.
    """
    try:
        survey = program.Survey(data)
    except Refused as reason:
        return _no("refused", str(reason), program.fix(str(reason)))
    fuel = survey.fuel()
    pages = survey.module.memory or (0, 0)
    if by_manifest:
        if pages[0] > allowed["pages"]:
            return _no(
                "memory", f"it needs {pages[0]} pages at the start, the manifest allows {allowed['pages']}",
                f"Set pages = {pages[0]} or more in [limits].",
            )
        if fuel["least"] > allowed["fuel"]:
            return _no(
                "fuel", f"it takes {fuel['least']:,} fuel to begin, the manifest allows {allowed['fuel']:,}",
                "Raise fuel in [limits]; `backfence try --stats` says what a run takes.",
            )
    # The engine that every box has; some have a second, which takes what this one takes.
    asked = trial.request(data, run=False, engine="translated")
    found = trial.hold(asked, trial.HEAP_BYTES, lambda piece: None)
    if found.kind != "admitted":
        return _no(found.kind, found.reason, program.fix(found.reason))
    largest = survey.largest()
    caps = survey.limits
    grows = any(one.grows for one in survey.functions)
    most = min(allowed["pages"], caps.pages if pages[1] < 0 else pages[1])
    return {
        "admitted": True, "outcome": "admitted", "reason": "", "fix": "",
        "interpreter": found.interpreter, "micropython": found.micropython, "engine": found.report["engine"],
        "bytes": len(data), "bytes_cap": caps.module_bytes,
        "functions": len(survey.functions), "code_bytes": sum(one.size for one in survey.functions),
        "largest": largest and [largest.index, survey.names.get(largest.index, ""), largest.size],
        "function_cap": caps.function_bytes,
        "imports": [name for _, name, _ in survey.module.imports],
        "pages": pages[0], "pages_most": most if grows else pages[0],
        "heap": heap(found, data, pages[0], survey),
        "admit_ms": found.report["admit_ms"],
        "fuel": {**fuel, "loops": len(fuel["loops"])},
        "limits": allowed if by_manifest else None,
    }


def _no(outcome, reason, remedy):
    return {"admitted": False, "outcome": outcome, "reason": reason, "fix": remedy}


def heap(found, data, pages, survey):
    """Bytes of heap, a dict: "memory" at the start; "code", kept with the program; "translation_32" and
    "translation_64", what the largest function takes besides, for a moment, on a box of that word size.

    "code" is measured here, or a box's own estimate where the interpreter does not count.
    """
    _, held, without = found.report["heap"]
    largest = survey.largest().size if survey.functions else 0
    code = room.KEPT * sum(one.size for one in survey.functions) if held is None else max(held - without, 0)
    return {
        "memory": pages * PAGE_BYTES, "code": code + len(data),
        "translation_32": largest * room.COMPILING[32], "translation_64": largest * room.COMPILING[64],
    }


def lines(path, found):
    """`check` for people: what was found of an admitted program."""
    number = "{:,}".format
    rows = [("size", f"{found['bytes']:,} of {found['bytes_cap']:,} bytes {bar(found['bytes'] / found['bytes_cap'])}")]
    if found["largest"]:
        index, name, size = found["largest"]
        rows.append(("functions", f"{found['functions']}; the largest is {label(index, name)}: {size:,} of "
                     f"{found['function_cap']:,} bytes {bar(size / found['function_cap'])}"))
    rows.append(("imports", ", ".join(found["imports"]) or "nothing"))
    rows.append(("memory", f"{_pages(found['pages'])} of 64 KiB at the start, {found['pages_most']} at most"))
    kib = {key: "{:,} KiB".format(-(-value // 1024)) for key, value in found["heap"].items()}
    rows.append(("heap", f"{kib['memory']} of memory and {kib['code']} of program; to translate the largest function "
                 f"some {kib['translation_32']} more on a 32-bit box, {kib['translation_64']} on a 64-bit one"))
    rows.append(("fuel", _fuel(found["fuel"])))
    if found["limits"]:
        rows.append(("limits", ", ".join(f"{key} {number(value)}" for key, value in found["limits"].items())))
    return [f"{path}: a box admits it ({found['engine']}, {found['interpreter']}, {found['admit_ms']} ms)",
            *(f"  {key:10} {value}" for key, value in rows),
            *([] if found["micropython"] else ["Warning: " + NO_MICROPYTHON])]


def _pages(count):
    return f"{count} page" + ("" if count == 1 else "s")


def _fuel(fuel):
    if fuel["most"] is not None:
        return f"{fuel['least']:,} to begin, {fuel['most']:,} at most, whatever the input"
    why = []
    if fuel["loops"]:
        why.append(f"{fuel['loops']} of {fuel['functions']} functions have loops")
    if fuel["recursion"]:
        why.append("functions call themselves")
    if fuel["indirect"]:
        why.append("calls go by way of the table")
    if fuel["moves"] and not why:
        why.append("bytes are moved")
    return f"{fuel['least']:,} to begin; the rest depends on the input ({', '.join(why)}): see `backfence try --stats`"


def label(index, name):
    """A function for people: "[7] count", "function 7" without a name."""
    return f"[{index}] {name}" if name else f"function {index}"


def bar(share, width=BAR):
    """A bar for a share of 0..1, in eighths of a character where the terminal has them."""
    encoding = (getattr(sys.stderr, "encoding", None) or "ascii").lower()
    if not encoding.startswith("utf"):
        return "#" * round(share * width)
    eighths = round(min(max(share, 0), 1) * width * 8)
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def code(found):
    """The exit code of `try`: the program's own, or one of CODES."""
    if found.kind == "exit":
        return min(found.report["code"], CODE_MOST)
    return CODES[found.kind]


def line(found):
    """One line on a run that did not end well, such as "trap: unreachable executed (fuel 12)"."""
    fuel = found.report.get("fuel")
    if found.kind == "fuel":
        return f"fuel: all {fuel:,} used up, and the program had not ended"
    reason = f"code {found.report['code']}" if found.kind == "exit" else found.reason
    return f"{found.kind}: {reason}" + ("" if fuel is None else f" (fuel {fuel:,})")


def stats_line(found):
    """One line on any run: its outcome, and what it took."""
    report = found.report
    if "fuel" not in report:
        return line(found)
    ended = found.kind if found.kind == "ok" else line(found).partition(" (fuel")[0]
    return (
        f"{ended}; fuel {report['fuel']:,}, {_pages(report['pages'])}, {report['output']:,} bytes out, "
        f"{report['admit_ms']:,} ms to admit, {report['run_ms']:,} ms to run; {report['engine']}, {found.interpreter}"
    )


def stats(found, heap_bytes, survey):
    """The same and the profile, a dict for JSON."""
    report = found.report
    value = {
        "outcome": found.kind, "code": report.get("code", 0), "reason": found.reason, "exit": code(found),
        "interpreter": found.interpreter, "micropython": found.micropython, "engine": report.get("engine"),
        "heap_bytes": heap_bytes if found.micropython else None, "stderr": report.get("errors", ""),
    }
    value.update({key: report.get(key) for key in ("fuel", "pages", "output", "admit_ms", "run_ms")})
    if survey:
        value["profile"] = [
            {"function": i if isinstance(i, int) else None, "name": survey.names.get(i, "") if isinstance(i, int) else i,
             "calls": calls, "fuel": fuel}
            for i, calls, fuel in _sorted(report["profile"])
        ]
    return value


def _sorted(rows):
    return sorted(rows, key=lambda row: (-row[2], str(row[0])))


def profile_lines(found, survey):
    """Fuel by function for people: a line each, with a bar; the fuels add up to the run's."""
    rows = _sorted(found.report["profile"])
    total = max(found.report["fuel"], 1)
    shown = [
        (label(i, survey.names.get(i, "")) if isinstance(i, int) else f"{i} (WASI)", calls, fuel)
        for i, calls, fuel in rows[:ROWS]
    ]
    if rows[ROWS:]:
        rest = rows[ROWS:]
        shown.append((f"{len(rest)} others", sum(row[1] for row in rest), sum(row[2] for row in rest)))
    out = [f"{'share':>7}  {'':{BAR}}  {'fuel':>15}  {'calls':>12}  function"]
    for name, calls, fuel in shown:
        out.append(f"{100 * fuel / total:5.1f} %  {bar(fuel / total):{BAR}}  {fuel:15,}  {calls:12,}  {name}")
    out.append(f"{'':7}  {'':{BAR}}  {found.report['fuel']:15,}  {'':12}  in all")
    if survey.stripped:
        out.append("The functions have no names here: link with -Wl,--strip-debug instead of --strip-all to see them.")
    return out
