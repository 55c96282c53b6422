"""The figures for the docs: each a PNG and a CSV, ours beside the published values.

A figure is a list of runs (sweep.py) and of points: (line, x, run, key) of ours, and
(line, x, value, whose) of others.  Under each picture stand the seeds and the command.
"""

import csv
import math
import pathlib
from dataclasses import dataclass, field

from . import sweep

PEERSIM = "PeerSim"
TOCS = "Jelasity et al., TOCS 2005, PeerSim's classes"
COMMAND = "python -m backfence.sim figures"
# The largest size at which whole overlays are measured: path lengths take more than the model.
OVERLAY_MOST = 100_000


@dataclass
class Figure:
    """title, axes; ours: [(line, x, task, arguments, key)]; published: [(line, x, value, whose)]."""

    title: str
    x: str
    y: str
    ours: list = field(default_factory=list)
    published: list = field(default_factory=list)
    log_x: bool = False
    log_y: bool = False
    scale: float = 1.0

    def add(self, line, x, task, key, **arguments):
        """A point of ours, once for each seed later."""
        self.ours.append((line, x, task, arguments, key))


def _sizes(most, least=10_000):
    return [size for size in (1_000, 10_000, 100_000, 1_000_000, 10_000_000) if least <= size <= most]


def _sampling(most):
    out = {}
    published = {
        "in-degree sd": [("Newscast 20", 10_000, 8.34), ("Newscast 30", 10_000, 13.1), ("Newscast 20", 100_000, 8.35),
                         ("Cyclon 20", 10_000, 1.51), ("Cyclon 20", 100_000, 1.40)],
        "clustering": [("Newscast 20", 10_000, 0.290), ("Newscast 30", 10_000, 0.207), ("Newscast 20", 100_000, 0.289),
                       ("Cyclon 20", 10_000, 0.0038), ("Cyclon 20", 100_000, 0.0004)],
        "path length": [("Newscast 20", 10_000, 3.46), ("Newscast 30", 10_000, 2.90), ("Newscast 20", 100_000, 4.39),
                        ("Cyclon 20", 10_000, 2.86), ("Cyclon 20", 100_000, 3.54)],
        "in-degree, least": [("Newscast 20", 10_000, 2), ("Newscast 30", 10_000, 3), ("Newscast 20", 100_000, 2),
                             ("Cyclon 20", 10_000, 12), ("Cyclon 20", 100_000, 14)],
        "in-degree, most": [("Newscast 20", 10_000, 65), ("Newscast 30", 10_000, 104), ("Newscast 20", 100_000, 74),
                            ("Cyclon 20", 10_000, 25), ("Cyclon 20", 100_000, 25)],
        "cut": [("Newscast 20", 10_000, 70), ("Newscast 30", 10_000, 85), ("Newscast 20", 100_000, 60),
                ("Cyclon 20", 10_000, 80), ("Cyclon 20", 100_000, 75)],
    }
    for key, rows in published.items():
        y = "% removed at random when first cut in 5 trials" if key == "cut" else key
        figure = Figure("Peer sampling: %s" % y, "boxes", y, log_x=True, log_y=key in ("in-degree sd", "clustering"),
                        published=[row + (PEERSIM,) for row in rows])
        for nodes in _sizes(min(most, OVERLAY_MOST)):
            figure.add("Backfence", nodes, "overlay", key, nodes=nodes, kind="ours")
            figure.add("Newscast 20, our model", nodes, "overlay", key, nodes=nodes, kind="newscast")
            figure.add("Newscast 30, our model", nodes, "overlay", key, nodes=nodes, kind="newscast", view=30)
        out["sampling-" + key.replace(",", "").replace(" ", "-")] = figure
    return out


def _healing(most):
    nodes = _sizes(min(most, 1_000_000))[-1]
    figure = Figure("Dead links after 50 % sudden death", "cycles", "% of the links", log_y=True)
    for cycle in range(31):
        figure.add("Backfence, %d boxes" % nodes, cycle, "healing", str(cycle), nodes=nodes, kind="ours")
    for cycle in range(6):
        figure.add("Newscast 20, our model, %d" % nodes, cycle, "healing", str(cycle), nodes=nodes, kind="newscast", cycles=5)
    for cycle, value in enumerate((49.9, 42.8, 14.3, 0.53, 0.003)):
        figure.published.append(("Newscast 20, 100000, with an oracle", cycle, value, PEERSIM))
    for cycle, value in ((10, 35.4), (20, 16.4), (30, 0.59)):
        figure.published.append(("Cyclon 20, 100000", cycle, value, PEERSIM))
    return {"healing": figure}


def _averages(most):
    nodes = _sizes(most)[-1]
    sizes = Figure("Averaging: variance factor per cycle", "boxes", "factor", log_x=True, published=[
        ("theory", 10_000, 0.3033, TOCS), ("theory", 100_000, 0.3033, TOCS),
        ("complete overlay", 1_000, 0.295, TOCS), ("complete overlay", 10_000, 0.304, TOCS),
        ("complete overlay", 100_000, 0.301, TOCS), ("static random 30", 100_000, 0.306, TOCS),
        ("Newscast 20", 100_000, 0.354, TOCS), ("Newscast 30", 100_000, 0.314, TOCS)])
    for size in _sizes(most, 1_000):
        sizes.add("Backfence", size, "factor", "factor", nodes=size, kind="ours")
        for view in (20, 30):
            sizes.add("Newscast %d, our model" % view, size, "factor", "factor", nodes=size, kind="newscast", view=view)
    losses = Figure("Averaging under loss", "% of the datagrams lost", "factor", published=[
        ("Newscast 30, nothing repeated", 100 * loss, value, TOCS)
        for loss, value in ((0.0, 0.314), (0.01, 0.321), (0.05, 0.350), (0.1, 0.389), (0.2, 0.464))])
    for loss in (0.0, 0.01, 0.05, 0.1, 0.2):
        losses.add("Backfence, %d boxes, questions repeated" % nodes, 100 * loss, "factor", "factor", nodes=nodes, kind="ours", loss=loss)
    count = Figure("COUNT, boxes replaced in each cycle", "% replaced a cycle", "% of the size at the start", published=[
        ("published, mean", 1.0, 98.879, TOCS), ("published, least", 1.0, 95.548, TOCS), ("published, most", 1.0, 102.058, TOCS),
        ("published, mean", 0.0, 100.0, TOCS)])
    lost = Figure("COUNT under loss", "% of the datagrams lost", "% of the size at the start", published=[
        ("published, least", 5, 97.8, TOCS), ("published, most", 5, 114.0, TOCS),
        ("published, least", 20, 88.9, TOCS), ("published, most", 20, 118.6, TOCS)])
    boxes = min(nodes, 100_000)
    for key in ("least", "mean", "most"):
        for churn in (0.0, 0.005, 0.01, 0.02):
            count.add("Backfence, %d boxes, %s" % (boxes, key), 100 * churn, "count", key, nodes=boxes, churn=churn)
        for loss in (0.0, 0.05, 0.2):
            lost.add("Backfence, %d boxes, %s" % (boxes, key), 100 * loss, "count", key, nodes=boxes, loss=loss)
    return {"averaging-factor": sizes, "averaging-loss": losses, "count-churn": count, "count-loss": lost}


def _ours(most):
    rumour = Figure("A manifest in a quiet fleet, busy round 1 s", "boxes", "seconds", log_x=True)
    for key in ("half", "99.9 %", "last"):
        for nodes in _sizes(most, 1_000):
            rumour.add("at " + key, nodes, "rumour", key, nodes=nodes, idle_s=60.0)
    serf = Figure("A manifest among 50 boxes, round 0.2 s", "", "seconds", published=[
        ("half", 1, 0.37, "serf 0.9.4"), ("last", 2, 0.71, "serf 0.9.4")])
    for x, key in ((1, "half"), (2, "last")):
        serf.add(key, x, "rumour", key, nodes=50, round_s=0.2)
    waves = Figure("An image that fails on a part of the boxes: who is hit", "% of the boxes on which it fails", "% of the fleet", log_y=True)
    hours = Figure("An image that fails on a part of the boxes: hours until 99 % have it", "% of the boxes on which it fails", "hours", log_y=True)
    nodes = _sizes(most)[-1]
    for need in (16, 18):
        for bad in (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0):
            for figure, key in ((waves, "hit"), (hours, "hours")):
                figure.add("need %d of 20, %d boxes" % (need, nodes), 100 * bad, "rollout", key, nodes=nodes, bad=bad, need=need)
    filling = Figure("A slice of a tenth of the boxes fills, round 1 s", "boxes", "seconds from its push", log_x=True)
    for key in ("first", "half", "90 %", "all"):
        for size in _sizes(most, 1_000):
            filling.add("seats: " + key, size, "filling", key, nodes=size)
    cost = Figure("Cost of the model", "boxes", "microseconds a node and cycle", log_x=True, log_y=True, published=[
        (PEERSIM + ", Newscast 20 and averaging", 100_000, 2.4, PEERSIM), (PEERSIM + ", Newscast 20 and averaging", 1_000_000, 4.0, PEERSIM)])
    for nodes in _sizes(most):
        cost.add("Backfence's protocol", nodes, "cost", "microseconds", nodes=nodes, kind="ours")
        cost.add("Newscast 20 and averaging", nodes, "cost", "microseconds", nodes=nodes, kind="newscast")
    return {"rumour": rumour, "rumour-serf": serf, "rollout": waves, "rollout-hours": hours, "filling": filling, "cost": cost}


def _orders(most):
    slices = Figure("Ordered slicing, 100 slices, 10000 boxes, Newscast 20", "cycles", "slices off, a box", log_y=True)
    for kind in ("ordering", "ranking"):
        for cycle in (0, 10, 20, 40, 100):  # Newscast's model has 127 cycles
            slices.add(kind + ", our model", cycle, "slices", str(cycle), nodes=10_000, kind=kind)
            if kind == "ordering":
                slices.add("ordering, the same lots in order", cycle, "slices", "floor", nodes=10_000, kind=kind)
    for kind, values in (("ordering (JK)", (33.2, 1.14, 0.578, 0.327, 0.209, 0.183)), ("ranking, 22 samples", (33.2, 3.22, 2.51, 1.83, 1.17, 0.815))):
        slices.published += [(kind, cycle, value, PEERSIM) for cycle, value in zip((0, 10, 20, 40, 100, 200), values)]
    rings = Figure("T-Man rings", "seats", "cycles", log_x=True)
    keys = ("99 %", "99.9 %", "100 %")
    for key in keys:
        for nodes in [1 << power for power in (10, 12, 14, 16) if 1 << power <= most]:
            rings.add("our model, view 20, %s right" % key, nodes, "ring", key, nodes=nodes)
            rings.add("Backfence, %s right" % key, nodes, "ring", key, nodes=nodes, kind="ours")
        rings.add("our model, view 40, %s right" % key, 16_384, "ring", key, nodes=16_384, view=40)
    for nodes, values in ((1024, (10, 12, 13)), (4096, (14, 17, 20)), (16384, (16, 20, 31))):
        rings.published += [("view 20, %s right" % key, nodes, value, "authors' code") for key, value in zip(keys, values)]
    rings.published += [("view 40, %s right" % key, 16_384, value, "authors' code") for key, value in zip(keys, (13, 15, 21))]
    return {"slicing": slices, "tman": rings}


# Tables of which the agent's own classes are asked, by bench: (boxes, what).
REAL = {"ring": 1_024, "rank": 1_000, "slices": 1_000, "broadcast": 1_000, "percentiles": 1_000, "idle": 1_000, "work": 200}


def figures(most):
    """{name: Figure} with models of `most` boxes at most; those of REAL are tables."""
    return {**_sampling(most), **_healing(most), **_averages(most), **_orders(most), **_ours(most)}


def runs_of(figure, seeds):
    """The runs of a figure, each once."""
    found = {}
    for _, _, task, arguments, _ in figure.ours:
        for seed in range(1, seeds + 1):
            run = (task, dict(arguments, seed=seed))
            found[str(sweep.path_of("", *run))] = run
    return list(found.values())


def rows_of(figure, seeds, results):
    """CSV rows: [line, x, mean, least, most, whose]; results: {file name of a run: its result}."""
    rows = []
    for line, x, task, arguments, key in figure.ours:
        values = [results[str(sweep.path_of("", task, dict(arguments, seed=seed)))][key] for seed in range(1, seeds + 1)]
        rows.append([line, x, sum(values) / len(values), min(values), max(values), "ours"])
    return rows + [[line, x, value, value, value, whose] for line, x, value, whose in figure.published]


def draw(figure, rows, path, footer):
    """Writes path.csv and path.png."""
    pyplot = _pyplot()
    with open(path.with_suffix(".csv"), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["# " + footer])
        writer.writerow(["line", figure.x or "x", figure.y, "least", "most", "source"])
        writer.writerows([[row[0], *("%.6g" % number for number in row[1:5]), row[5]] for row in rows])
    chart, axes = pyplot.subplots(figsize=(7, 4.5))
    for line, source in dict.fromkeys((row[0], row[5]) for row in rows):
        points = sorted([row for row in rows if (row[0], row[5]) == (line, source) and math.isfinite(row[2])
                         and (row[2] > 0 or not figure.log_y)], key=lambda row: row[1])
        if not points:
            continue
        xs, ys = [row[1] for row in points], [row[2] for row in points]
        spans = [[max(0.0, row[2] - row[3]) for row in points], [max(0.0, row[4] - row[2]) for row in points]]
        ours = source == "ours"
        label = line if ours else "%s (%s)" % (line, source)
        axes.errorbar(xs, ys, yerr=spans, label=label, marker="o" if ours else "x", capsize=3, linestyle="-" if ours else ":")
    axes.set(title=figure.title, xlabel=figure.x, ylabel=figure.y)
    axes.set_xscale("log" if figure.log_x else "linear")
    axes.set_yscale("log" if figure.log_y else "linear")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
    _save(chart, path, footer)


def _table(name, result, path, footer):
    """Writes path.csv, and path.png: of each row that has a published value, ours as a multiple of it."""
    with open(path.with_suffix(".csv"), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["# " + footer])
        writer.writerow(["figure", "boxes", "ours", "published", "source"])
        writer.writerows([[figure, *row] for figure, row in result.items()])
    rows = [(figure, ours, theirs) for figure, (_, ours, theirs, _) in result.items() if theirs and ours > 0]
    if not rows:
        return
    pyplot = _pyplot()
    chart, axes = pyplot.subplots(figsize=(9, 1.4 + 0.24 * len(rows)))
    places = range(len(rows), 0, -1)
    axes.plot([ours / theirs for _, ours, theirs in rows], places, "o")
    axes.axvline(1.0, linestyle=":", color="black")
    axes.set_xscale("log")
    axes.set_ylim(0, len(rows) + 1)
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis("{x:g}")
    axes.set_yticks(places, ["%s: %.4g, %.4g" % row for row in rows], fontsize="xx-small")
    axes.set(title="%s: ours, published" % name, xlabel="ours as a multiple of the published value")
    axes.grid(alpha=0.3)
    _save(chart, path, footer)


def _pyplot():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(chart, path, footer):
    """Writes path.png with a line under the picture, and forgets the chart."""
    chart.text(0.01, 0.01, footer, fontsize=6, family="monospace")
    chart.tight_layout(rect=(0, 0.03, 1, 1))
    chart.savefig(path.with_suffix(".png"), dpi=110, metadata={"Software": None})
    _pyplot().close(chart)


def make(names, most, seeds, out, say, scheduler=None, processes=None):
    """Draws figures and tables by name into out/; list of the CSV files."""
    out = pathlib.Path(out)
    chosen = {name: figure for name, figure in figures(most).items() if name in names}
    tables = {name: ("real", {"nodes": REAL[name], "seed": 1, "bench": name}) for name in names if name in REAL}
    runs = {}
    for figure in chosen.values():
        runs.update({str(sweep.path_of("", *run)): run for run in runs_of(figure, seeds)})
    runs.update({str(sweep.path_of("", *run)): run for run in tables.values()})
    results = dict(zip(runs, sweep.sweep(list(runs.values()), out / "runs", say, scheduler, processes)))
    files = []
    for name, figure in chosen.items():
        footer = "%s %s --nodes %d --seeds %d   (seeds 1 to %d)" % (COMMAND, name, most, seeds, seeds)
        draw(figure, rows_of(figure, seeds, results), out / name, footer)
        files.append(out / (name + ".csv"))
    for name, run in tables.items():
        footer = "%s %s   (the agent's own classes; seed 1)" % (COMMAND, name)
        _table(name, results[str(sweep.path_of("", *run))], out / name, footer)
        files.append(out / (name + ".csv"))
    return files
