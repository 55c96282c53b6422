"""A disk whose power can be pulled: an NBD server with a volatile write cache.

What the guest wrote and did not flush is in the cache.  When the power goes, any part
of the cache may have reached the medium, in any order: none of it, all of it, some of
the writes, some sectors of a write.  A sector of 512 bytes is written whole or not.
What the guest flushed is there.

qemu passes on every write and every flush of the guest as they come; killing qemu alone
would lose nothing, as the host would still hold what it wrote.
"""

import socket
import struct
import threading

SECTOR = 512
# NBD's protocol (the "newstyle" handshake, simple replies).
GREETING = b"NBDMAGIC" + b"IHAVEOPT" + struct.pack(">H", 3)
OPTION_MAGIC, REPLY_MAGIC = b"IHAVEOPT", 0x0003E889045565A9
OPTION_EXPORT, OPTION_ABORT, OPTION_GO = 1, 2, 7
REPLY_ACK, REPLY_INFO, REPLY_UNKNOWN = 1, 3, 0x80000001
INFO_EXPORT, INFO_BLOCKS = 0, 3
REQUEST, ANSWER = struct.Struct(">IHHQQI"), struct.Struct(">IIQ")
REQUEST_MAGIC, ANSWER_MAGIC = 0x25609513, 0x67446698
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
HAS_FLAGS, SENDS_FLUSH, SENDS_FUA = 1, 4, 8
FORCE_ACCESS = 1  # the request's flag: this write is to be on the medium when it is answered
INVALID = 22

# How the cache is lost: nothing of it is kept, all, some whole writes, some sectors.
WAYS = ("nothing", "everything", "writes", "sectors")


class Disk:
    """A disk of `image` (bytes), served on a Unix socket at `path`.

    A write that begins within the first `untorn` bytes is there whole or not at all:
    ext4 has its superblock there, two sectors under one checksum, and is lost when
    they are torn, whatever was written elsewhere.

    writes, flushes: how many came since power_on().  dead: an Event, set at the
    request that cut_at() named.
    """

    def __init__(self, path, image, untorn=0):
        self.path = str(path)
        self.untorn = untorn
        self.medium = bytearray(image)
        self.lock = threading.Lock()
        self.dead = threading.Event()
        self.listener = None
        self.power_on()

    def power_on(self):
        """The medium as it is; an empty cache; counters at zero."""
        self.current = bytearray(self.medium)
        self.pending = []
        self.writes = self.flushes = 0
        self._last = None
        self._sight = None
        self.dead = threading.Event()

    def serve(self):
        """Listen, and serve one machine in a thread until it goes."""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        thread = threading.Thread(target=self._serve, args=(self.listener, self.dead), daemon=True)
        thread.start()

    def events(self):
        """Writes and flushes since power_on()."""
        return self.writes + self.flushes

    def cut_at(self, more):
        """The power goes at the `more`-th write or flush from now on (1 is the next)."""
        with self.lock:
            self._last = self.events() + more

    def cut_after(self, sectors, more):
        """As cut_at(more), counted from the first write that holds one of `sectors` (a set of bytes)."""
        with self.lock:
            self._sight = (sectors, more)

    def power_off(self, rng, way):
        """The power goes; the cache is lost in one of WAYS.  Returns (writes lost, writes kept, torn)."""
        with self.lock:
            self.dead.set()
            self.listener.close()
            counts = [0, 0, 0]
            part = rng.choice((0.1, 0.5, 0.9))
            for offset, data in self.pending:
                whole = way == "sectors" and offset < self.untorn
                kept = _kept(rng, "writes" if whole else way, part, len(data) // SECTOR)
                for sector in kept:
                    at = sector * SECTOR
                    self.medium[offset + at:offset + at + SECTOR] = data[at:at + SECTOR]
                counts[0 if not kept else 1 if len(kept) * SECTOR == len(data) else 2] += 1
            self.pending = []
            return tuple(counts)

    def _serve(self, listener, dead):
        try:
            connection, _ = listener.accept()
            with connection:
                if self._greet(connection):
                    while not dead.is_set() and self._answer(connection, dead):
                        pass
        except (OSError, EOFError):
            pass  # the machine is gone

    def _greet(self, connection):
        """The handshake; True if the machine goes on to use the disk."""
        flags = HAS_FLAGS | SENDS_FLUSH | SENDS_FUA
        connection.sendall(GREETING)
        _take(connection, 4)
        while True:
            magic, option, length = struct.unpack(">8sII", _take(connection, 16))
            _take(connection, length)
            if magic != OPTION_MAGIC or option == OPTION_ABORT:
                return False
            if option == OPTION_EXPORT:
                connection.sendall(struct.pack(">QH", len(self.current), flags))
                return True
            if option != OPTION_GO:
                connection.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REPLY_UNKNOWN, 0))
                continue
            for info in (struct.pack(">HQH", INFO_EXPORT, len(self.current), flags),
                         struct.pack(">HIII", INFO_BLOCKS, SECTOR, 4096, 1 << 25)):
                connection.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REPLY_INFO, len(info)) + info)
            connection.sendall(struct.pack(">QIII", REPLY_MAGIC, option, REPLY_ACK, 0))
            return True

    def _answer(self, connection, dead):
        """One request; False if it was the last."""
        magic, flags, kind, handle, offset, length = REQUEST.unpack(_take(connection, REQUEST.size))
        data = _take(connection, length) if kind == WRITE else b""
        if magic != REQUEST_MAGIC or kind == DISCONNECT:
            return False
        with self.lock:
            if dead.is_set():
                return False
            error, answer = self._do(kind, flags, offset, length, data)
            if self._last is not None and self.events() >= self._last:
                dead.set()  # no answer: the power went while the request was under way
                return False
        connection.sendall(ANSWER.pack(ANSWER_MAGIC, error, handle) + answer)
        return True

    def _do(self, kind, flags, offset, length, data):
        if kind in (READ, WRITE) and (offset + length > len(self.current) or (offset | length) % SECTOR):
            return INVALID, b""
        if kind == READ:
            return 0, bytes(self.current[offset:offset + length])
        if kind == WRITE:
            self.writes += 1
            self._look(data)
            self.current[offset:offset + length] = data
            self.pending.append((offset, data))
        elif kind == FLUSH:
            self.flushes += 1
        else:
            return INVALID, b""
        # A flush that the power cut is not counted on: its writes stay in the cache.
        if (kind == FLUSH or flags & FORCE_ACCESS) and self.events() != self._last:
            self._flush()
        return 0, b""

    def _look(self, data):
        """Is this what cut_after() waits for?"""
        if self._sight and any(data[at:at + SECTOR] in self._sight[0] for at in range(0, len(data), SECTOR)):
            self._last = self.events() - 1 + self._sight[1]
            self._sight = None

    def _flush(self):
        for offset, data in self.pending:
            self.medium[offset:offset + len(data)] = data
        self.pending = []


def _kept(rng, way, part, sectors):
    """The sectors of one write that reached the medium."""
    if way == "nothing" or way == "writes" and rng.random() >= part:
        return []
    if way == "sectors":
        return [sector for sector in range(sectors) if rng.random() < part]
    return list(range(sectors))


def _take(connection, count):
    """Exactly `count` bytes; EOFError if the other side is gone."""
    taken = bytearray()
    while len(taken) < count:
        some = connection.recv(min(1 << 20, count - len(taken)))
        if not some:
            raise EOFError
        taken += some
    return bytes(taken)
