"""Rust's committed programs are what their sources give: for `make rust`, not for every run.

pytest does not collect this file by itself, since Debian's rustc takes 540 MB.
"""

import subprocess

import pytest
from test_examples import EXAMPLES
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
