"""The scripts and the unit, judged by the tools of those who run them."""

import subprocess

import pytest
from backfence.firmware_pkg import debian, openwrt, sdk
from backfence.sim.live import interpreters

INIT = openwrt.FILES / "etc/init.d/backfence"
LAUNCHER = openwrt.FILES / "usr/lib/backfence/launch"
SCRIPTS = [
    INIT, LAUNCHER, *(debian.HERE / name for name in debian.SCRIPTS),
    *(sdk.HERE / name for name in ("compile.sh", "test.sh", "test-version.sh")),
]


def judge(*words, **options):
    """Runs a tool: (exit code, what it said)."""
    run = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return run.returncode, run.stdout


def test_shellcheck_finds_nothing_in_any_script(tmp_path):
    assert judge("shellcheck", "--shell=dash", *SCRIPTS) == (0, "")
    (tmp_path / "bad").write_text('#!/bin/sh\nrm -rf $1/*\nread -a x\n')
    assert judge("shellcheck", "--shell=dash", tmp_path / "bad")[0] == 1


def test_busybox_ash_parses_every_script_of_the_box(tmp_path):
    busybox = interpreters.SYSROOTS / "amd64/usr/bin/busybox"
    scripts = [INIT, LAUNCHER]
    for entry in openwrt.scripts():
        if entry.mode == 0o755:
            scripts.append(tmp_path / entry.path)
            scripts[-1].write_bytes(entry.data)
    assert len(scripts) == 5
    for script in scripts:
        assert judge(busybox, "ash", "-n", script) == (0, "")
    (tmp_path / "bad").write_text("if true\n")
    assert judge(busybox, "ash", "-n", tmp_path / "bad")[0] != 0


def test_the_init_script_has_the_form_that_openwrts_ci_asks_for():
    assert judge("shfmt", "-d", "-sr", "-s", INIT) == (0, "")
    head = INIT.read_text()
    assert head.startswith("#!/bin/sh /etc/rc.common\n") and "\nUSE_PROCD=1\n" in head


@pytest.fixture
def unit(tmp_path):
    """The unit, as if the launcher were installed here."""
    path = tmp_path / "backfence.service"
    path.write_text((debian.HERE / "backfence.service").read_text().replace("/usr/lib/backfence/launch", "/bin/true"))
    return path


def test_systemd_finds_nothing_wrong_in_the_unit_and_little_exposed(unit):
    assert judge("systemd-analyze", "verify", "--man=no", unit) == (0, "")
    # Tenths of 10: what is open is the network, /proc and its own programs in memory.
    code, said = judge("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", unit)
    assert code == 0, said
    unit.write_text(unit.read_text().replace("RestartSec=30", "RestartSec=soon"))
    assert "soon" in judge("systemd-analyze", "verify", "--man=no", unit)[1]
