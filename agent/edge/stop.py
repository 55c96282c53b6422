"""The request to stop: a signal where the interpreter can see one, a file anywhere.

CPython has signal handlers.  MicroPython has none; with its `ffi` module we block
the signals and look for pending ones.  Without it SIGTERM ends the process at
once, as a power cut would, and SIGINT raises KeyboardInterrupt.  A file named
`stop` in the home directory works everywhere, and is removed when seen.
"""

import os

from ..compat import const
from .system import arch

_SIGINT = const(2)
_SIGTERM = const(15)
# sigset_t is 128 bytes in glibc and musl; room for anything.
_SIGSET_BYTES = const(256)
# The file is looked for this often.
_LOOK_MS = const(500)


class Stop:
    """asked(now_ms) is True once somebody wants the agent to stop.

    path: the file's.  signals: False leaves the process's signals alone.
    """

    def __init__(self, path, signals=True):
        self._path = path
        self._asked = False
        self._look_ms = 0
        self._pending = None
        self._file()  # one that was left behind means nothing
        self._asked = False
        if signals:
            self._catch()

    def asked(self, now_ms):
        """Look at the signals, and now and then for the file."""
        if self._pending and self._pending():
            self._asked = True
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + _LOOK_MS
            self._file()
        return self._asked

    def _file(self):
        try:
            os.remove(self._path)
            self._asked = True
        except OSError:
            pass

    def _handle(self, number, frame):
        self._asked = True

    def _catch(self):
        try:
            import signal
        except ImportError:
            self._pending = _blocked_signals()
            return
        for number in (_SIGINT, _SIGTERM):
            signal.signal(number, self._handle)


def _blocked_signals():
    """A function that is True when SIGINT or SIGTERM came; None without ffi."""
    try:
        import ffi

        libc = ffi.open(None)
        add = libc.func("i", "sigaddset", "pi")
        mask = libc.func("i", "sigprocmask", "ipp")
        look = libc.func("i", "sigpending", "p")
        member = libc.func("i", "sigismember", "pi")
    except (ImportError, OSError):
        return None
    wanted = bytearray(_SIGSET_BYTES)
    add(wanted, _SIGINT)
    add(wanted, _SIGTERM)
    # SIG_BLOCK is 1 on MIPS and 0 elsewhere.
    if mask(1 if arch().startswith("mips") else 0, wanted, None):
        return None
    waiting = bytearray(_SIGSET_BYTES)

    def pending():
        look(waiting)
        return member(waiting, _SIGINT) == 1 or member(waiting, _SIGTERM) == 1

    return pending
