"""Clocks that drift and wall clocks that are minutes wrong keep no box from manifests, seats or results."""

from ..faults import Faults

NODES = 24
TASKS = 16
SEATS = 5
# Ten times what a bad crystal does, and a wall clock that nobody set.
DRIFT_PPM = 1_000
WALL_S = 900


def play(lab):
    """No two clocks agree; all works as if they did."""
    lab.boot(doors=2, contacts=2, weather=Faults(drift_ppm=DRIFT_PPM, wall_s=WALL_S))
    lab.until("overlay connected", lab.connected, 120)
    lab.operator.push_slice("edge", SEATS)
    lab.measure("informed_s", lab.until("manifest everywhere", lab.informed, 120))
    lab.measure("ring_s", lab.until("ring closed", lab.ring("edge", SEATS), 300))
    lab.operator.push_workload("words", "edge", TASKS)
    lab.always("settled at most once", lab.settled_once("words"))
    lab.measure("settled_s", lab.until("all tasks settled", lab.done("words", TASKS), 600))
    lab.go(120_000)
    lab.require("ring stays closed", lab.ring("edge", SEATS))
