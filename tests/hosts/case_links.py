"""Cables pulled and put back: of one box, and between two sites; and a box that gets a new address."""

import time

from cloud import SITES, say, site_of, street, wait_for

HEAL_S = 180  # contacts of old are tried once in some twenty rounds


def filters(net, host, rules):
    """Counts what passes a host: rules are {name: expression of nftables}."""
    lines = ["add table inet seen"]
    for hook in ("input", "forward"):
        lines.append("add chain inet seen %s { type filter hook %s priority 0; }" % (hook, hook))
    for name, expression in rules.items():
        lines.append("add counter inet seen " + name)
        lines += ["add rule inet seen %s %s counter name %s" % (hook, expression, name) for hook in ("input", "forward")]
    net.nft(host, "\n".join(lines) + "\n")


def test_a_box_whose_cable_is_pulled_is_replaced_and_comes_back(tmp_path):
    names = ["w1", "w2", "w3", "e1", "e2", "e3"]
    with street(tmp_path, {"west": 3, "east": 3}) as (net, cloud):
        cloud.enrol(names, doors=["w1", "e1"])
        cloud.up([("w1", net.address("w1", "west")), ("e1", net.address("e1", "east"))])
        cloud.slice("edge", 4)
        cloud.filled(4)
        victim = next(name for name in cloud.held() if name not in ("w1", "e1"))
        site = site_of(victim)
        job = cloud.job("first", 24)
        job.collect(0.5)
        net.down(site, victim)
        others = [name for name in names if name != victim]
        say("%s, in seat %d, is cut off; its seat was refilled in %.1f s"
            % (victim, cloud.held()[victim], cloud.filled(4, others)))
        say("settled without it: %s" % job.settle())
        assert cloud.agents[victim].alive()
        net.up(site, victim)
        say("it is back in the overlay after %.1f s, its seat given up after %.1f s" % (cloud.joined(), cloud.filled(4)))
        # A slice of all boxes needs it again.
        cloud.slice("edge", 6)
        cloud.filled(6)
        shares = cloud.job("again", 36).settle()
        say("with it again: %s" % shares)
        assert victim in shares
        cloud.alive()


def test_a_partition_between_two_routers_heals_by_itself(tmp_path):
    west, east = (["%s%d" % (site, number) for number in (1, 2, 3, 4)] for site in "we")
    with street(tmp_path, {"west": 4, "east": 4}) as (net, cloud):
        filters(net, "core", {"eastward": "ip saddr 10.1.0.0/16 ip daddr 10.2.0.0/16 udp dport 7000",
                              "westward": "ip saddr 10.2.0.0/16 ip daddr 10.1.0.0/16 udp dport 7000"})
        cloud.enrol(west + east, doors=["w1", "e1"])
        cloud.up([("w1", net.address("w1", "west")), ("e1", net.address("e1", "east"))])
        cloud.slice("edge", 4)
        cloud.filled(4)
        first = cloud.job("first", 24)
        first.collect(0.5)
        before = {name: net.kernel(name)["Udp.InDatagrams"] for name in east}
        net.down("core", "east")
        cut = net.counted("core")
        say("cut; the west has its own ring after %.1f s" % cloud.filled(4, west))
        say("and the east its own after %.1f s more" % cloud.filled(4, east))
        shares = first.settle()
        say("the west settles alone: %s" % shares)
        assert net.counted("core") == cut, "something crossed the cut"
        for name in east:
            assert net.kernel(name)["Udp.InDatagrams"] > before[name] + 10, "%s went silent" % name
        time.sleep(30)  # longer than a box found dead stays dead by hearsay
        net.up("core", "east")
        began = time.monotonic()

        def apart():
            counts = net.counted("core")
            return [way for way in counts if counts[way] < cut[way] + 20]

        say("healed; both ways in use after %.1f s" % wait_for(apart, HEAL_S))
        cloud.joined(most_s=HEAL_S)
        cloud.filled(4, most_s=HEAL_S)
        say("one overlay and one ring after %.1f s" % (time.monotonic() - began))
        # All eight boxes are needed for this: it is one fleet.
        cloud.slice("edge", 8)
        cloud.filled(8)
        shares = cloud.job("second", 64).settle()
        say("settled by all: %s" % shares)
        assert {name[0] for name in shares} == {"w", "e"}
        cloud.alive()


def test_a_box_with_a_new_address_is_found_again(tmp_path):
    names = ["w1", "w2", "w3", "e1", "e2", "e3"]
    with street(tmp_path, {"west": 3, "east": 3}) as (net, cloud):
        cloud.enrol(names, doors=["w1"])
        cloud.up([("w1", net.address("w1", "west"))])
        cloud.slice("edge", 4)
        cloud.filled(4)
        seats = cloud.held()
        sitting = next(name for name in seats if name != "w1")
        free = next(name for name in names if name not in seats and name != "w1")
        for number, (name, most_s) in enumerate([(sitting, 3), (free, 20)]):
            site = site_of(name)
            others = [other for other in names if other != name]
            filters(net, name, {"from_" + other: "ip saddr %s udp dport 7000" % net.address(other, site_of(other))
                                for other in others})
            old = net.address(name, site)
            net.readdress(name, site, (SITES[site], 50 + number))
            start = net.counted(name)
            wanted = {"from_" + other for other in (seats if name == sitting else others) if other != name}

            def missing(name=name, start=start, wanted=wanted):
                counts = net.counted(name)
                return [key for key in wanted if counts[key] == start[key]]

            took = wait_for(missing, most_s)
            say("%s (%s) went from %s to %s: heard from %s there after %.1f s"
                % (name, "seat %d" % seats[name] if name in seats else "no seat", old, net.address(name, site),
                   "its ring" if name == sitting else "all others", took))
        assert cloud.held() == seats, "a move cost a seat"
        shares = cloud.job("first", 24).settle()
        say("settled: %s" % shares)
        assert sitting in shares
        cloud.alive()
