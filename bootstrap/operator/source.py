"""Slices, queries and workloads from small TOML files.

    kind = "slice"            kind = "workload"
    name = "edge"             name = "words"
    seats = 8                 slice = "edge"
    where = 'mem_free >= 1 MiB'   program = "words.wasm"
                              input = "text.txt"
                              split = "words"

    kind = "query"
    name = "best"
    choice = 'top 10 % by availability where arch == "mipsel"'

Paths are relative to the file.  Every key is in KEYS; an unknown one is refused.
"""

import os
import re
import tomllib

from ...agent import limits
from ...agent.container.limits import Refused
from . import manifests, program, reshape, results
from .errors import OperatorError
from .inputs import whole
from .split import split_file
from .verifier import admitted

DURATION = re.compile(r"(\d+)\s*(s|m|h|d)?")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, None: 1}
# Of a file that is read whole, as a program is or what `try` gets: no more than could be sent.
INPUT_BYTES = limits.TASKS * limits.BLOB_BYTES

# kind: {key: type}; types that a key may have.
COMMON = {"kind": str, "name": str, "valid": (str, int)}
KEYS = {
    "slice": {**COMMON, "seats": (int, str), "where": str, "regions": list},
    "query": {**COMMON, "choice": str},
    "workload": {
        **COMMON, "slice": str, "program": str, "input": str, "inputs": list, "split": str,
        "task_bytes": int, "args": list, "replicas": int, "quorum": int, "deadline": (str, int),
        "deterministic": bool, "limits": dict, "merge": str, "adaptive": bool, "attempts": int, "verifier": str,
        "checkers": int,
    },
}
NEEDED = {"slice": ("name", "seats"), "query": ("name", "choice"), "workload": ("name", "slice", "program")}
LIMITS = ("fuel", "pages", "output")


def duration(value):
    """Returns the seconds of 90, "90s", "15m", "2h" or "3d"."""
    match = DURATION.fullmatch(str(value).strip())
    if not match or not int(match[1]):
        raise OperatorError(f"{value!r} is not a duration", 'Write it as 90, "90s", "15m", "2h" or "3d".')
    return int(match[1]) * SECONDS[match[2]]


def load(path, overrides=None):
    """Returns the checked settings of a TOML file, a dict; overrides win unless None."""
    try:
        with open(path, "rb") as file:
            settings = tomllib.load(file)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path} is not TOML: {error}", "See examples/ and docs/cli.md.") from None
    kind = settings.get("kind")
    if kind not in KEYS:
        raise OperatorError(f'{path}: kind must be "slice", "query" or "workload", not {kind!r}')
    folder = os.path.dirname(os.path.abspath(path))
    for key in ("program", "input", "verifier"):
        if isinstance(settings.get(key), str):
            settings[key] = os.path.join(folder, settings[key])
    if isinstance(settings.get("inputs"), list):
        settings["inputs"] = [os.path.join(folder, str(name)) for name in settings["inputs"]]
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if given.keys() - KEYS[kind].keys():
        wrong = ", ".join("--" + key for key in sorted(given.keys() - KEYS[kind].keys()))
        raise OperatorError(f"{wrong} does not go with a {kind}")
    if "input" in given:
        settings.pop("inputs", None)
    settings.update(given)
    check(settings, path)
    return settings


def check(settings, path):
    """OperatorError for an unknown, missing or mistyped key."""
    kind = settings["kind"]
    for key, value in settings.items():
        if key not in KEYS[kind]:
            raise OperatorError(
                f"{path}: a {kind} has no key {key!r}", "Keys are " + ", ".join(KEYS[kind]) + "."
            )
        wanted = KEYS[kind][key]
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        if type(value) not in wanted:
            names = " or ".join(each.__name__ for each in wanted)
            raise OperatorError(f"{path}: {key} must be {names}, not {value!r}")
    for key in NEEDED[kind]:
        if key not in settings:
            raise OperatorError(f"{path}: {key} is missing")
    if kind == "slice" and isinstance(settings["seats"], str) and "%" not in settings["seats"]:
        raise OperatorError(
            f"{path}: seats must be a number or a share of the fleet, not {settings['seats']!r}",
            'Write it as 8, or as "10 %".',
        )
    if kind == "workload":
        if ("input" in settings) == ("inputs" in settings):
            raise OperatorError(f"{path}: give either input (one file, split) or inputs (one file a task)")
        if settings.get("merge", "concat") not in results.MERGES:
            raise OperatorError(f"{path}: merge must be one of {', '.join(results.MERGES)}")
        if not all(isinstance(arg, str) for arg in settings.get("args", [])):
            raise OperatorError(f"{path}: args must be strings")
        unknown = settings.get("limits", {}).keys() - set(LIMITS)
        if unknown:
            raise OperatorError(f"{path}: limits has no {', '.join(sorted(unknown))}")


def build(fleet, settings):
    """Returns the Manifest that checked settings describe."""
    valid_s = duration(settings["valid"]) if "valid" in settings else None
    if settings["kind"] == "slice":
        name, seats = settings["name"], settings["seats"]
        return manifests.slice_manifest(
            fleet, name, seats, settings.get("where"), valid_s or manifests.SLICE_VALID_S,
            absorbs=reshape.carried(fleet, name, seats), regions=settings.get("regions"),
        )
    if settings["kind"] == "query":
        return manifests.query_manifest(
            fleet, settings["name"], settings["choice"], valid_s or manifests.QUERY_VALID_S
        )
    keys = ("replicas", "quorum", "deterministic", "args", "adaptive", "attempts", "checkers")
    chosen = {key: settings[key] for key in keys if key in settings}
    if "verifier" in settings:
        chosen["verifier"] = settings["verifier"]
    if "deadline" in settings:
        chosen["deadline_s"] = duration(settings["deadline"])
    data = read_file(settings["program"], "the program")
    check_program(data, settings["program"])
    return manifests.workload_manifest(
        fleet, settings["name"], settings["slice"], data, inputs(settings), valid_s=valid_s,
        **trusting(chosen), **settings.get("limits", {}),
    )


def trusting(options):
    """Returns the options of a workload (of manifests.workload_manifest) that a person gave, as it takes them.

    None is left out; an adaptive workload has a quorum of two unless it says otherwise; of a
    verifier a path becomes its bytes, which a box would admit.
    """
    found = {key: value for key, value in options.items() if value is not None}
    if found.get("adaptive"):
        found.setdefault("quorum", 2)
    given = found.get("verifier")
    if given:
        data = bytes(given) if isinstance(given, (bytes, bytearray)) else read_file(given, "the verifier")
        admitted(data, "given" if data == given else given)
        found["verifier"] = data
    return found


def check_program(data, path):
    """The program.Survey of a .wasm's bytes; OperatorError, with a box's own reason, if it would not be admitted."""
    try:
        return program.Survey(data)
    except Refused as reason:
        raise OperatorError(f"a box would refuse the program {path}: {reason}", program.fix(str(reason))) from None


def inputs(settings):
    """Returns the list of task inputs, an inputs.Piece each."""
    if "inputs" in settings:
        return [whole(path) for path in settings["inputs"]]
    return split_file(settings["input"], settings.get("split", "words"), settings.get("task_bytes", limits.BLOB_BYTES))


def read_file(path, what):
    """Returns a file's bytes; OperatorError says `what` could not be read."""
    try:
        if os.path.getsize(path) > INPUT_BYTES:
            raise OperatorError(f"{what} {path} is larger than {INPUT_BYTES:,} bytes")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise OperatorError(f"{what} {path} cannot be read: {error.strerror}") from None
