"""Numba, loaded when a model is used, and one source of randomness for all kernels.

The kernels draw from SplitMix64 (Steele, Lea, Flood, 2014) with its state in an
array of one word: one seed gives one run, whatever the version of Numba or NumPy.

What is compiled is kept in build/numba, by the hash of all files that a kernel's code
or constants may come from: Numba itself looks at the kernel's own file only.
"""

import hashlib
import os
import pathlib

import numpy as np

from .errors import ScaleError

try:
    from numba import config, njit
except ImportError:  # what is missing is said when a model is used, not before
    raise ScaleError("the scale model needs Numba: pip install 'backfence[scale]'") from None

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11, _S32 = (np.uint64(shift) for shift in (30, 27, 31, 11, 32))

HERE = pathlib.Path(__file__).parent
REPOSITORY = HERE.parent.parent
MODELS = ("filling", "holders", "jit", "newscast", "prefetch", "rings", "sampling", "slicing", "spreading", "views")
# Of agent/, whose constants are compiled in.
AGENT = ("aggregate", "contacts", "epoch", "limits", "links", "membership", "partners", "probes", "slicing")


def sources():
    """Paths of the files that kernels are made of."""
    return [HERE / (name + ".py") for name in MODELS] + [REPOSITORY / "agent" / (name + ".py") for name in AGENT]


def cache_folder():
    """Where what is compiled from these sources is kept."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.read_bytes())
    return REPOSITORY / "build" / "numba" / digest.hexdigest()[:16]


# Installed elsewhere, where nothing can be written, Numba finds a place of its own.
if not config.CACHE_DIR and (REPOSITORY / "Makefile").exists() and os.access(REPOSITORY, os.W_OK):
    config.CACHE_DIR = str(cache_folder())

kernel = njit(cache=True, nogil=True, boundscheck=False)


def stream(seed, name=""):
    """The state of one source of randomness: an array of one uint64, by seed and name."""
    words = [seed] + list(name.encode())
    return np.random.SeedSequence(words).generate_state(1, np.uint64)


@kernel
def draw(state):
    """The next 64 random bits."""
    state[0] += _GOLDEN
    word = state[0]
    word = (word ^ (word >> _S30)) * _MIX1
    word = (word ^ (word >> _S27)) * _MIX2
    return word ^ (word >> _S31)


@kernel
def mixed(one, two, three):
    """64 bits that look random, the same for the same three numbers, the third below 2^8."""
    word = (np.uint64(one) << _S32 | np.uint64(two)) * _MIX2 + np.uint64(three) * _GOLDEN
    word = (word ^ (word >> _S30)) * _MIX1
    word = (word ^ (word >> _S27)) * _MIX2
    return word ^ (word >> _S31)


@kernel
def below(state, count):
    """A random int64 from 0 to count - 1; count below 2^31."""
    return np.int64(((draw(state) >> _S32) * np.uint64(count)) >> _S32)


@kernel
def chance(state):
    """A random float from 0 to 1."""
    return np.float64(draw(state) >> _S11) * 1.1102230246251565e-16


@kernel
def shuffle(state, order):
    """Puts an array into random order (Fisher and Yates)."""
    for last in range(len(order) - 1, 0, -1):
        other = below(state, last + 1)
        order[last], order[other] = order[other], order[last]


@kernel
def random_views(state, views):
    """Fills each row of `views` (nodes, c; int32) with distinct others, at random."""
    nodes, width = views.shape
    for node in range(nodes):
        filled = 0
        while filled < width:
            other = below(state, nodes)
            known = other == node
            for place in range(filled):
                known |= views[node, place] == other
            if not known:
                views[node, filled] = other
                filled += 1
