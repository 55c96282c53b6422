"""The init script, run by a shell with a stand-in for procd; its output is what procd gets."""

import os
import subprocess

import pytest
from backfence.agent import config
from openwrt import SCRIPT, call, make_box, parameters


@pytest.fixture
def box(tmp_path):
    """A box that is enrolled, as far as the script looks."""
    make_box(tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/trust.cbor").write_bytes(b"\xa0")
    return tmp_path


def test_the_scripts_syntax():
    subprocess.run(["sh", "-n", SCRIPT], check=True)


def test_procd_gets_the_command_and_its_limits(box):
    calls, status = call(box)
    assert status == 0
    given = parameters(calls)
    assert given["command"] == [
        "/usr/bin/micropython", "-X", "heapsize=1wM", "-m", "backfence.agent", "--home", f"{box}/home",
    ]
    assert given["env"] == ["MICROPYPATH=.frozen:/usr/lib/backfence"]
    assert given["respawn"] == ["3600", "30", "0"]
    assert given["nice"] == ["10"]
    assert given["limits"] == ["core=0 0", "nofile=64 64", "nproc=8 8"]
    assert given["user"] == given["group"] == ["backfence"]
    assert given["no_new_privs"] == ["1"]
    assert ["chown", "-R", "backfence:backfence", f"{box}/home", f"{box}/store"] in calls
    assert not [words for words in calls if "jail" in words[0]]
    assert calls[-1] == ["close_instance"]


def test_the_agent_reads_what_the_script_writes(box):
    options = "option region 'north wing'\noption door '1'\noption broker '192.0.2.9:1883'\n"
    call(box, options=options)
    path = box / "home/agent.conf"
    assert path.stat().st_mode & 0o777 == 0o600
    read = config.parse(path.read_text())
    assert read.listen == "0.0.0.0:7000"
    assert read.advertise == "198.51.100.7:7000"
    assert (read.region, read.door, read.broker) == ("north wing", 1, "192.0.2.9:1883")
    assert read.store_dir == f"{box}/store"


def test_an_advertised_address_is_kept_and_an_absent_network_leaves_it_out(box):
    call(box, address="")
    assert config.parse((box / "home/agent.conf").read_text()).advertise == ""
    call(box, options="option advertise '203.0.113.5:7000'\n")
    assert config.parse((box / "home/agent.conf").read_text()).advertise == "203.0.113.5:7000"


def test_flash_is_written_only_if_the_configuration_changed(box):
    call(box)
    path = box / "home/agent.conf"
    os.utime(path, (1, 1))
    call(box)
    assert path.stat().st_mtime == 1
    call(box, options="option region 'south'\n")
    assert path.stat().st_mtime > 1


def test_every_key_of_the_agent_can_be_set_by_uci(box):
    script = SCRIPT.read_text()
    keys = script.split('KEYS="', 1)[1].split('"', 1)[0].split()
    assert sorted([*keys, "listen"]) == sorted(config.KEYS)


def test_a_box_that_is_not_enrolled_logs_what_the_agent_says_and_nothing_starts(box):
    (box / "home/trust.cbor").unlink()
    program = box / "program"
    program.write_text('#!/bin/sh\necho "$MICROPYPATH $*" >&2\nexit 1\n')
    program.chmod(0o755)
    calls, status = call(box, program=program)
    assert status == 1
    assert calls == [
        ["logger", "-t", "backfence", "-p", "daemon.err"],
        [f"| .frozen:/usr/lib/backfence -m backfence.agent --home {box}/home"],
    ]


def test_a_disabled_service_does_nothing(box):
    assert call(box, options="option enabled '0'\n") == ([], 0)


def test_a_jail_holds_the_library_and_the_folders_and_is_required(box):
    calls, _ = call(box, options="option jail '1'\n")
    assert ["add_jail", "backfence", "log", "procfs", "ronly", "requirejail"] in calls
    assert ["add_jail_mount", "/usr/lib/backfence", "/etc/resolv.conf", "/etc/hosts"] in calls
    assert ["add_jail_mount_rw", f"{box}/home", f"{box}/store"] in calls


def test_a_changed_configuration_or_address_reloads(box):
    calls, _ = call(box, "service_triggers")
    assert calls == [["add_reload_trigger", "backfence"], ["add_reload_interface_trigger", "wan"]]
