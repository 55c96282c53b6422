"""Under loss, duplication and reordering boxes still join and hear of everything."""

NODES = 30


def play(lab):
    """A fifth of all datagrams is lost from the first moment, and it never gets better."""
    lab.storm(loss=0.2, duplicate=0.1, reorder=0.2, crash=0.0, disk_full=0.0, partition=0.0, broker=0.0)
    lab.boot(doors=2, contacts=2)
    lab.until("overlay connected", lab.connected, 300)
    lab.operator.push_slice("edge", 4)
    lab.measure("informed_s", lab.until("manifest everywhere", lab.informed, 300))
    lab.measure("ring_s", lab.until("ring closed", lab.ring("edge", 4), 600))
