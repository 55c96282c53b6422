"""An agent of the soak: the agent as it is, which besides says how its heap lies.

    box.py --home DIR

With each status file it collects and prints what MicroPython knows of its heap and of
its interned names; nobody but the interpreter can tell the largest free piece.
"""

import gc
import sys

import backfence.agent.__main__ as agent
import micropython


def tell_of_the_heap():
    """Hooks into the loop, once the agent is loaded: nothing of its start changes."""
    from backfence.agent.edge.loop import Loop

    write_status = Loop._write_status

    def write_and_tell(loop):
        write_status(loop)
        gc.collect()
        micropython.mem_info()
        micropython.qstr_info()

    Loop._write_status = write_and_tell
    collect_less()


collect_less = agent.collect_less
agent.collect_less = tell_of_the_heap
sys.exit(agent.start())
