"""Boxes behind NATs of the kernel: what they take part in, and what a lost mapping does."""

from cloud import say, site_of, street, wait_for

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


def town(net, cloud, regions=None, without=(), **settings):
    """Two boxes behind nat3, one behind nat4, five that can be reached; joined.  Names of the hidden ones."""
    hidden = behind(net, 3, 2) + behind(net, 4, 1)
    extra = {name: {"reachable": 0} for name in hidden}
    for name, region in (regions or {}).items():
        extra.setdefault(name, {})["region"] = region
    cloud.enrol(REACHABLE + hidden, doors=["w1"], settings=settings, extra=extra)
    contacts = [("w1", net.address("w1", "west")), ("e1", net.address("e1", "east"))]
    say("joined in %.1f s, three of eight behind NATs" % cloud.up(contacts, without))
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
        # Different NATs: neighbours of a ring greet each other at the same time, and get through.
        inside, own = net.address("a4", "nat4"), net.address("nat3", "core")
        wait_for(lambda: (inside, own) not in talks(net, "nat4") and "a4 and the boxes behind nat3 do not speak")
        # The same NAT: it does not turn their datagrams round.
        pairs = {pair for pair in talks(net, "nat3") if pair[1] == own}
        say("a4 speaks with boxes behind nat3; those two %s with each other" % ("speak" if pairs else "cannot speak"))
        assert not pairs
        assert not vacant()


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


def test_a_seat_that_only_an_unreachable_box_could_take_waits(tmp_path):
    with street(tmp_path, {"west": 3, "east": 2}, families=(4,)) as (net, cloud):
        town(net, cloud, {"a3": "pair", "b3": "pair", "w3": "pair", "e2": "pair"}, without=["e2"])
        cloud.slice("edge", 3, 'region == "pair"')
        wait_for(lambda: len(cloud.held()) < 2 and "fewer than two seats are held")
        # Two boxes behind one NAT in a ring of three: whether both get in depends on who grants.
        job = cloud.job("first", 24)
        shares = job.settle()
        say("the work does not wait for a full ring: %s did all" % shares)
        cloud.start("e2")
        say("another that can be reached fills the ring in %.1f s" % cloud.filled(3))
        say("settled: %s" % cloud.job("again", 24).settle())
        cloud.alive()
