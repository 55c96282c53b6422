"""The bytes of heap in use, and how many the agent takes as it is loaded: imported before all else of these tests."""

import gc
import sys

import backfence.agent.__main__ as start  # noqa: F401  as the agent starts: it sets when to collect
from backfence.agent.container.arena import set_aside

if sys.argv[1] == "fit":
    set_aside()

import backfence.agent.edge.main as edge  # noqa: F401


def used():
    """Bytes of heap in use."""
    gc.collect()
    gc.collect()  # what the first found on the stack may be gone
    return gc.mem_alloc()


LOADED = used()
