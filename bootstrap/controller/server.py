"""The seed server: hands out the signed lists of first contacts and of lots, roots, and boxes' places.

    question  1A | offset 2 | what 1 | zeros to 1,200 bytes
    answer    1B | offset 2 | whole size 2 | up to 1,024 bytes of the list

`what` is 0 for the contacts, 1 for the lots, 2 for the chain of roots; places.py has
the other question.
It keeps no state about who asked.  No answer is longer than its question, so
nobody can use it to flood a third party.  It holds no key: the list was signed
by the operator, and boxes check that.  The cloud does not need it once boxes
know each other.
"""

import ipaddress
import os
import select
import socket
import time

from ...agent import config, limits
from ...agent.errors import LocalError, RemoteError
from ...agent.wire import cbor, cose

ASK, ANSWER, PLACE = 0x1A, 0x1B, 0x1C
# What a question is for.
CONTACTS, LOTS, ROOTS = 0, 1, 2
HEAD_BYTES = 5
# The file is looked at again at most this often, and only when asked.
RELOAD_S = 1.0
# Questions answered before the clock and the stop request are looked at.
BURST = 64


class SeedList:
    """The signed list in a file; a new version is taken up without a restart."""

    def __init__(self, path):
        """Reads the file; LocalError if it is not a signed seed list."""
        self.path = path
        self.data = self._read()
        self._stamp = self._look()
        self._looked_s = 0.0

    def _look(self):
        found = os.stat(self.path)
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read(self):
        try:
            with open(self.path, "rb") as file:
                data = file.read(limits.MANIFEST_BYTES + 1)
        except OSError as error:
            raise LocalError(f"{self.path} cannot be read: {error.strerror}") from None
        try:
            payload = cbor.decode(cose.decode_sign1(data, limits.MANIFEST_BYTES).payload)
        except RemoteError as error:
            raise LocalError(f"{self.path} is not a signed seed list: {error}") from None
        if not isinstance(payload, dict) or payload.get("kind") != "seeds":
            raise LocalError(f"{self.path} is a signed manifest, but not a seed list")
        return data

    def refresh(self, now_s):
        """Takes up a changed file; returns a line to log, or None."""
        if now_s - self._looked_s < RELOAD_S:
            return None
        self._looked_s = now_s
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return None
            self.data = self._read()
            self._stamp = stamp
        except (OSError, LocalError) as error:
            return f"keeping the old seed list: {error}"
        return "took up the new seed list"


def answer(seeds, question, places=None, chain=b""):
    """Returns the answer to one datagram (bytes), or None if it deserves none.

    seeds: the signed list of contacts, bytes; places: places.Places, if there are any;
    chain: the signed roots after the first, as boxes carry them.
    """
    if len(question) != limits.DATAGRAM_BYTES:
        return None
    if question[0] == PLACE:
        return places.answer(question) if places else None
    if question[0] != ASK or question[3] > ROOTS or any(question[4:]):
        return None
    data = (seeds, places.data if places else b"", chain)[question[3]]
    offset = int.from_bytes(question[1:3], "big")
    if offset >= len(data):
        return None
    piece = data[offset:offset + limits.CHUNK_BYTES]
    return bytes((ANSWER,)) + question[1:3] + len(data).to_bytes(2, "big") + piece


class Server:
    """A bound UDP socket, a seed list and, for boxes that slept or were cut off, lots and roots.

    counters: {"answered", "refused", "unsent"}, questions by what became of them.
    """

    def __init__(self, listen, seeds, places=None, chain=None):
        """listen: host:port or [v6]:port; seeds: a SeedList; places: a places.Places; chain: a chain.Chain.

        LocalError if the address is not free.
        """
        host, port = config.check_address(listen)
        try:
            family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        except ValueError:
            raise LocalError(f"{host} is not an address; --listen takes one, not a name") from None
        self.seeds = seeds
        self.places = places
        self.chain = chain
        self._looked_s = 0.0
        self.counters = {"answered": 0, "refused": 0, "unsent": 0}
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise LocalError(f"cannot listen on {listen}: {error.strerror}") from None
        self._socket.setblocking(False)

    def serve(self, stop, log=print):
        """Answers until the file descriptor `stop` becomes readable."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(stop, select.POLLIN)
        while not any(ready == stop for ready, _ in poll.poll()):
            for line in (self.seeds.refresh(time.monotonic()), *self._refresh()):
                if line:
                    log(line)
            for _ in range(BURST):
                if not self._answer_one():
                    break

    def _refresh(self):
        now_s = time.monotonic()
        if now_s - self._looked_s < RELOAD_S:
            return
        self._looked_s = now_s
        for folder, what in ((self.places, "list of lots"), (self.chain, "roots")):
            try:
                yield folder and folder.refresh()
            except (OSError, LocalError) as error:
                yield f"keeping the old {what}: {error}"

    def _answer_one(self):
        """Answers one datagram; False if none waits."""
        try:
            # One byte more than a datagram of ours, so that a longer one shows.
            question, sender = self._socket.recvfrom(limits.DATAGRAM_BYTES + 1)
        except BlockingIOError:
            return False
        except OSError:
            return True  # an earlier answer found nobody there
        reply = answer(self.seeds.data, question, self.places, self.chain.data if self.chain else b"")
        if reply is None:
            self.counters["refused"] += 1
            return True
        try:
            self._socket.sendto(reply, sender)
            self.counters["answered"] += 1
        except OSError:
            self.counters["unsent"] += 1
        return True

    def close(self):
        """Frees the port."""
        self._socket.close()
