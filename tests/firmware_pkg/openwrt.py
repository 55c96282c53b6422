"""A box's folders, and its init script run with a stand-in for OpenWrt's procd."""

import os
import subprocess
from pathlib import Path

from backfence.firmware_pkg import build

FILES = build.HERE / "files"
SCRIPT = FILES / "etc/init.d/backfence"
DRIVER = Path(__file__).parent / "rc_common.sh"


def make_box(folder):
    """The UCI file and OpenWrt's network functions, all paths inside `folder`."""
    functions = folder / "root/lib/functions/network.sh"
    functions.parent.mkdir(parents=True)
    functions.write_text('network_get_ipaddr() { eval "$1=$ADDRESS"; }\n')
    uci = (FILES / "etc/config/backfence").read_text()
    uci = uci.replace("/etc/backfence", str(folder / "home"))
    (folder / "uci").write_text(uci.replace("/tmp/backfence", str(folder / "store")))


def call(box, function="start_service", options="", address="198.51.100.7", program=None):
    """Calls the init script's function: (what it told procd as lists of words, exit status).

    `options` are lines for the UCI file, `program` stands in for /usr/bin/micropython.
    """
    with (box / "uci").open("a") as uci:
        uci.write(options)
    script = SCRIPT.read_text().replace("/tmp/backfence.conf", str(box / "fresh.conf"))
    if program:
        script = script.replace("/usr/bin/micropython", str(program))
    (box / "init").write_text(script)
    run = subprocess.run(
        ["sh", DRIVER, box / "init", box / "uci", function], capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "IPKG_INSTROOT": str(box / "root"), "ADDRESS": address},
    )
    assert run.stderr == ""
    return [line.split("\t") for line in run.stdout.splitlines()], run.returncode


def parameters(calls):
    """{name: words} of procd_set_param."""
    return {words[1]: words[2:] for words in calls if words[0] == "set_param"}
