"""A fleet across routers, on each version of the Internet Protocol and on both at once."""

import pytest
from cloud import say, street

NAMES = ["w1", "w2", "w3", "e1", "e2"]
# name: (versions of the cables, what all boxes listen on, versions they must and may use)
KINDS = {
    "IPv4": ((4, 6), "0.0.0.0:7000", {4}),
    "IPv6": ((6,), "[::]:7000", {6}),
    "both": ((4, 6), "[::]:7000", {4, 6}),
}


def sent(net, name):
    """{version: UDP datagrams that the host has sent}, by its kernel."""
    kernel = net.kernel(name)
    return {4: kernel["Udp.OutDatagrams"], 6: kernel["Udp6OutDatagrams"]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fleet_across_routers(kind, tmp_path):
    families, listen, used = KINDS[kind]
    first, last = min(used), max(used)
    with street(tmp_path, {"west": 3, "east": 2}, family=first, families=families) as (net, cloud):
        cloud.enrol(NAMES, doors=["w1"], settings={"listen": listen})
        # Where both are used, half of the first contacts are known by the one, half by the other.
        if kind == "both":
            # Addresses as processors of both byte orders write them.
            cloud.processors.update(w3="armhf", e2="mips")
        contacts = [("w1", net.address("w1", "west", first)), ("e1", net.address("e1", "east", last))]
        say("%s: joined in %.1f s" % (kind, cloud.up(contacts)))
        cloud.slice("edge", 5)
        say("%s: seats filled in %.1f s" % (kind, cloud.filled(5)))
        shares = cloud.job("first", 24).settle()
        say("%s: settled, %s" % (kind, shares))
        assert set(shares) == set(NAMES)
        for family in (4, 6):
            counts = {name: sent(net, name)[family] for name in NAMES}
            assert (sum(counts.values()) > 0) == (family in used), (family, counts)
        forwarded = net.kernel("core")
        assert (forwarded["Ip.ForwDatagrams"] > 0) == (4 in used)
        assert (forwarded["Ip6OutForwDatagrams"] > 0) == (6 in used)
        cloud.alive()
