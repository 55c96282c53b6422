"""Paths that are narrow, and paths that lose, delay, repeat and reorder."""

import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from case_links import filters
from cloud import say, street

from backfence.agent.limits import CHUNK_BYTES, DATAGRAM_BYTES

RELAY = Path(__file__).resolve().parent / "relay.py"
NAMES = ["w1", "w2", "w3", "e1", "e2"]
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
FRAGMENTS = ("Ip.FragCreates", "Ip.FragOKs", "Ip.ReasmReqds", "Ip6FragCreates", "Ip6FragOKs", "Ip6ReasmReqds")


def fragments(net):
    """{host: {counter: int}} of fragments that any host's or router's kernel made or saw."""
    found = {}
    for host in net.hosts:
        kernel = net.kernel(host)
        counts = {key: kernel[key] for key in FRAGMENTS if kernel.get(key)}
        if counts:
            found[host] = counts
    return found


@pytest.mark.parametrize("family", [4, 6])
def test_nothing_is_fragmented_where_the_mtu_is_1280(family, tmp_path):
    with street(tmp_path, {"west": 3, "east": 2}, family, (family,), mtu=1280) as (net, cloud):
        # The largest that an agent sends is its question for first contacts; chunks come next.
        headers = {4: 28, 6: 48}[family]
        filters(net, "core", {"largest": "udp dport 6999 meta length %d" % (DATAGRAM_BYTES + headers),
                              "chunks": "udp dport 7000 meta length > %d" % (CHUNK_BYTES + headers)})
        cloud.enrol(NAMES, doors=["w1", "e1"], settings={"listen": "[::]:7000"})
        cloud.up([("w1", net.address("w1", "west", family)), ("e1", net.address("e1", "east", family))])
        cloud.slice("edge", 4)
        cloud.filled(4)
        say("IPv%d: settled: %s" % (family, cloud.job("first", 24).settle()))
        seen = net.counted("core")
        say("over the narrow cables: %s" % seen)
        assert seen["largest"] and seen["chunks"], "nothing large was sent, so nothing is shown"
        assert not fragments(net), fragments(net)
        # That the kernels would tell: a datagram too large for the path.
        with net.inside("w3"), socket.socket(FAMILIES[family], socket.SOCK_DGRAM) as other:
            for _ in range(3):  # the first only teaches the kernel the path's MTU
                with contextlib.suppress(OSError):
                    other.sendto(bytes(1400), (net.address("e1", "east", family), 9))
        assert fragments(net)
        cloud.alive()


class LossyCable:
    """A maker of cables for cloud.street: relay.py instead of a veth pair."""

    def __init__(self, folder, **faults):
        self.faults = faults
        self.counts = Path(folder) / "relay.json"
        self.process = None

    def lay(self, net, low, high, number, mtu, families):
        """As Net.cable."""
        words = [sys.executable, str(RELAY), net.namespace(low), high, net.namespace(high), low,
                 json.dumps(self.faults), str(self.counts)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        net.adopt(low, high, number, mtu, families)

    def end(self):
        """Ends the relay; what became of the packets."""
        self.process.terminate()
        self.process.wait(10)
        return json.loads(self.counts.read_text())


def test_a_job_over_a_path_that_loses_delays_and_reorders(tmp_path):
    cable = LossyCable(tmp_path, seed=7, loss=0.05, delay_ms=50, duplicate=0.02, reorder=0.1)
    with street(tmp_path, {"west": 3, "east": 2}, links={"east": cable.lay}) as (net, cloud):
        cloud.enrol(NAMES, doors=["w1", "e1"], settings={"listen": "[::]:7000"})
        say("joined in %.1f s" % cloud.up([("w1", net.address("w1", "west")), ("e1", net.address("e1", "east", 6))]))
        cloud.slice("edge", 4)
        say("filled in %.1f s" % cloud.filled(4))
        shares = cloud.job("first", 24).settle()
        say("settled: %s" % shares)
        assert {name[0] for name in shares} == {"w", "e"}
        cloud.alive()
        counts = cable.end()
        say("the relay: %s" % counts)
        # Three standard deviations of a binomial about the share that was asked for.
        for key, share in (("lost", 0.05), ("repeated", 0.02)):
            expected = counts["packets"] * share
            assert abs(counts[key] - expected) <= 3 * expected ** 0.5 + 1, (key, counts)
        assert counts["overtaken"] > 0
