"""The house rules that a machine can check; each check returns lines that say where and what."""

import ast
import graphlib
import io
import json
import re
import subprocess
import sys

import pyflakes.api
import pyflakes.reporter

FILE_LINES = 400
FUNCTION_LINES = 70
# A shorter public method may speak for itself; anything else public has a docstring.
METHOD_LINES = 7
# MicroPython on 32-bit processors has a stack of 40,000 bytes.  An import takes 4,700 of
# them (the path's buffer is most), so that eight can be nested; one is kept as reserve.
NESTED_IMPORTS = 7

# What both interpreters have, and what needs no machine: the core is given its
# time and its randomness, and touches no socket and no file.
CORE_MODULES = {
    "array", "binascii", "cryptolib", "gc", "hashlib", "math", "micropython", "struct", "sys",
    "uctypes",
}
# The edge touches them, by the modules that MicroPython's unix port builds in, and
# learns of signals, and speaks TLS, by one of two each that not every interpreter has.
EDGE_MODULES = CORE_MODULES | {"errno", "json", "os", "select", "socket", "time"} | {"ffi", "signal", "ssl", "tls"}

# The controller seeds and enrols; it must go on without the cloud, and the cloud without it.
CONTROLLER_MAY_LOAD = re.compile(
    r"backfence(\.agent(\.(compat|config|counters|errors|limits|seeds|trust|wire(\..*)?))?"
    r"|\.bootstrap(\.tree|\.controller(\..*)?)?)?$"
)

# In parts, so that this file passes its own check.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("deb", "debian", "org"), ("security", "debian", "org"), ("archive", "ubuntu", "com"),
        ("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs", "org"),
        ("downloads", "openwrt", "org"), ("crates", "io"), ("proxy", "golang", "org"),
    )
]
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")
SKIPPING = {"skip", "skipif", "xfail", "importorskip"}


def parse(path):
    """The syntax tree of a file."""
    return ast.parse(path.read_bytes(), str(path))


def imports(path, allowed):
    """Absolute imports of modules that are not in `allowed`."""
    found = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        else:
            continue
        found += [f"{path}:{node.lineno}: imports {name}" for name in names if name not in allowed]
    return found


def flakes(path):
    """What pyflakes finds: names that nothing defines, imports and keys that nothing uses.

    A line that imports for the effect says "noqa: F401".
    """
    source = path.read_text()
    said = io.StringIO()
    pyflakes.api.check(source, str(path), pyflakes.reporter.Reporter(said, said))
    lines = source.splitlines()
    return [
        line for line in said.getvalue().splitlines()
        if "F401" not in lines[int(line.removeprefix(f"{path}:").partition(":")[0]) - 1]
    ]


def escapes(path, depth):
    """Relative imports that reach above the package `depth` folders up from the file."""
    return [
        f"{path}:{node.lineno}: a relative import leaves the agent"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and node.level > depth
    ]


def deepest_import(package, start):
    """The longest chain of imports, each begun before the one before it ended, from a module.

    `package` is a package's folder, `start` a module's path in it, as in "edge.main".  Only
    imports at the top of modules count.
    """
    loaded, deepest = set(), []

    def load(name, chain):
        nonlocal deepest
        parts = name.split(".") if name else []
        for count in range(len(parts) + 1):  # packages come before what is in them
            part = ".".join(parts[:count])
            path = package.joinpath(*parts[:count])
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            if part in loaded or not path.is_file():
                continue
            loaded.add(part)
            here = [*chain, part or package.name]
            deepest = max(deepest, here, key=len)
            inside = parts[:count] if path.name == "__init__.py" else parts[: count - 1]
            for node in parse(path).body:
                for wanted in _relative(node, inside):
                    load(wanted, here)

    load(start, [])
    return deepest


def _relative(node, inside):
    """The modules of the same package that a statement of a module in `inside` imports."""
    if isinstance(node, ast.Try):
        return [name for inner in node.body for name in _relative(inner, inside)]
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return []
    base = inside[: len(inside) - node.level + 1] + (node.module.split(".") if node.module else [])
    return [".".join(base)] + [".".join([*base, alias.name]) for alias in node.names]


def circle(package, paths):
    """The names of modules whose imports lead back to the first of them; [] if there are none.

    `package` is a package's folder, `paths` the modules in it.  Only imports at the top of
    modules count, and folders do not: a package may import what is in it.
    """
    modules = {path.relative_to(package).with_suffix("").parts: path for path in paths if path.name != "__init__.py"}
    graph = {
        ".".join(parts): {name for node in parse(path).body for name in _relative(node, list(parts[:-1]))}
        & {".".join(other) for other in modules}
        for parts, path in modules.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def lengths(path):
    """A file or functions that are longer than a reader likes."""
    found = []
    count = len(path.read_bytes().splitlines())
    if count > FILE_LINES:
        found.append(f"{path}: {count} lines, at most {FILE_LINES}")
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            count = node.end_lineno - node.lineno + 1
            if count > FUNCTION_LINES:
                found.append(f"{path}:{node.lineno}: {node.name} has {count} lines, at most {FUNCTION_LINES}")
    return found


def docstrings(path):
    """The module, its public functions and classes, and longer methods without a docstring."""
    tree = parse(path)
    found = []
    if tree.body and not ast.get_docstring(tree):
        found.append(f"{path}:1: the module has no docstring")

    def look(body, shortest):
        for node in body:
            if isinstance(node, (ast.If, ast.Try)):  # two definitions for two interpreters
                look(node.body, shortest)
                look(node.orelse, shortest)
                for handler in getattr(node, "handlers", []):
                    look(handler.body, shortest)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if node.name.startswith("_"):
                    continue
                if node.end_lineno - node.lineno >= shortest and not ast.get_docstring(node):
                    found.append(f"{path}:{node.lineno}: {node.name} has no docstring")
                if isinstance(node, ast.ClassDef):
                    look(node.body, METHOD_LINES)

    look(tree.body, 0)
    return found


def hosts(path):
    """Names of package registries: the machine's configuration names them, not the project."""
    return _lines(path, lambda line: next((host for host in REGISTRIES if host in line), None))


def unfinished(path):
    """Marks of unfinished work."""
    return _lines(path, lambda line: (match := UNFINISHED.search(line)) and match[0])


def _lines(path, look):
    text = path.read_text(errors="replace")
    found = [(number, look(line)) for number, line in enumerate(text.splitlines(), 1)]
    return [f"{path}:{number}: {what}" for number, what in found if what]


def skips(path):
    """Tests that can leave themselves out."""
    return [
        f"{path}:{node.lineno}: {node.attr}"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and node.attr in SKIPPING
    ]


def loaded_by(modules, folder=None):
    """The names in sys.modules of a new process that has imported `modules`."""
    code = "import json, sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code, *modules], capture_output=True, text=True, cwd=folder, check=True
    )
    return json.loads(run.stdout)


def beyond_the_controller(loaded):
    """Loaded modules that the controller has no business with."""
    return [
        name for name in loaded
        if (name.startswith("backfence") and not CONTROLLER_MAY_LOAD.match(name))
        or name.split(".")[0] in ("paho", "amqtt")
    ]


def make_targets(makefile):
    """{target: has a `## ` text} of the Makefile's phony targets."""
    phony = set(re.search(r"^\.PHONY:(.*)", makefile, re.M)[1].split())
    rules = re.findall(r"^([a-z][a-z0-9 -]*):(?!=)([^\n]*)$", makefile, re.M)
    return {name: "## " in rest for names, rest in rules for name in names.split() if name in phony}


def missing_targets(document, makefile):
    """The targets of `make X` in a document that the Makefile lacks."""
    named = set(re.findall(r"\bmake ([a-z][a-z0-9-]*)(?=[ `\n]|$)", "\n".join(_code(document))))
    return sorted(named - set(make_targets(makefile)))


def _code(document):
    """The code of a Markdown text: between backticks, and in fenced blocks by line."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", document, re.M | re.S)
    rest = re.sub(r"^```.*?^```", "", document, flags=re.M | re.S)
    return fenced + re.findall(r"`([^`\n]+)`", rest)
