"""When two figures, or two distributions, are the same: the tests by which a model is believed.

same_distribution: Kolmogorov and Smirnov's of two samples, at one in a thousand.
within: a run's figure among those of a model over seeds, as a prediction interval
of SIGMAS deviations; a figure that hardly varies gets a floor, which is stated.
"""

import numpy as np

# One false alarm in a thousand tests: sqrt(-ln(0.001 / 2) / 2).
KS_FACTOR = 1.949
SIGMAS = 4.0


def distance(one, two):
    """The largest distance between the distributions of two samples."""
    one, two = np.sort(one), np.sort(two)
    at = np.concatenate([one, two])
    heights = [np.searchsorted(sample, at, side="right") / len(sample) for sample in (one, two)]
    return float(np.abs(heights[0] - heights[1]).max())


def same_distribution(one, two):
    """(held, distance, most allowed) of two samples."""
    most = KS_FACTOR * np.sqrt((len(one) + len(two)) / (len(one) * len(two)))
    far = distance(one, two)
    return bool(far <= most), far, float(most)


def within(seen, model, floor=0.0):
    """(held, deviations off): a figure seen once, and the model's over seeds.

    floor: the least deviation taken, in the figure's own unit.
    """
    model = np.asarray(model, dtype=float)
    spread = max(float(model.std(ddof=1)), floor) * np.sqrt(1 + 1 / len(model))
    off = abs(seen - float(model.mean())) / spread if spread else (0.0 if seen == model.mean() else np.inf)
    return bool(off <= SIGMAS), float(off)


def agree(seen, model, floor=0.0):
    """(held, deviations off): figures seen over seeds, and the model's over others (Welch's t)."""
    seen, model = np.asarray(seen, dtype=float), np.asarray(model, dtype=float)
    if len(seen) == 1:
        return within(float(seen[0]), model, floor)
    spread = np.sqrt(sum(max(float(x.std(ddof=1)), floor) ** 2 / len(x) for x in (seen, model)))
    off = abs(float(seen.mean() - model.mean())) / spread
    return bool(off <= SIGMAS), float(off)
