"""The machinery of the hosts, and one small fleet on them; `make hosts` runs the cases.

What the fleet shows here is what loopback cannot: routers, IPv6 with its smallest MTU, and
a box that gets another address at work.
"""

import os
import signal
import subprocess
import sys
import time

import net as nets
import pytest
import relay
from case_paths import fragments
from cloud import street

KILLED = """
import net, os, subprocess, time
made = net.Net()
made.host("one", "two")
sleeper = subprocess.Popen(made.prefix("one") + ["sleep", "600"])
print(os.getpid(), sleeper.pid, flush=True)
time.sleep(600)
"""


def namespaces(pid):
    """Names of the namespaces that a process has made."""
    return [path.name for path in nets.NAMESPACES.glob("%s%d-*" % (nets.PREFIX, pid))]


def test_what_a_killed_run_left_is_removed_and_a_living_ones_is_not():
    folder = os.path.dirname(nets.__file__)
    run = subprocess.Popen([sys.executable, "-c", KILLED], cwd=folder, stdout=subprocess.PIPE, text=True)
    pid, sleeper = map(int, run.stdout.readline().split())
    try:
        while b"sleep" not in open("/proc/%d/cmdline" % sleeper, "rb").read().split(b"\0"):
            time.sleep(0.02)  # it is `ip` still, on its way into the namespace
        nets.Net().close()
        assert len(namespaces(pid)) == 2 and os.path.exists("/proc/%d" % sleeper), "a living run was swept away"
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    nets.Net().close()
    assert not namespaces(pid)
    with pytest.raises(ProcessLookupError):
        for _ in range(500):  # until init has buried it
            os.kill(sleeper, 0)
            time.sleep(0.02)


def test_without_root_one_line_says_so(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(nets.NetError, match="^[^\n]*run this as root$"):
        nets.Net()


def carried(seed, **faults):
    """(counts, numbers of the packets in the order in which they went out) of 2,000 packets, one a ms."""
    wire = relay.Wire(relay.Faults(seed=seed, **faults))
    out = []
    for number in range(2000):
        wire.take(number, 0, number / 1000)
        out += [packet for packet, _ in wire.ready(number / 1000)]
    return wire.counts, out + [packet for packet, _ in wire.ready(9)]


def test_the_relay_does_what_it_is_told_and_the_same_each_time():
    assert carried(1) == ({"packets": 2000, "lost": 0, "repeated": 0, "overtaken": 0}, list(range(2000)))
    counts, out = carried(1, loss=0.1, duplicate=0.05, reorder=0.1, delay_ms=50)
    assert counts["lost"] == 2000 - len(set(out)) and 150 < counts["lost"] < 250
    assert counts["repeated"] == len(out) - len(set(out)) and 60 < counts["repeated"] < 130
    assert counts["overtaken"] > 100 and out != sorted(out) and sorted(set(out)) != out
    assert (counts, out) == carried(1, loss=0.1, duplicate=0.05, reorder=0.1, delay_ms=50)
    assert (counts, out) != carried(2, loss=0.1, duplicate=0.05, reorder=0.1, delay_ms=50)


def test_the_relay_keeps_packets_for_as_long_as_it_is_told():
    wire = relay.Wire(relay.Faults(delay_ms=50))
    wire.take(b"one", 7, 1.0)
    assert wire.due() == pytest.approx(1.05) and wire.ready(1.049) == []
    assert wire.ready(1.051) == [(b"one", 7)] and wire.due() is None


def test_a_fleet_of_hosts_across_routers_while_one_gets_a_new_address(tmp_path):
    with street(tmp_path, {"west": 2, "east": 2}, 6, (6,), mtu=1280) as (net, cloud):
        cloud.enrol(["w1", "w2", "e1", "e2"], doors=["w1"], settings={"listen": "[::]:7000"})
        cloud.up([("w1", net.address("w1", "west", 6))])
        cloud.slice("edge", 4)
        cloud.filled(4)
        seats = cloud.held()
        job = cloud.job("first", 24)
        job.collect(0.5)
        net.readdress("e2", "east", (2, 50))
        shares = job.settle()
        assert "e2" in shares and len(shares) == 4, shares
        assert cloud.held() == seats, "the move cost a seat"
        assert net.kernel("core")["Ip6OutForwDatagrams"] > 100 and not fragments(net)
        cloud.alive()
