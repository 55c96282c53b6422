"""The request to stop: a signal where the interpreter can see one, a file anywhere.

CPython has signal handlers.  MicroPython has none; with its `ffi` module we block
the signals and have the kernel say so by a descriptor (signalfd), which wakes the
loop as a handler's does.  Without it SIGTERM ends the process at once, as a power cut
would, and SIGINT raises KeyboardInterrupt.  A file named `stop` in the home directory
works everywhere, and is removed when seen.
"""

import os
import select

from ..compat import const
from .system import arch

_SIGINT = const(2)
_SIGTERM = const(15)
# sigset_t is 128 bytes in glibc and musl; room for anything.
_SIGSET_BYTES = const(256)
# The file is looked for this often: half of the second that a box has to leave.
LOOK_MS = const(500)
# Where a signal wakes the loop and no launcher makes the file, it is looked for less often.
_RARELY_MS = const(1000)


class Stop:
    """asked(now_ms) is True once somebody wants the agent to stop.

    path: the file's.  poller: select.poll() that a signal is to wake; None leaves
    the process's signals alone.  launched: a launcher will make the file.
    fileno: of what wakes the poller, -1 if nothing does.  wait_ms: nobody who asks
    should wait longer between two looks.
    """

    def __init__(self, path, poller=None, launched=False):
        # Bytes: for each new str MicroPython looks through all the names that it knows.
        self._path = path.encode()
        self._asked = self._signalled = False
        self._look_ms = 0
        self._poller = poller
        self.fileno = -1
        self._file()  # one that was left behind means nothing
        self._asked = False
        if poller:
            self.fileno = _signals()
        if self.fileno >= 0:
            poller.register(self.fileno, select.POLLIN)
        self.wait_ms = LOOK_MS if launched or self.fileno < 0 else _RARELY_MS

    def asked(self, now_ms):
        """Look for the file now and then."""
        if self._signalled:
            # Once is enough; not in signalled(), for the poller is being read there.
            self._signalled = False
            self._poller.unregister(self.fileno)
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_MS
            self._file()
        return self._asked

    def signalled(self):
        """The poller says that a signal came."""
        self._asked = self._signalled = True

    def _file(self):
        try:
            os.remove(self._path)
            self._asked = True
        except OSError:
            pass


def _signals():
    """A descriptor that can be read once SIGINT or SIGTERM came; -1 without a way to have one."""
    try:
        import signal
    except ImportError:
        return _signal_descriptor()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (_SIGINT, _SIGTERM):
        signal.signal(number, lambda number, frame: None)
    return reading


def _signal_descriptor():
    """The same by ffi: the signals are blocked, and the kernel's descriptor tells of them."""
    try:
        import ffi

        libc = ffi.open(None)
        add = libc.func("i", "sigaddset", "pi")
        mask = libc.func("i", "sigprocmask", "ipp")
        descriptor = libc.func("i", "signalfd", "ipi")
    except (ImportError, OSError):
        return -1
    wanted = bytearray(_SIGSET_BYTES)
    add(wanted, _SIGINT)
    add(wanted, _SIGTERM)
    found = descriptor(-1, wanted, 0)
    # SIG_BLOCK is 1 on MIPS and 0 elsewhere.  What is blocked must be told.
    if found < 0 or mask(1 if arch().startswith("mips") else 0, wanted, None):
        return -1
    return found
