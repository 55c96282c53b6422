"""What portable tests ask when they do less on an emulated processor, thirty times slower.

It is there for its word size and byte order; whether a protocol or an engine holds over
a whole table or a large world is shown by the native interpreters, which do it all.
"""

import os

# portable.py says so to the runs it starts.
VARIABLE = "BACKFENCE_EMULATED"
EMULATED = os.getenv(VARIABLE) == "1"


def fewer(all_of_it, under_emulation):
    """The second value under emulation, else the first."""
    return under_emulation if EMULATED else all_of_it
