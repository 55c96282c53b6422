"""Rust's committed programs are what their sources give: for `make rust`, not for every run.

pytest does not collect this file by itself, since Debian's rustc takes 540 MB.
"""

import re
import shutil
import subprocess

import pytest
import wasmtime
from test_examples import EXAMPLES, by_wasmtime, on_micropython
from test_libraries import LIBRARIES

RUSTC = "/usr/bin/rustc"


def test_this_is_debians_compiler():
    """Another one gives other bytes."""
    try:
        version = subprocess.run([RUSTC, "--version"], capture_output=True, text=True).stdout
    except OSError:
        version = "no rustc"
    assert version.startswith("rustc 1.63.0"), (
        f"{version.strip()}: install Debian 12's: apt-get install rustc libstd-rust-dev-wasm32"
    )


@pytest.mark.parametrize("folder, name", [(EXAMPLES, "wc"), (LIBRARIES, "std")])
def test_the_committed_bytes_are_the_sources(folder, name, tmp_path):
    subprocess.run(["make", "-s", "-C", str(EXAMPLES), f"OUT={tmp_path}", f"{tmp_path}/{name}.wasm"], check=True)
    assert (tmp_path / f"{name}.wasm").read_bytes() == (folder / f"{name}.wasm").read_bytes()


def test_the_guides_program(tmp_path):
    """The program of docs/programs-rust.md, built as it says."""
    guide = (EXAMPLES.parent / "docs" / "programs-rust.md").read_text()
    (tmp_path / "upper.rs").write_text(re.search(r"```rust\n(.*?)```", guide, re.S).group(1))
    shutil.copy(EXAMPLES / "tiny.rs", tmp_path)
    command = re.search(r"^rustc (.*?)```", guide, re.S | re.M).group(1)
    subprocess.run(f"{RUSTC} {command}", shell=True, check=True, cwd=tmp_path)
    (tmp_path / "stdin").write_bytes(b"Good fences\n" * 99)
    said = on_micropython([tmp_path / "upper.wasm"], tmp_path / "stdin")[0]
    assert (said["kind"], said["output"]) == ("ok", b"GOOD FENCES\n" * 99)
    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, str(tmp_path / "upper.wasm"))
    assert by_wasmtime(engine, module, tmp_path, b"Good fences\n" * 99, ()) == (0, said["output"])
