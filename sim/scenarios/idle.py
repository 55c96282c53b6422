"""A joined fleet with nothing to do is quiet: at most 65 bytes a second a box, both ways."""

NODES = 40

# IPv4 and UDP headers of each datagram.
HEADERS = 28
MOST_BYTES_S = 65
IDLE_S = 1_800


def play(lab):
    """Half an hour without news, after the fleet has joined and calmed down."""
    lab.boot(doors=1, contacts=4)
    lab.until("overlay connected", lab.connected, 300)
    lab.go(120_000)
    network = lab.world.network
    datagrams, size = network.sent, network.sent_bytes
    lab.go(IDLE_S * 1_000)
    # What one box sends another receives: both ways is twice.
    total = 2 * (network.sent_bytes - size + HEADERS * (network.sent - datagrams))
    rate = total / IDLE_S / lab.nodes
    lab.measure("idle_bytes_s", round(rate, 1))
    lab.require("quiet", lambda: "" if rate <= MOST_BYTES_S else "%.1f bytes a second a box" % rate)
    lab.require("overlay still connected", lab.connected)
