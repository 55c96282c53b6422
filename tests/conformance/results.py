"""What the driver printed, counted and held against the table of what is left over."""

import collections

KINDS = (
    "assert_return", "assert_trap", "assert_exhaustion", "assert_invalid", "assert_malformed",
    "assert_unlinkable", "assert_uninstantiable",
)  # fmt: skip
# The other commands: their failures count, but they are no assertions.
SET_UP = {"module", "register", "action"}
# Of the assertions of each kind that are not refused for an import or a cap, so many must pass.
AIMS = dict.fromkeys(KINDS, 1.0) | {"assert_return": 0.995}

Result = collections.namedtuple("Result", "file line kind verdict fuel words")


class ResultError(Exception):
    """A run's output is not whole; the text says what happened."""


def parse(name, text):
    """[Result] of one file's output, without its first and last line."""
    found = []
    for line in text.splitlines():
        parts = line.split("\t", 4)
        if len(parts) != 5 or not parts[0].isdigit():
            raise ResultError(f"{name}: the driver printed {line!r}")
        kind = parts[1] if parts[1] != "assert_get" else "assert_return"
        found.append(Result(name, int(parts[0]), kind, parts[2], int(parts[3]), parts[4]))
    return found


def counted(results, table, engine):
    """The results, with failures that the table counts `as` something else so."""
    verdicts = {}
    for entry in table["left"]:
        if "as" in entry and engine in entry.get("engines", [engine]):
            verdicts.update({(entry["file"], line): entry["as"] for line in entry["lines"]})
    return [
        r._replace(verdict=verdicts.get((r.file, r.line), "FAIL")) if r.verdict == "FAIL" else r for r in results
    ]


def tally(results):
    """{kind: {"passed", "total", "imports", "caps"}}; the total leaves out those refused."""
    counts = {kind: dict.fromkeys(("passed", "total", "imports", "caps"), 0) for kind in KINDS}
    for result in results:
        count = counts.get(result.kind)
        if count is None or result.verdict == "outdated":
            continue
        if result.verdict in ("imports", "caps"):
            count[result.verdict] += 1
        else:
            count["total"] += 1
            count["passed"] += result.verdict == "ok"
    return counts


def beside_the_table(results, table, engine):
    """Lines: failures that the table does not have, and entries of the table that pass.

    `table` is table.toml's: "left" for assertions, one by one, "refused" for the
    number of modules and assertions in each file that hang on an import or a cap, for
    every engine or {engine: number}.
    """
    files = {result.file for result in results}
    expected = {}
    for entry in table["left"]:
        if entry["file"] in files and engine in entry.get("engines", [engine]):
            expected.update({(entry["file"], line): entry["reason"] for line in entry["lines"]})
    failed = {(result.file, result.line): result for result in results if result.verdict == "FAIL"}
    lines = [
        f"{r.file}.wast:{r.line}: {r.kind}: {r.words}" for at, r in failed.items() if at not in expected
    ]
    lines += [
        f"{name}.wast:{line}: passes, but the table says: {reason}"
        for (name, line), reason in expected.items() if (name, line) not in failed
    ]  # fmt: skip
    return lines + _refused(results, files, table["refused"], engine)


def _refused(results, files, refused, engine):
    counts = collections.Counter((r.file, r.verdict) for r in results if r.verdict in ("imports", "caps"))
    wanted = {
        (name, verdict): count if isinstance(count, int) else count.get(engine, 0)
        for verdict, entries in refused.items() for name, count in entries.items() if name in files
    }  # fmt: skip
    return [
        f"{name}.wast: {counts.get((name, verdict), 0)} commands refused for {verdict},"
        f" the table says {wanted.get((name, verdict), 0)}"
        for name, verdict in sorted(counts.keys() | wanted.keys())
        if counts.get((name, verdict), 0) != wanted.get((name, verdict), 0)
    ]


def missed(counts):
    """Lines: the aims that these counts miss."""
    return [
        f"{kind}: {count['passed']} of {count['total']}, the aim is {AIMS[kind]:.1%}"
        for kind, count in counts.items()
        if count["passed"] < AIMS[kind] * count["total"]
    ]


def fuel_differs(runs):
    """(how many commands were compared, lines where two runs used different fuel).

    `runs` is {name: [Result]}; commands that were refused somewhere are left out.
    """
    seen = {}
    lines = []
    compared = 0
    for name, results in runs.items():
        places = collections.Counter()
        for result in results:
            at = (result.file, result.line, places[result.file, result.line])
            places[result.file, result.line] += 1
            if result.verdict in ("imports", "caps"):
                continue
            first = seen.setdefault(at, (name, result.fuel))
            if first[0] != name:
                compared += 1
                if first[1] != result.fuel:
                    lines.append(
                        f"{at[0]}.wast:{at[1]}: {result.kind}: {first[1]} on {first[0]}, {result.fuel} on {name}"
                    )
    return compared, lines
