"""A box's disk in memory, with the faults that a real one has.

The interface is the one of the agent's own disk.  Three things can go wrong:

- power is lost: what `write_at` wrote since the file's last whole write or `sync` may be
  kept, lost or torn, each drawn from the seed.  A whole `write` is old or new.
  (A process that is killed loses nothing: the system still has its writes.);
- the disk is full: writes raise OSError with ENOSPC and change nothing;
- power is lost in the middle of the agent's work: `cut_after(n)` raises
  PowerCut at the n-th change from now.
"""

import errno

# A box's tmpfs share.  Well over what an agent may keep, so that only a
# scenario that asks for a full disk has one.
CAPACITY = 8 * 1024 * 1024


class PowerCut(BaseException):
    """The power went while the agent was writing.  Nothing may catch this but the world."""


class Disk:
    """Files by name.  `rng` is a random.Random that decides what a crash loses."""

    def __init__(self, rng, capacity=CAPACITY):
        self._rng = rng
        self._files = {}
        # name -> [(offset, bytes before, length of file before)], newest last.
        self._loose = {}
        # Sums of sizes by prefixes, until the next change: looked at far more often than changed.
        self._sums = {}
        self.capacity = capacity
        self.full = False
        self.written = 0
        self._cut = None

    def read(self, name, offset, count):
        """Up to `count` bytes from `offset`; OSError if there is no such file."""
        if name not in self._files:
            raise OSError(errno.ENOENT, name)
        return bytes(self._files[name][offset : offset + count])

    def write(self, name, data):
        """The whole file, old or new whatever happens: it is durable on return."""
        self._spend(name, len(data) - max(self.size(name), 0))
        self._files[name] = bytearray(data)
        self._sums.clear()
        self._loose.pop(name, None)
        self.written += len(data)

    def write_at(self, name, offset, data):
        """A part of a file, made if missing; a crash may undo or tear it."""
        old = self._files.get(name, bytearray())
        self._spend(name, max(0, offset + len(data) - len(old)))
        self._loose.setdefault(name, []).append((offset, bytes(old[offset : offset + len(data)]), len(old)))
        if offset > len(old):
            old.extend(bytes(offset - len(old)))
        old[offset : offset + len(data)] = data
        self._files[name] = old
        self._sums.clear()
        self.written += len(data)

    def sync(self, name):
        """What `write_at` wrote is durable from here on."""
        if name not in self._files:
            raise OSError(errno.ENOENT, name)
        self._change()
        self._loose.pop(name, None)

    def size(self, name):
        """Bytes in the file, -1 if there is none."""
        return len(self._files[name]) if name in self._files else -1

    def rename(self, old, new):
        """The new name is durable at once; the content is as durable as it was."""
        if old not in self._files:
            raise OSError(errno.ENOENT, old)
        self._change()
        self._files[new] = self._files.pop(old)
        self._sums.clear()
        self._loose.pop(new, None)
        if old in self._loose:
            self._loose[new] = self._loose.pop(old)

    def remove(self, name):
        """Missing is fine."""
        if name in self._files:
            self._change()
            del self._files[name]
            self._sums.clear()
            self._loose.pop(name, None)

    def names(self, prefix):
        """All names with this prefix, in no order that a reader may rely on."""
        found = sorted(name for name in self._files if name.startswith(prefix))
        if len(found) > 1:
            self._rng.shuffle(found)
        return found

    def used(self, *prefixes):
        """Bytes in all files whose names have one of the prefixes (none: in all files)."""
        total = self._sums.get(prefixes)
        if total is None:
            total = sum(len(data) for name, data in self._files.items() if name.startswith(prefixes or ""))
            self._sums[prefixes] = total
        return total

    def lose_power(self):
        """Power lost: loose writes are kept, lost or torn, the newest first."""
        self.disarm()
        for name in sorted(self._loose):
            for offset, before, length in reversed(self._loose[name]):
                fate = self._rng.random()
                if fate < 0.5:
                    continue
                data = self._files[name]
                keep = 0 if fate < 0.75 else self._rng.randrange(len(before) + 1)
                data[offset + keep : offset + len(before)] = before[keep:]
                if len(data) > length:
                    # The bytes that made the file longer were never written out.
                    data[max(length, offset + keep) :] = bytes(len(data) - max(length, offset + keep))
        self._loose.clear()
        self._sums.clear()

    def wipe(self):
        """The disk is replaced by an empty one."""
        self._files.clear()
        self._sums.clear()
        self._loose.clear()
        self.disarm()
        self.full = False

    def cut_after(self, changes):
        """The power goes at the `changes`-th change from now (0: the next one)."""
        self._cut = changes

    def disarm(self):
        """No power cut waits any more."""
        self._cut = None

    def _change(self):
        if self._cut is not None:
            self._cut -= 1
            if self._cut < 0:
                self._cut = None
                raise PowerCut

    def _spend(self, name, more):
        if self.full or (more > 0 and self.used() + more > self.capacity):
            raise OSError(errno.ENOSPC, name)
        self._change()
