"""Makes the tests' text into what driver.py reads, by wast2json of Debian's wabt.

For each test NAME: NAME.cmd, a JSON list for each command, and NAME.mod, the bytes of
its modules one behind the other.  Integers and floats are given by their bits.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

# binaryen's copies date from when the specification wrote these otherwise.
OLD_NAN = re.compile(r'^\(assert_return_(canonical|arithmetic)_nan (\(invoke "([^"]+)".*\))\)', re.MULTILINE)
OLD_TYPE = re.compile(r"\((block|loop|if)( \$\w+)? (i32|i64|f32|f64) \(")
OLD_ELEM = re.compile(r"\(elem (\$t|0x0+|0) \(")
# binaryen's copy of imports.wast gives the module that all others import from a second table.
TWO_TABLES = '(table (export "table-10-20") 10 20 funcref)'
# Part of the key of what is kept: changes when the form does.
FORM = 4


class ConvertError(Exception):
    """A test could not be converted; one line for a person."""


def modernise(text):
    """The text with what wast2json no longer reads said in today's way."""

    def nan(match):
        kind, invoke, name = match.groups()
        at = text.rindex(f'(export "{name}")', 0, match.start())
        kind_of = re.compile(r"\(result (f32|f64)\)").search(text, at)[1]
        return f"(assert_return {invoke} ({kind_of}.const nan:{kind}))"

    text = OLD_NAN.sub(nan, text)
    text = OLD_TYPE.sub(r"(\1\2 (result \3) (", text)
    return OLD_ELEM.sub("(elem (", text).replace(TWO_TABLES, "")


def bits(value):
    """[type, bits] of a value of wast2json's; of a set of NaNs, its name."""
    number = value["value"]
    return [value["type"], number if number.startswith("nan:") else int(number)]


class Writer:
    """The two files of one test."""

    def __init__(self):
        self.lines = []
        self.modules = bytearray()

    def command(self, line, kind, *rest):
        """A command: its line in the test, the Driver's method, its arguments.

        MicroPython's json does not join the two halves of an escaped character.
        """
        self.lines.append(json.dumps([line, kind, *rest], separators=(",", ":"), ensure_ascii=False))

    def module(self, data):
        """Keep a module; (position, size)."""
        at = len(self.modules)
        self.modules += data
        return at, len(data)

    def save(self, path):
        """Write NAME.mod, then NAME.cmd; `path` is the latter."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".mod").write_bytes(self.modules)
        part = path.with_suffix(".part")
        part.write_text("".join(line + "\n" for line in self.lines), encoding="utf-8")
        part.rename(path)


def commands(found, folder, writer):
    """Rewrite wast2json's commands; what is about the text format is not ours."""
    for command in found:
        kind, line = command["type"], command["line"]
        action = command.get("action", {})
        if kind == "module":
            data = (folder / command["filename"]).read_bytes()
            writer.command(line, kind, command.get("name"), *writer.module(data))
        elif kind == "register":
            writer.command(line, kind, command["as"], command.get("name"))
        elif action.get("type") == "get":
            if kind == "assert_return":
                expected = [bits(value) for value in command["expected"]]
                writer.command(line, "assert_get", action.get("module"), action["field"], expected)
        elif action:
            rest = [action.get("module"), action["field"], [bits(value) for value in action["args"]]]
            if kind == "assert_return":
                rest.append([bits(value) for value in command["expected"]])
            elif kind != "action":
                rest.append(command["text"])
            writer.command(line, kind, *rest)
        elif command["module_type"] == "binary":
            data = (folder / command["filename"]).read_bytes()
            writer.command(line, kind, *writer.module(data), command["text"])


def convert(source, path):
    """Convert one .wast file to `path`, a .cmd; raises ConvertError."""
    tool = shutil.which("wast2json")
    if tool is None:
        raise ConvertError("wast2json is not here: install Debian's wabt, or run `make test` as root")
    with tempfile.TemporaryDirectory(prefix="backfence-") as name:
        folder = Path(name)
        text = source.read_bytes().decode("utf-8", "surrogateescape")
        (folder / source.name).write_bytes(modernise(text).encode("utf-8", "surrogateescape"))
        run = subprocess.run(
            [tool, source.name, "-o", "out.json"], cwd=folder, capture_output=True, text=True, errors="replace"
        )
        if run.returncode:
            raise ConvertError(f"wast2json refuses {source.name}: {run.stderr.strip().splitlines()[0]}")
        writer = Writer()
        commands(json.loads((folder / "out.json").read_text())["commands"], folder, writer)
    writer.save(path)


def key(source):
    """Names a converted test by what it was made of."""
    return hashlib.sha256(b"%d " % FORM + source.read_bytes()).hexdigest()[:12]


def prepared(source, folder):
    """The .cmd file of a .wast file in `folder`, converted if it is not there yet."""
    path = folder / f"{source.stem}-{key(source)}.cmd"
    if not path.exists():
        convert(source, path)
    return path
