"""What one agent is at a moment, read from outside: its heap's own words, the kernel's figures, its files."""

import os
import re

_TAIL_BYTES = 4096
_HEAP = re.compile(
    r"GC: total: (\d+), used: (\d+), free: (\d+).*?max free sz: (\d+)\s+qstr pool: n_pool=\d+, n_qstr=(\d+)", re.S)
# Bytes of a block of MicroPython's heap on 64-bit machines.
BLOCK_BYTES = 32
FIELDS = (
    "time_s", "agent", "life", "uptime_s", "heap_used", "heap_free", "largest_free", "scattered", "names",
    "rss_kb", "pss_kb", "fds", "files", "file_bytes", "members", "seats", "tasks_done",
)


def sample(box, time_s):
    """{field: value} of a running box; None while it has not said anything in this life."""
    status = box.process.status()
    heap = _heap(box.process.log)
    if status is None or heap is None:
        return None
    pid = box.process.pid
    try:
        memory = {**_kilobytes("/proc/%d/status" % pid), **_kilobytes("/proc/%d/smaps_rollup" % pid)}
        fds = len(os.listdir("/proc/%d/fd" % pid))
        rss, pss = memory["VmRSS"], memory["Pss"]
    except (OSError, KeyError):
        return None  # it ended meanwhile
    used, free, largest, names = heap
    files = list(_files(box.home))
    return {
        "time_s": round(time_s, 1), "agent": box.name, "life": box.lives, "uptime_s": status["uptime_ms"] // 1000,
        "heap_used": used, "heap_free": free, "largest_free": largest,
        # The share of the free heap that is not in its largest piece.
        "scattered": round(1 - largest / free, 4), "names": names,
        "rss_kb": rss, "pss_kb": pss, "fds": fds, "files": len(files), "file_bytes": sum(files),
        "members": status["members"], "seats": len(status["seats"]), "tasks_done": status["tasks"]["done"],
    }


def _heap(log):
    """(used, free, largest free piece in bytes, interned names) as last said; None if never."""
    with open(log, "rb") as source:
        source.seek(max(0, os.path.getsize(log) - _TAIL_BYTES))
        found = _HEAP.findall(source.read().decode("utf-8", "replace"))
    if not found:
        return None
    _, used, free, blocks, names = map(int, found[-1])
    return used, free, blocks * BLOCK_BYTES, names


def _kilobytes(path):
    found = {}
    with open(path) as source:
        for line in source:
            name, _, rest = line.partition(":")
            if rest.endswith(" kB\n"):
                found[name] = int(rest.split()[0])
    return found


def _files(home):
    """Sizes of all files of a box, but for its log, which is ours."""
    for folder, _, names in os.walk(home):
        for name in names:
            if not name.endswith(".log"):
                try:
                    yield os.path.getsize(os.path.join(folder, name))
                except OSError:
                    pass  # written anew at this moment
