"""What a sweep can run: each task takes what JSON can hold and gives {figure: number}."""

import resource
import time

import numpy as np

# Of the results' files: a task that measures something else gets a higher one of its own.
VERSION, VERSIONS = 2, {"healing": 3, "slices": 3}
STEADY = 60
# A trimmed mean over as many estimates of the size, as agent/aggregate.count.
CELLS = 24


def overlay(nodes, seed, kind, view=20):
    """Shape of an overlay after STEADY cycles: ours, or Newscast with a view."""
    from ..graph import Graph, stream

    if kind == "ours":
        from .sampling import Fleet

        fleet = Fleet(nodes, seed)
        for _ in range(STEADY):
            fleet.cycle()
        graph = fleet.graph()
    else:
        from .newscast import Newscast

        model = Newscast(nodes, seed, view)
        for _ in range(STEADY):
            model.cycle()
        graph = Graph(nodes, np.repeat(np.arange(nodes), view), model.links().ravel())
    degrees, rng = graph.in_degrees(), stream(seed)
    return {"in-degree sd": float(degrees.std()), "in-degree, least": int(degrees.min()),
            "in-degree, most": int(degrees.max()), "clustering": float(graph.clustering(rng)),
            "path length": float(graph.path_length(rng, 5)), "cut": 100 * graph.first_cut(rng)}


def healing(nodes, seed, kind, cycles=30):
    """Dead links, % of all, 0 to `cycles` cycles after the sudden death of half."""
    if kind == "ours":
        from .sampling import Fleet

        fleet = Fleet(nodes, seed)
        share = lambda: fleet.links()[2]
    else:
        from .newscast import Newscast

        fleet = Newscast(nodes, seed)
        share = fleet.dead_share
    for _ in range(STEADY):
        fleet.cycle()
    fleet.kill(0.5)
    out = {"0": 100 * share()}
    for cycle in range(1, cycles + 1):
        fleet.cycle()
        out[str(cycle)] = 100 * share()
    return out


def factor(nodes, seed, kind, view=20, loss=0.0, cycles=12):
    """Variance factor per cycle over `cycles` cycles."""
    if kind == "ours":
        from .sampling import Fleet

        fleet = Fleet(nodes, seed, loss=loss)
        for _ in range(20):
            fleet.cycle()
        fleet.values[:nodes, 0] = np.arange(nodes)
        seen = []
        fleet.epoch(lambda: seen.append(float(fleet.values[fleet.live(), 0].var())))
        return {"factor": (seen[cycles] / seen[0]) ** (1 / cycles)}
    from .newscast import Newscast

    model = Newscast(nodes, seed, view)
    first = model.variance()
    for _ in range(cycles):
        model.cycle()
    return {"factor": (model.variance() / first) ** (1 / cycles)}


def count(nodes, seed, churn=0.0, loss=0.0):
    """COUNT by CELLS cells in one epoch, in % of the size at its start: mean, least and most of the boxes."""
    from .sampling import Fleet

    fleet = Fleet(nodes, seed, loss=loss, churn=churn, columns=CELLS)
    for _ in range(20):
        fleet.cycle()
    leaders = np.random.default_rng([seed, 3]).choice(fleet.live(), CELLS, replace=False)
    fleet.values[:] = 0.0
    fleet.values[leaders, np.arange(CELLS)] = 1.0
    fleet.epoch()
    held = fleet.values[fleet.live()[fleet.taking[fleet.live()]]]
    estimates = np.sort(1 / np.maximum(held, 1e-12), axis=1)[:, CELLS // 3 : CELLS - CELLS // 3].mean(1)
    return {name: float(100 * fold(estimates) / nodes) for name, fold in (("mean", np.mean), ("least", np.min), ("most", np.max))}


def rumour(nodes, seed, round_s=1.0, loss=0.0, idle_s=None):
    """Seconds until half, 99.9 % and all have a manifest; announcements a box."""
    from .spreading import Rumour

    spread = Rumour(nodes, seed, loss, round_s, idle_s=idle_s)
    half, most, last = spread.go()
    return {"half": half, "99.9 %": most, "last": last, "announcements a box": spread.told / nodes}


def rollout(nodes, seed, bad, need=18, liars=0.0):
    """% of the fleet hit by an image that fails on a share of the boxes; hours to 99 %."""
    from .waves import rollout as run

    found = run(nodes, seed, (0.01, 0.1, 0.5, 1.0), 20, need, 3_600, bad=bad, liars=liars)
    return {"hit": 100 * found["hit"], "reached": 100 * found["reached"],
            "hours": found["done_s"] / 3_600 if np.isfinite(found["done_s"]) else -1.0}


def filling(nodes, seed, share=0.1, match=1.0, loss=0.0):
    """Seconds from the push of a slice to its first seat, and to so many of all; share: seats, of all boxes."""
    from . import filling as model

    found = model.when(model.Filling(nodes, seed, int(share * nodes), match, loss).go(0.05), 0.05)
    return dict(zip(("first", "half", "90 %", "all"), (found[0], *(found[0] + after for after in found[1:]))))


def slices(nodes, seed, kind, cycles=100):
    """Slices of a hundred that a node is off, by cycle, and what its lots allow at best; kind: ordering or ranking."""
    from .slicing import Slices

    model = Slices(nodes, seed, kind == "ordering")
    out = {"0": model.disorder(), "floor": model.floor()}
    for cycle in range(1, cycles + 1):
        model.cycle()
        out[str(cycle)] = model.disorder()
    return out


def ring(nodes, seed, kind="tman", view=20):
    """Cycles until 99 %, 99.9 % and all ring links are right, -1 if never in rings.CYCLES_MOST; kind: tman or ours."""
    from . import holders, rings

    found = rings.cycles_to(holders.Agents(nodes, seed) if kind == "ours" else rings.Ring(nodes, seed, view))
    return {"%g %%" % (100 * share): found.get(share, -1) for share in rings.SHARES}


def cost(nodes, seed, kind, cycles=4):
    """Microseconds of CPU for a node and cycle, and MB of this process at most."""
    if kind == "ours":
        from .sampling import Fleet as Model
    else:
        from .newscast import Newscast as Model
    Model(64, seed).cycle()  # compiles
    model = Model(nodes, seed)
    begun = time.process_time()
    for _ in range(cycles):
        model.cycle()
    arrays = sum(array.nbytes for array in vars(model).values() if isinstance(array, np.ndarray))
    return {"microseconds": 1e6 * (time.process_time() - begun) / nodes / cycles, "bytes a node": arrays / nodes,
            "resident MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def real(nodes, seed, bench):
    """Rows of a bench of the agent's own classes: {figure: [nodes, ours, reference, whose]}."""
    from .. import bench as benches

    found = benches.perform(bench, (nodes,), seed, say=lambda text: None)
    if "failure" in found:
        raise RuntimeError(found["failure"])
    return {"%s; %s" % (row["figure"], row["reference_of"]) if row["reference_of"] else row["figure"]:
            [row["nodes"], row["ours"], row["reference"], row["reference_of"]] for row in found["rows"]}


TASKS = {task.__name__: task for task in (overlay, healing, factor, count, rumour, rollout, filling, slices, ring, cost, real)}


def run(task, arguments):
    """Performs one task: the function that a pool's process or a Dask worker is given."""
    return TASKS[task](**arguments)
