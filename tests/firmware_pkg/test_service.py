"""The init script on a box of this machine's processor; what it tells procd is looked at."""

import os

import pytest
from backfence.agent import config
from backfence.firmware_pkg import openwrt as package
from openwrt import Root, parameters

SCRIPT = package.FILES / "etc/init.d/backfence"
UCI = (package.FILES / "etc/config/backfence").read_text()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return Root(tmp_path_factory.mktemp("root"))


@pytest.fixture
def box(root):
    """A box that is enrolled, as far as the script looks."""
    root.run("rm", "-rf", "/etc/backfence", "/tmp/log", "/tmp/backfence")
    root.write("etc/init.d/backfence", SCRIPT.read_text(), 0o755)
    root.write("etc/config/backfence", UCI)
    root.write("etc/passwd", "root:x:0:0::/:/bin/sh\nbackfence:x:32768:32768::/:/bin/false\n")
    root.write("etc/group", "backfence:x:32768:\n")
    root.write("etc/backfence/trust.cbor", b"\xa0")
    return root


def start(box, options=""):
    """Starts the service with more lines of UCI: what procd was told, the script's exit status."""
    box.write("etc/config/backfence", UCI + options)
    calls, run = box.service("start")
    assert run.stdout == "", run.stdout
    return calls, run.returncode


def test_procd_gets_the_launcher_and_its_limits(box):
    calls, status = start(box)
    assert status == 0
    given = parameters(calls)
    assert given["command"] == ["/usr/lib/backfence/launch", "/etc/backfence", "1wM", "/usr/bin/micropython"]
    assert given["env"] == ["MICROPYPATH=.frozen:/usr/lib/backfence"]
    assert given["file"] == ["/etc/backfence/agent.conf"]
    assert given["respawn"] == ["3600", "30", "0"]
    assert given["nice"] == ["10"]
    assert given["limits"] == ["core=0 0", "nofile=64 64", "nproc=16 16"]
    assert given["user"] == given["group"] == ["backfence"]
    assert given["no_new_privs"] == ["1"]
    # The launcher itself waits 3 s for the agent.
    assert int(given["term_timeout"][0]) > 3
    assert not [words for words in calls if "jail" in words[0]]
    owners = {(box.folder / name).stat().st_uid for name in ("etc/backfence/trust.cbor", "tmp/backfence")}
    assert owners == {32768}


def test_the_agent_reads_what_the_script_writes(box):
    password = "it's # 9$HOME `id`"
    start(box, "option region 'north wing'\noption class 'gateway'\noption round_ms '30000'\n"
               f"option door 'yes'\noption broker '192.0.2.9:1883'\n"
               f"option broker_password '{password}'\n")
    path = box.folder / "etc/backfence/agent.conf"
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"broker_password = {password}\n" in path.read_text()
    read = config.parse(path.read_text())
    assert read.listen == "0.0.0.0:7000"
    assert (read.region, read.class_, read.round_ms) == ("north wing", "gateway", 30000)
    assert (read.door, read.broker) == (1, "192.0.2.9:1883")
    assert read.store_dir == "/tmp/backfence"


def test_no_address_is_advertised_but_the_one_that_is_set(box):
    # An address of the moment would bind the box to it (docs/decisions/0014).
    start(box)
    assert config.parse(box.read("etc/backfence/agent.conf")).advertise == ""
    start(box, "option advertise '203.0.113.5:7000'\n")
    assert config.parse(box.read("etc/backfence/agent.conf")).advertise == "203.0.113.5:7000"


def test_flash_is_written_only_if_the_configuration_changed(box):
    start(box)
    path = box.folder / "etc/backfence/agent.conf"
    os.utime(path, (1, 1))
    start(box)
    assert path.stat().st_mtime == 1
    start(box, "option region 'south'\n")
    assert path.stat().st_mtime > 1


def test_every_key_of_the_agent_can_be_set_by_uci_with_the_agents_own_range():
    words = SCRIPT.read_text().split("AGENT_OPTIONS='", 1)[1].split("'", 1)[0].split()
    given = {name: rest.split(":")[0] for name, rest in (word.split(":", 1) for word in words)}
    expected = {}
    for key, (kind, _, least, most) in config.KEYS.items():
        expected[key] = {
            "address": "maxlength(255)", "flag": "bool", "int": f"range({least},{most})",
            "text": f"rangelength({least},{most})" if least else f"maxlength({most})",
            "hours": "maxlength(11)", "offset": "maxlength(6)",
        }[kind]
    assert given == expected


@pytest.mark.parametrize("name, value, wanted", [
    ("round_ms", "7", "range(100,600000)"),
    ("round_ms", "12x", "range(100,600000)"),
    ("round_ms", "0x100", "a number in plain digits"),
    ("door", "perhaps", "bool"),
    ("class", "c" * 33, "rangelength(1,32)"),
    ("zone", "wan; reboot", "uciname"),
    ("listen", "0.0.0.0", "host:port"),
    ("listen", "0.0.0.0:70000", "host:port"),
    ("controller", "2001:db8::1:6999", "host:port"),
    ("broker", "host:1883 -x", "host:port"),
    ("heap", "2G", "a size such as 2M or 1wM"),
    ("home", "etc/backfence", "an absolute path"),
])
def test_a_wrong_value_is_refused_with_one_line_and_nothing_starts(box, name, value, wanted):
    calls, status = start(box, f"option {name} '{value}'\n")
    assert status == 1
    assert box.read("tmp/log") == f"option {name}: '{value}' is not {wanted}; the agent is not started\n"
    assert not [words for words in calls if words[0] == "open_instance"]
    assert not (box.folder / "etc/backfence/agent.conf").exists()
    assert not list((box.folder / "tmp").glob("backfence.*"))


@pytest.mark.parametrize("value", ["[2001:db8::1]:7000", "box.example:7000", "[::]:7000", "192.0.2.1:1"])
def test_addresses_of_every_kind_are_taken(box, value):
    _, status = start(box, f"option listen '{value}'\n")
    assert (status, box.read("tmp/log")) == (0, "")


def test_a_misspelt_option_is_told_and_the_agent_starts(box):
    _, status = start(box, "option conrtoller '192.0.2.1:6999'\n")
    assert status == 0
    assert box.read("tmp/log") == "option conrtoller is not known and has no effect\n"


def test_a_box_that_is_not_enrolled_logs_what_the_agent_says_and_nothing_starts(box):
    (box.folder / "etc/backfence/trust.cbor").unlink()
    script = SCRIPT.read_text().replace("/usr/bin/micropython", "/bin/program")
    box.write("etc/init.d/backfence", script, 0o755)
    box.write("bin/program", '#!/bin/sh\necho "$MICROPYPATH $*" >&2\nexit 1\n', 0o755)
    calls, status = start(box)
    assert status == 1
    assert not [words for words in calls if words[0] == "open_instance"]
    assert box.read("tmp/log") == ".frozen:/usr/lib/backfence -m backfence.agent --home /etc/backfence\n"


def test_a_disabled_service_starts_nothing(box):
    calls, status = start(box, "option enabled '0'\n")
    assert status == 0 and not [words for words in calls if words[0] == "open_instance"]


def test_a_jail_holds_what_launcher_and_agent_need_and_is_required(box):
    calls, _ = start(box, "option jail '1'\n")
    assert ["add_jail", "backfence", "procfs", "ronly", "requirejail"] in calls
    [read_only] = [words[1:] for words in calls if words[0] == "add_jail_mount"]
    launcher = (package.FILES / "usr/lib/backfence/launch").read_text()
    needs = launcher.split("it needs ", 1)[1].split(".", 1)[0].replace(" and", ",").split(", ")
    assert len(needs) > 3 and set(f"/bin/{name}" for name in needs) <= set(read_only)
    assert {"/usr/lib/backfence", "/usr/bin/micropython", "/etc/resolv.conf", "/etc/hosts"} <= set(read_only)
    assert ["add_jail_mount_rw", "/etc/backfence", "/tmp/backfence"] in calls


def test_the_firewall_gets_one_rule_for_the_port_that_goes_with_the_service(box):
    calls, _ = start(box, "option listen '[::]:7123'\noption zone 'access'\n")
    rule = calls[calls.index(["open_data"]) + 1:calls.index(["close_data"])]
    assert rule == [
        ["json_add_array", "firewall"], ["json_add_object", ""],
        ["json_add_string", "type", "rule"], ["json_add_string", "src", "access"],
        ["json_add_string", "proto", "udp"], ["json_add_string", "dest_port", "7123"],
        ["json_add_string", "target", "ACCEPT"], ["json_close_object"], ["json_close_array"],
    ]
    assert calls.index(["close_data"]) < calls.index(["close_instance"])
    assert calls[-1] == ["set_config_changed", "firewall"]
    calls, run = box.service("stop")
    assert run.returncode == 0 and calls == [["kill", "backfence"], ["set_config_changed", "firewall"]]
    calls, _ = start(box, "option open_port '0'\n")
    assert ["open_data"] not in calls


def test_a_changed_configuration_reloads_a_changed_address_does_not_and_luci_learns_the_types(box):
    calls, _ = start(box)
    assert ["add_reload_trigger", "backfence"] in calls
    assert not [words for words in calls if "interface" in words[0]]
    [validation] = [words for words in calls if words[0] == "validation"]
    assert validation[1:4] == ["backfence", "agent", ""] and "round_ms:range(100,600000)" in validation
