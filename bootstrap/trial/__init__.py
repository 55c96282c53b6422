"""A job on trial: the agent's container, run on a box's interpreter for a person who writes jobs.

    micropython -X heapsize=SIZE -m backfence.bootstrap.trial

runs on MicroPython and on CPython, so nothing here uses a library.  operator/trial.py
starts it.  What it reads from stdin is four bytes (the size of what follows,
big-endian), a JSON object, the program, and the input:

    program, input   sizes in bytes
    args, fuel, pages, output, deterministic, seed (hexadecimal): as a workload has them
    engine           a name out of container.engines(), or null for the best
    run              false: only admit it
    profile          true: count fuel by function

stdout is the program's.  The last line of stderr is a JSON object, the report.
"""
