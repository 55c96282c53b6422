"""Boxes behind NATs of the kernel: what they take part in, and what a lost mapping does."""

import time

from cloud import say, site_of, street, wait_for

from backfence.bootstrap.operator import world

REACHABLE = ["w1", "w2", "w3", "e1", "e2"]


def behind(net, number, boxes, rule="masquerade"):
    """A router nat<number> that translates for its boxes, named a<number>, b<number>, ..."""
    router = "nat%d" % number
    net.host(router)
    net.cable(router, "core", (0, number), families=(4,))
    net.route(router, "default", "core")
    names = []
    for index in range(boxes):
        name = "%s%d" % ("abc"[index], number)
        net.host(name)
        # The core has no way to 10.<number>: only the NAT makes these boxes heard.
        net.cable(name, router, (number, index + 1), families=(4,))
        net.route(name, "default", router)
        names.append(name)
    translate(net, router, rule)
    return names


def translate(net, router, rule):
    """Sets the NAT's rule anew and forgets every mapping."""
    net.run(router, "nft", "flush", "ruleset")
    net.nft(router, "add table ip nat\n"
                    "add chain ip nat out { type nat hook postrouting priority 100 ; }\n"
                    "add rule ip nat out oifname core %s\n"
                    # As a home router's: nothing comes in that nobody asked for.  Without this
                    # the router would answer itself, and keep the port that a box may need.
                    "add table inet filter\n"
                    "add chain inet filter in { type filter hook input priority 0 ; }\n"
                    "add rule inet filter in iifname core ct state new drop\n"
                    "add chain inet filter through { type filter hook forward priority 0 ; }\n"
                    "add rule inet filter through iifname core ct state new drop\n" % rule)
    net.run(router, "conntrack", "-F")


def mappings(net, router):
    """{(box's address, far address): mapped port} of the NAT's UDP conversations of agents."""
    found = {}
    for line in net.run(router, "conntrack", "-L", "-p", "udp").splitlines():
        words = [word.partition("=")[2] for word in line.split() if "=" in word]
        # src dst sport dport, and the same of the answers
        if len(words) >= 8 and "7000" in words[2:4]:
            found[words[0], words[1]] = int(words[7])
    return found


def talks(net, router):
    """{(box's address, far address)} of conversations in which both sides have spoken."""
    lines = net.run(router, "conntrack", "-L", "-p", "udp").splitlines()
    found = [[word.partition("=")[2] for word in line.split() if "=" in word] for line in lines if "[ASSURED]" in line]
    return {(words[0], words[1]) for words in found}


def town(net, cloud, regions=None, rule="masquerade"):
    """Two boxes behind nat3, one behind nat4, five that can be reached; joined.  Names of the hidden ones."""
    hidden = behind(net, 3, 2, rule) + behind(net, 4, 1, rule)
    extra = {name: {"reachable": 0} for name in hidden}
    for name, region in (regions or {}).items():
        extra.setdefault(name, {})["region"] = region
    cloud.enrol(REACHABLE + hidden, doors=["w1"], extra=extra)
    contacts = [("w1", net.address("w1", "west")), ("e1", net.address("e1", "east"))]
    say("joined in %.1f s, three of eight behind NATs" % cloud.up(contacts))
    return hidden


def test_boxes_behind_nats_hold_seats_and_do_tasks(tmp_path):
    with street(tmp_path, {"west": 3, "east": 2}, families=(4,)) as (net, cloud):
        hidden = town(net, cloud)
        cloud.slice("edge", 8)  # all are needed

        def vacant():
            cloud.alive()
            missing = set(REACHABLE + hidden) - set(cloud.held())
            return missing and "%s have no seat" % sorted(missing)

        say("all eight sit after %.1f s" % wait_for(vacant))
        shares = cloud.job("first", 64).settle()
        say("settled: %s" % shares)
        assert set(hidden) <= set(shares), "those behind NATs did nothing"
        # Different NATs: by way of porters each learns where the other is let out, and knocks there.
        inside, own = net.address("a4", "nat4"), net.address("nat3", "core")
        wait_for(lambda: (inside, own) not in talks(net, "nat4") and "a4 and the boxes behind nat3 do not speak")
        # The same NAT does not turn their datagrams round: those two have porters for good.
        say("a4 speaks straight with boxes behind nat3")
        assert not {pair for pair in talks(net, "nat3") if pair[1] == own}
        stands(cloud)


def stands(cloud, seconds=15):
    """Nobody loses its seat, or takes another for dead, in so long."""
    held, deaths = cloud.held(), dead(cloud)
    time.sleep(seconds)
    cloud.alive()
    assert cloud.held() == held
    assert dead(cloud) == deaths, "holders were taken for dead"


def dead(cloud):
    """How often a box took a ring neighbour for dead, summed."""
    return sum(status["counters"].get("ring_deaths", 0) for status in cloud.statuses())


def test_a_lost_mapping_costs_nothing_but_a_probe(tmp_path):
    with street(tmp_path, {"west": 3, "east": 2}, families=(4,)) as (net, cloud):
        town(net, cloud, {"w2": "near", "w3": "near", "e2": "near", "a4": "near"})
        cloud.slice("edge", 4, 'region == "near"')
        cloud.filled(4)
        seats = cloud.held()
        inside = net.address("a4", "nat4")
        ring = [net.address(name, site_of(name)) for name in seats if name != "a4"]
        wait_for(lambda: [far for far in ring if (inside, far) not in mappings(net, "nat4")])
        before = mappings(net, "nat4")
        # As when the NAT starts anew: all is forgotten, and each far box gets another port.
        translate(net, "nat4", "masquerade fully-random")

        def silent():
            now = mappings(net, "nat4")
            heard = talks(net, "nat4")
            return [far for far in ring if (inside, far) not in heard or now.get((inside, far)) == before[inside, far]]

        say("its mappings lost, a4 speaks with its ring from other ports after %.1f s" % wait_for(silent, 10))
        shares = cloud.job("second", 24).settle()
        say("settled: %s" % shares)
        assert cloud.held() == seats and "a4" in shares
        cloud.alive()


def three_and_one(tmp_path, rule):
    """A ring of two boxes behind one NAT, one behind another, and one that can be reached; its job."""
    with street(tmp_path, {"west": 3, "east": 2}, families=(4,)) as (net, cloud):
        members = ["a3", "b3", "a4", "w3"]
        town(net, cloud, {name: "near" for name in members}, rule=rule)
        cloud.slice("edge", 4, 'region == "near"')
        say("one that can be reached and three that cannot: filled in %.1f s" % cloud.filled(4))
        stands(cloud)
        shares = cloud.job("second", 24).settle()
        say("settled: %s" % shares)
        assert set(shares) == set(members)
        # The one that can be reached goes: the three stay a ring, with porters outside of it.
        cloud.agents["w3"].kill()
        left = members[:3]
        wait_for(lambda: ring_of(cloud, left))
        say("without it: %s" % cloud.job("again", 24).settle())
        stands(cloud)
        assert not ring_of(cloud, left)


def ring_of(cloud, names):
    """What is wrong if these boxes alone hold seats, in one closed ring, else ""."""
    if sorted(cloud.held()) != sorted(names):
        return "%s hold seats" % sorted(cloud.held())
    return "; ".join(world.ring_faults(cloud.statuses(), "edge"))


def test_a_ring_of_hidden_boxes_fills_and_stays(tmp_path):
    three_and_one(tmp_path, "masquerade")


def test_a_ring_behind_nats_that_give_each_conversation_a_port_fills_and_stays(tmp_path):
    three_and_one(tmp_path, "masquerade fully-random")
