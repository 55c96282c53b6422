"""Signing with HSS/LMS (RFC 8554) without ever using a one-time key twice.

Two levels of trees.  A leaf of the upper tree signs the public key of a lower
tree; a leaf of the lower tree signs a message.  (A root key has one level: root.py.)  Each leaf may sign once: two
signatures by one leaf give away enough to forge a third.  So the state on the
disk is what this file is about:

1. Before a leaf is used, a state that no longer offers it is on the disk
   (file and directory flushed).  A kill, a full disk or a power cut after
   that wastes the leaf; before that, nothing was signed.
2. Nothing in memory decides which leaf is next: it is read from the disk,
   under a lock against other processes, for every signature.
3. A lower tree is stored, flushed, before the upper leaf that will sign it is
   reserved, and its signature is stored before the tree is used.
4. A copied state would use the same leaves as its original.  The state
   names its lock file's inode and when that was made or last changed, which
   no copy and no restored backup keeps; elsewhere it is refused until a person
   says that the original is gone, and how much it may have signed (`adopt`).
   A state that is behind what this machine has seen (witness.py) is refused too.
   A key of one level is told by its caller which leaves were used (`above`),
   wherever it lies.
5. Every signature is verified before it is handed out.

pyhsslms makes the one-time signatures and verifies.  Its own serialised
private key is not used: reading one back rebuilds every tree (26 s for each
tree of height 10), and its `sign` makes a new random lower tree without
saving it first.  Here a tree's nodes, which are public, are cached in a file.

    lock              flock, and the place that the state is bound to
    state.json        which leaves come next
    public            the HSS public key, 60 bytes
    ID.key            a tree's secret: types, seed, identifier; mode 0600
    ID.nodes          its nodes, 32 bytes each, the root at index 1
    ID.link           the upper tree's signature of a lower tree's public key
"""

import hashlib
import os
import secrets
import struct
import subprocess
import sys

import pyhsslms.pyhsslms as lms

from . import files, witness
from .errors import OperatorError

LMS_TYPES = {5: lms.lms_sha256_m32_h5, 10: lms.lms_sha256_m32_h10, 15: lms.lms_sha256_m32_h15}
LMOTS_TYPES = {4: lms.lmots_sha256_n32_w4, 8: lms.lmots_sha256_n32_w8}
# A tree of 2^10 leaves and up is made by all processors: it takes seconds.
PARALLEL_HEIGHT = 10
# Exhaustion is announced while a tenth of the signatures is left: enough to
# enrol the boxes under a new key, which goes through the old one.
WARN_FRACTION = 10


def leaf_key(identifier, leaf, seed, lmots_type):
    """Returns a leaf's one-time public key, 32 bytes (RFC 8554, algorithm 1).

    The same as pyhsslms.LmotsPrivateKey.publicKey, twice as fast.
    """
    _, _, chains, width, _ = lms.lmots_params[lmots_type]
    sha256 = hashlib.sha256
    prefix = identifier + struct.pack(">I", leaf)
    steps = [bytes([step]) for step in range((1 << width) - 1)]
    total = sha256(prefix + b"\x80\x80")
    for chain in range(chains):
        start = prefix + struct.pack(">H", chain)
        value = sha256(start + b"\xff" + seed).digest()
        for step in steps:
            value = sha256(start + step + value).digest()
        total.update(value)
    return total.digest()


def leaf_keys(identifier, count, seed, lmots_type):
    """Returns the one-time public keys of leaves 0..count-1, made by all processors.

    By processes that are started, not forked: a forked one would hold the
    signer's lock for as long as it lives, whatever happens to its parent.
    """
    share = -(-count // (os.cpu_count() or 1))
    workers = []
    for start in range(0, count, share):
        worker = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        task = struct.pack(">II", start, min(share, count - start)) + identifier + lmots_type + seed
        worker.stdin.write(task)
        worker.stdin.close()
        workers.append(worker)
    data = b"".join(worker.stdout.read() for worker in workers)
    if any(worker.wait() for worker in workers) or len(data) != 32 * count:
        raise OperatorError("a process that makes keys has failed", "Run the command again.")
    return [data[at:at + 32] for at in range(0, len(data), 32)]


def main():
    """A worker of `leaf_keys`: a task on stdin, keys on stdout.  Secrets never in arguments."""
    task = sys.stdin.buffer.read(60)
    start, count = struct.unpack(">II", task[:8])
    for leaf in range(start, start + count):
        sys.stdout.buffer.write(leaf_key(task[8:24], leaf, task[28:60], task[24:28]))


class Tree:
    """One LMS tree on the disk.  It holds no counter: see Signer."""

    def __init__(self, directory, identifier):
        """Opens the tree `identifier` (16 bytes) of a signer's directory."""
        self.identifier = identifier
        self._base = os.path.join(directory, identifier.hex())
        secret = files.read(self._base + ".key")
        self.lms_type, self.lmots_type = secret[0:4], secret[4:8]
        self._seed = secret[8:40]
        if len(secret) != 56 or secret[40:56] != identifier:
            raise OperatorError(f"{self._base}.key is damaged", "Make a new fleet: a secret is lost.")
        self.height = lms.lms_params[self.lms_type][2]
        if not os.path.exists(self._base + ".nodes"):
            self._write_nodes()

    @classmethod
    def create(cls, directory, height, width):
        """Makes a new random tree; on return all of it is on the disk."""
        identifier, seed = secrets.token_bytes(16), secrets.token_bytes(32)
        secret = LMS_TYPES[height] + LMOTS_TYPES[width] + seed + identifier
        base = os.path.join(directory, identifier.hex())
        files.write_whole(base + ".key", secret, files.SECRET)
        return cls(directory, identifier)

    def _write_nodes(self):
        count = 1 << self.height
        if self.height >= PARALLEL_HEIGHT:
            keys = leaf_keys(self.identifier, count, self._seed, self.lmots_type)
        else:
            keys = [leaf_key(self.identifier, leaf, self._seed, self.lmots_type) for leaf in range(count)]
        nodes = [bytes(32)] * (2 * count)
        for leaf, key in enumerate(keys):
            nodes[count + leaf] = self._hash(count + leaf, lms.D_LEAF, key)
        for node in range(count - 1, 0, -1):
            nodes[node] = self._hash(node, lms.D_INTR, nodes[2 * node] + nodes[2 * node + 1])
        files.write_whole(self._base + ".nodes", b"".join(nodes))

    def _hash(self, node, mark, data):
        return hashlib.sha256(self.identifier + struct.pack(">I", node) + mark + data).digest()

    def _node(self, file, index):
        file.seek(32 * index)
        return file.read(32)

    def public(self):
        """Returns the LMS public key, 56 bytes."""
        with open(self._base + ".nodes", "rb") as file:
            return self.lms_type + self.lmots_type + self.identifier + self._node(file, 1)

    def sign(self, leaf, message):
        """Returns the LMS signature of `message` by a leaf reserved for it."""
        number = struct.pack(">I", leaf)
        key = lms.LmotsPrivateKey(self.identifier, number, self._seed, self.lmots_type)
        path, node = [], leaf + (1 << self.height)
        with open(self._base + ".nodes", "rb") as file:
            while node > 1:
                path.append(self._node(file, node ^ 1))
                node >>= 1
        return number + key.sign(message) + self.lms_type + b"".join(path)

    def write_link(self, signature):
        """Stores the upper tree's signature of this tree's public key."""
        files.write_whole(self._base + ".link", signature)

    def link(self):
        """Returns the upper tree's signature of this tree's public key."""
        return files.read(self._base + ".link")


class Signer:
    """An HSS key of two levels, or of one, in a directory of its own.

        signer = Signer.create("fleet/signer")     # once
        signature = Signer("fleet/signer").sign(b"message")
    """

    def __init__(self, directory):
        """Opens a signer that `create` made; OperatorError if there is none."""
        self.directory = directory
        try:
            self.public = files.read(os.path.join(directory, "public"))
        except FileNotFoundError:
            raise OperatorError(f"there is no signer in {directory}", "Run `backfence init DIR`.") from None
        self._trees = {}

    @classmethod
    def create(cls, directory, heights=(5, 5), width=8, levels=2):
        """Makes the keys: `heights` of the upper and lower trees (5, 10 or 15), or of the one, `width` 4 or 8.

        The number of signatures is 2 to the sum of the heights.  Width 8 has
        signatures of about 3 KB and 8,600 hashes to verify, width 4 of about
        5 KB and 1,000 hashes.
        """
        if len(heights) != levels or any(height not in LMS_TYPES for height in heights):
            raise OperatorError(f"tree heights {heights} are not offered", "Use two of 5, 10 and 15.")
        if width not in LMOTS_TYPES:
            raise OperatorError(f"width {width} is not offered", "Use 4 or 8.")
        files.make_directory(directory)
        with files.Lock(os.path.join(directory, "lock")):
            root = Tree.create(directory, heights[0], width)
            state = {
                "version": 1, "id": root.identifier.hex(), "heights": list(heights), "width": width,
                "root": root.identifier.hex(), "root_next": 0,
                "lower": None, "lower_next": 0, "serial": 0,
                "place": cls.place_of(directory),
            }
            files.write_json(os.path.join(directory, "state.json"), state, files.SECRET)
            # The public key comes last: a directory without it is not a signer.
            files.write_whole(os.path.join(directory, "public"), struct.pack(">I", len(heights)) + root.public())
        return cls(directory)

    def sign(self, message, above=-1):
        """Returns the HSS signature of `message` (bytes).

        above: of a key of one level, a leaf that was used, and all before it.
        OperatorError when the key is exhausted or its state was copied, OSError
        when the disk fails: then a leaf may be lost, never used twice.
        """
        with self._lock():
            state = self._read_state()
            signature = self._by_one(state, message, above) if len(state["heights"]) == 1 else self._by_two(state, message)
        if not lms.HssPublicKey.deserialize(self.public).verify(message, signature):
            raise OperatorError(
                f"the signer in {self.directory} made a wrong signature, which was thrown away",
                "Remove its *.nodes files (they are rebuilt) and check the disk.",
            )
        return signature

    def _by_one(self, state, message, above):
        leaf = max(state["root_next"], above + 1)
        if leaf >= 1 << state["heights"][0]:
            raise OperatorError(f"the root key in {self.directory} is exhausted", "Sign with another root key.")
        state["root_next"] = leaf + 1
        self._write_state(state)
        return struct.pack(">I", 0) + self._tree(state["root"]).sign(leaf, message)

    def _by_two(self, state, message):
        if state["lower"] is None or state["lower_next"] >= 1 << state["heights"][1]:
            self._plant(state)
        lower = self._tree(state["lower"])
        leaf = state["lower_next"]
        state["lower_next"] = leaf + 1
        self._write_state(state)
        return struct.pack(">I", 1) + lower.link() + lower.public() + lower.sign(leaf, message)

    def sign_tree(self, public):
        """Returns the upper tree's signature of a lower tree's public key (56 bytes), for another machine."""
        with self._lock():
            state = self._read_state()
            self._check_upper(state)
            return self._tree(state["root"]).sign(self._reserve_upper(state), public)

    def _check_upper(self, state):
        if state["root"] is None:
            raise OperatorError(
                "this machine's subtree is used up, and the upper tree is on another machine",
                "Ask for another: `backfence subtree ask DIR`.",
            )
        if state["root_next"] >= 1 << state["heights"][0]:
            raise OperatorError(
                "the fleet's signing key is exhausted",
                "Replace it: `backfence rotate`.",
            )

    def _reserve_upper(self, state):
        """Returns a leaf of the upper tree that the disk no longer offers."""
        upper_leaf = state["root_next"]
        state["root_next"] = upper_leaf + 1
        self._write_state(state)
        return upper_leaf

    def _plant(self, state):
        """Replaces the exhausted lower tree by a new one, signed by the upper tree."""
        self._check_upper(state)
        lower = Tree.create(self.directory, state["heights"][1], state["width"])
        upper_leaf = self._reserve_upper(state)
        lower.write_link(self._tree(state["root"]).sign(upper_leaf, lower.public()))
        state["lower"], state["lower_next"] = lower.identifier.hex(), 0
        self._write_state(state)
        self._sweep(state)

    def _sweep(self, state):
        """Removes trees that are used up or that a killed process left behind."""
        for name in os.listdir(self.directory):
            stem, _, kind = name.partition(".")
            if kind.split(".")[0] in ("key", "nodes", "link") and stem not in (state["root"], state["lower"], state.get("asked")):
                files.remove(os.path.join(self.directory, name))

    def capacity(self):
        """Returns how many signatures the key had when it was new."""
        return 1 << sum(self._read_state(check=False)["heights"])

    def shape(self):
        """Returns (heights, width) of the key's trees, as create() takes them."""
        state = self._read_state(check=False)
        return tuple(state["heights"]), state["width"]

    def remaining(self):
        """Returns how many signatures are left; wasted leaves do not count."""
        state = self._read_state(check=False)
        if len(state["heights"]) == 1:
            return (1 << state["heights"][0]) - state["root_next"]
        upper, lower = (1 << height for height in state["heights"])
        here = lower - state["lower_next"] if state["lower"] else 0
        return (upper - state["root_next"]) * lower + here if state["root"] else here

    def warning(self):
        """Returns a line to show when the key nears exhaustion, else None."""
        left, capacity = self.remaining(), self.capacity()
        if left * WARN_FRACTION >= capacity:
            return None
        if self._read_state(check=False)["root"] is None:
            return f"{left} of this machine's {capacity} signatures are left; ask for another subtree in time"
        return f"{left} of the signing key's {capacity} signatures are left; make a new fleet with bigger trees in time"

    def adopt(self, used=0):
        """Accepts this directory as the state's new place, or an older state in its place.

        Only when no other state of this key goes on.  The lower tree is given up,
        in case some of its leaves were used since this state was written; of the
        upper tree as many leaves as `used` signatures may have taken since, and
        all that this machine has seen taken.
        """
        with self._lock():
            state = self._read_state(check=False)
            serial, root_next = witness.read(state["id"])
            if state["root"] is not None:
                # One more: a kill may have wasted an upper leaf after it had signed.
                skipped = -(-used // (1 << state["heights"][1])) + 1 if used else 0
                state["root_next"] = min(max(state["root_next"] + skipped, root_next), 1 << state["heights"][0])
            state["place"] = self.place_of(self.directory)
            state["lower"], state["lower_next"] = None, 0
            state["serial"] = max(state["serial"], serial)
            self._write_state(state)

    def last_s(self):
        """Returns when this signer last signed (or was made), by this machine's clock, unix seconds."""
        return os.stat(os.path.join(self.directory, "state.json")).st_mtime

    def _lock(self):
        return files.Lock(os.path.join(self.directory, "lock"))

    @staticmethod
    def place_of(directory):
        """Returns what the state of a signer's directory is bound to: no copy of its lock file has the same."""
        found = os.stat(os.path.join(directory, "lock"))
        return f"{found.st_ino}:{found.st_ctime_ns}"

    def _tree(self, identifier):
        if identifier not in self._trees:
            self._trees[identifier] = Tree(self.directory, bytes.fromhex(identifier))
        return self._trees[identifier]

    def _read_state(self, check=True):
        state = files.read_json(os.path.join(self.directory, "state.json"))
        here = len(state["heights"]) > 1  # a root key may lie anywhere
        if check and here and state["place"] != self.place_of(self.directory):
            raise OperatorError(
                f"the signer's state in {self.directory} is a copy, or was put back from a backup",
                "Sign where the original is. If that is gone for good: `backfence init DIR --moved`; "
                "if this is a backup: `backfence init DIR --restored N`, with the signatures that may have been made since.",
            )
        if check and here and state["serial"] < witness.read(state["id"])[0]:
            raise OperatorError(
                f"the signer's state in {self.directory} is older than what this machine has signed since",
                "If the newer state is lost: `backfence init DIR --restored N`, with the signatures that may have been made since.",
            )
        return state

    def _write_state(self, state):
        """On the disk, and seen by the witness, when it returns."""
        state["serial"] += 1
        files.write_json(os.path.join(self.directory, "state.json"), state, files.SECRET)
        witness.write(state["id"], state["serial"], state["root_next"])


if __name__ == "__main__":
    main()
