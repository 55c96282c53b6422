"""An agent that lies: all of it is as it is, but for the outputs that it signs for.

    liar.py --home DIR

Each liar gives an output of its own for each task, under a receipt that is genuine: it
has the box's key.  So it wins no quorum, and every lie must be outvoted.  Where it runs a
verifier for others it says the opposite of what that says.
"""

import sys

import backfence.agent.__main__ as agent
from backfence.agent.tasks import Tasks

honest = Tasks.on_done


def lie(tasks, job, outcome):
    """Takes the container's outcome, and changes what it computed."""
    if job.output == 0:
        # A verifier, which has nothing to say but its exit code.
        outcome.code, outcome.kind = (2, "exit") if outcome.kind == "ok" else (0, "ok")
    elif outcome.kind == "ok":
        outcome.output = b"lie %d of " % job.task + tasks._node.id.hex().encode() + b"\n"
    honest(tasks, job, outcome)


Tasks.on_done = lie
sys.exit(agent.start())
