"""Runs jobs one after the other, on MicroPython, and says whether memory stays as it is.

    jobs_in_a_row.py COUNT FILE.wasm ...

Every third job is killed by its fuel.  Prints the heap in use and the process's pages
after the first rounds and at the end, and exits 1 if either has grown.
"""

import gc
import sys

from backfence.agent.container.arena import reserve
from backfence.agent.container.limits import Limits
from backfence.agent.container.admission import Admission, engines

WARM = 6


def job(path, engine, fuel):
    """Admit and run one program anew; the kind of its outcome."""
    with open(path, "rb") as f:
        data = f.read()
    admission = Admission(data, Limits(), engine=engine)
    while not admission.step():
        pass
    instance = admission.program.start(b"a b a\n" * 9, [], fuel, 32768, 2, True, bytes(32))
    return instance.run(lambda: True).kind


def in_use():
    """(bytes of heap after a collection, pages of memory the process holds)."""
    gc.collect()
    with open("/proc/self/statm") as f:
        return gc.mem_alloc(), int(f.read().split()[1])


def main(count, paths):
    """All jobs, on each engine in turn; the exit status."""
    reserve(2 << 16)
    names = engines()
    rounds = 0
    kinds = {}
    before = None
    for i in range(count + WARM * len(paths) * len(names)):
        path = paths[i // len(names) % len(paths)]
        kind = job(path, names[i % len(names)], 20000 if i % 3 == 2 else 1 << 40)
        kinds[kind] = kinds.get(kind, 0) + 1
        rounds += 1
        if rounds == WARM * len(paths) * len(names):
            before = in_use()
    after = in_use()
    print("heap %d then %d, pages %d then %d, outcomes %s" % (before[0], after[0], before[1], after[1], sorted(kinds.items())))
    # The heap's own bookkeeping of a stack that is scanned may keep a block or two.
    return 1 if after[0] > before[0] + 256 or after[1] > before[1] + 16 else 0


sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
