"""Admits and runs one program once, in the heap that MicroPython was given; `heaps` starts it.

    fits.py translated|machine FILE.wasm

Prints how many bytes of the heap the container itself takes, loaded from source.  Ends
with an error if the program does not fit.
"""

import gc
import sys

gc.collect()
_before = gc.mem_alloc()

from backfence.agent.container import Admission, Limits, engines  # noqa: E402
from backfence.agent.container.memory import reserve  # noqa: E402

# As an agent does: pages first, while the heap is whole, then the machine.
reserve(1)
_engine = sys.argv[1]
if _engine not in (engines() if _engine == "machine" else ("translated",)):
    raise SystemExit("the machine does not load")
gc.collect()
print(gc.mem_alloc() - _before - 65536)

with open(sys.argv[2], "rb") as _file:
    _admission = Admission(_file.read(), Limits(), engine=_engine)
while not _admission.step():
    pass
_outcome = _admission.program.start(b"1", [], 1 << 60, 4096, 1, True, bytes(32)).run(lambda: True)
if _outcome.kind != "ok":
    raise SystemExit("%s: %s" % (_outcome.kind, _outcome.reason))
