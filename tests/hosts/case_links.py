"""Cables pulled and put back: of one box, and between two sites; and a box that gets a new address."""

import time

import pytest
from cloud import SITES, say, site_of, street, wait_for

HEAL_S = 180  # contacts of old are tried once in some twenty rounds
SPREAD_S = 20  # ten rounds
# A connection to the broker that has lost its address is found dead by a ping every 30 s
# that is not answered for 20 s, or by a result that is not; then it is made anew.
DOOR_S = 60


def filters(net, host, rules, hooks=("input", "forward")):
    """Counts what comes to a host or passes it: rules are {name: expression of nftables}."""
    lines = ["add table inet seen"]
    for hook in hooks:
        lines.append("add chain inet seen %s { type filter hook %s priority 0; }" % (hook, hook))
    for name, expression in rules.items():
        lines.append("add counter inet seen " + name)
        lines += ["add rule inet seen %s %s counter name %s" % (hook, expression, name) for hook in hooks]
    net.nft(host, "\n".join(lines) + "\n")


@pytest.mark.parametrize("end", ["router", "box"])
def test_a_box_whose_link_goes_down_is_replaced_and_comes_back(end, tmp_path):
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
        # At the router's end the box loses its carrier, at its own its routes.
        link = (site, victim) if end == "router" else (victim, site)
        seat = cloud.held()[victim]
        net.down(*link)
        others = [name for name in names if name != victim]
        say("%s, in seat %d, is cut off at the %s's end; its seat was refilled in %.1f s"
            % (victim, seat, end, cloud.filled(4, others)))
        say("settled without it: %s" % job.settle())
        assert cloud.agents[victim].alive()
        heard = net.kernel(victim)["Udp.InDatagrams"]
        net.up(*link)
        back = wait_for(lambda: net.kernel(victim)["Udp.InDatagrams"] < heard + 10 and "it hears nobody")
        # Until now two boxes have held its seat, each for all it knew.
        say("it hears others again after %.1f s; one holder of each seat after %.1f s more" % (back, cloud.filled(4)))
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
        say("settled while cut: %s" % shares)
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
    with street(tmp_path, {"west": 3, "east": 4}) as (net, cloud):
        # e4 comes later, and nobody asks it first: it knows the others by what it is told.
        cloud.enrol([*names, "e4"], doors=["w1"], extra={"e4": {"reachable": 0}})
        cloud.up([("w1", net.address("w1", "west"))], without=["e4"])
        cloud.slice("edge", 4)
        cloud.filled(4)
        seats = cloud.held()
        moves = []
        sitting = next(name for name in seats if name != "w1")
        free = next(name for name in names if name not in seats and name != "w1")
        for number, (name, most_s) in enumerate([(sitting, 3), (free, 20)]):
            site = site_of(name)
            others = [other for other in names if other != name]
            filters(net, name, {"from_" + other: "ip saddr %s udp dport 7000" % net.address(other, site_of(other))
                                for other in others})
            old = net.address(name, site)
            net.readdress(name, site, (SITES[site], 50 + number))
            moves.append((name, old, net.address(name, site)))
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
        time.sleep(SPREAD_S)
        filters(net, "e4", {when + "_" + name: "ip daddr %s udp dport 7000" % address for name, *both in moves
                            for when, address in zip(("old", "new"), both)}, ("output",))
        cloud.start("e4")
        wait_for(lambda: [name for name, *_ in moves if not net.counted("e4")["new_" + name]])
        time.sleep(SPREAD_S)
        say("a newcomer's datagrams to their old and new addresses: %s" % net.counted("e4"))
        assert not any(net.counted("e4")["old_" + name] for name, *_ in moves)
        cloud.alive()


def test_the_only_door_gets_a_new_address_while_results_come(tmp_path):
    names = ["w1", "w2", "w3", "e1", "e2", "e3"]
    with street(tmp_path, {"west": 3, "east": 3}) as (net, cloud):
        cloud.enrol(names, doors=["w2"])
        cloud.up([("w1", net.address("w1", "west"))])
        cloud.slice("edge", 4)
        cloud.filled(4)
        job = cloud.job("first", 96)
        assert job.collect(1) < 1
        net.readdress("w2", "west", (1, 50))
        began, before = time.monotonic(), job.done
        while job.done == before:
            job.collect(0.5)
            assert time.monotonic() - began < DOOR_S, "no result came from the door's new address"
        say("with %d of 96 settled the only door moved; the next result came %.1f s later"
            % (before, time.monotonic() - began))
        say("settled: %s" % job.settle())
        cloud.alive()
