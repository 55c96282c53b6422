"""The soak's figures as pictures."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

# (field, title, factor)
PANELS = (
    ("heap_used", "heap in use after a collection, KiB", 1 / 1024),
    ("largest_free", "largest free piece of the heap, KiB", 1 / 1024),
    ("scattered", "free heap outside its largest piece, %", 100),
    ("rss_kb", "resident memory (RSS), MiB", 1 / 1024),
    ("file_bytes", "files on the box's disk, KiB", 1 / 1024),
)
STEADY_COLOURS = ("#0b6fb8", "#c8501e", "#2c8a4b", "#8a4fb0")
CHURNED = "#b9bec4"


def draw(path, rows, steady, jobs, heading):
    """A PNG of the samples `rows` ({field: value}); `jobs` are (time_s, seconds to settle)."""
    figure, axes = pyplot.subplots(3, 2, figsize=(11, 9.5), sharex=True, dpi=80)
    for axis, (field, title, factor) in zip(axes.flat, PANELS):
        _panel(axis, rows, steady, field, title, factor)
    axis = axes.flat[5]
    axis.plot([at / 60 for at, _ in jobs], [took for _, took in jobs], ".", color="#0b6fb8", markersize=4)
    axis.set_title("seconds until a job was settled", fontsize=10, loc="left")
    axis.set_ylim(bottom=0)
    for axis in axes.flat:
        axis.grid(True, color="#e6e6e6", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[2]:
        axis.set_xlabel("minutes")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(labels), frameon=False, fontsize=9)
    figure.suptitle(heading, fontsize=9, x=0.01, ha="left")
    figure.tight_layout(rect=(0, 0.03, 1, 0.98))
    figure.savefig(path)
    pyplot.close(figure)


def _panel(axis, rows, steady, field, title, factor):
    lives = {}
    for row in rows:
        lives.setdefault((row["agent"], row["life"]), []).append(row)
    said = False
    for (agent, _), life in sorted(lives.items(), key=lambda item: item[0][0] in steady):
        times = [row["time_s"] / 60 for row in life]
        values = [row[field] * factor for row in life]
        if agent in steady:
            colour = STEADY_COLOURS[steady.index(agent) % len(STEADY_COLOURS)]
            axis.plot(times, values, color=colour, linewidth=1.4, label=agent + ", never restarted")
        else:
            axis.plot(times, values, color=CHURNED, linewidth=0.8, label=None if said else "killed and restarted")
            said = True
    axis.set_title(title, fontsize=10, loc="left")
    axis.set_ylim(bottom=0)
