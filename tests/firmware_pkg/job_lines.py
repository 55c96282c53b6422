"""Runs programs in the job container, on each engine there is; a line for each outcome.

    job_lines.py FILE.wasm ...

A line names the file, the kind of outcome, the fuel used and the output's SHA-256.
"""

import sys

from backfence.agent.container.arena import reserve
from backfence.agent.container.limits import Limits
from backfence.agent.container.admission import Admission, engines
from backfence.agent.wire.hashes import sha256


def line(path, engine):
    """One run of one file."""
    with open(path, "rb") as f:
        data = f.read()
    admission = Admission(data, Limits(), engine=engine)
    while not admission.step():
        pass
    instance = admission.program.start(b"a b a\n" * 9, ["20"], 400000, 32768, 2, True, bytes(32))
    outcome = instance.run(lambda: True)
    return "%s %s %d %s" % (path, outcome.kind, outcome.fuel, sha256(bytes(outcome.output)).hex())


reserve(2 << 16)
for path in sys.argv[1:]:
    for engine in engines():
        print(line(path, engine))
