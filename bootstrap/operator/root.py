"""The fleet's roots: which keys count, and how they are replaced (agent/root.py has a box's side).

    roots/N.cose    version N, signed by root keys; the newest is in force
    root-key/       the root key that `init` makes, until somebody takes it to a safe
    signer/         the first operator's key;  signer-N/  the one that version N brought

A root key is an HSS key of one level: it signs 32 roots.  Its directory may be moved and
copied, for what it has signed is on record here too: a leaf on record is not used again.
Writing roots/N.cose puts version N in force on this side; all that it needs is on the
disk before.
"""

import hashlib
import os
import shutil
import struct
import time

from ...agent import limits, root as roots, trust, trust_file
from ...agent.errors import LocalError, RemoteError
from ...agent.wire import cbor, cose
from . import files, manifests, register
from .errors import OperatorError
from .signer import Signer

ROOT_HEIGHTS = (5,)
ROOT_WIDTH = 8
# Root keys come out of their safes every few years.
VALID_S = 3650 * manifests.DAY_S
# Of a key's id, what is shown of it and what names it.
DIGITS = 8


def key_name(key):
    """Returns how people call an HSS public key: its COSE kid in hexadecimal."""
    return cose.key_id(key).hex()


def create_key(directory):
    """Makes a root key in a new directory; returns its Signer."""
    if os.path.exists(directory):
        raise OperatorError(f"{directory} exists already", "Choose a new directory for the root key.")
    try:
        return Signer.create(directory, ROOT_HEIGHTS, ROOT_WIDTH, levels=1)
    except FileNotFoundError:
        raise OperatorError(f"there is no directory to make {directory} in") from None


def create(folder, key, operator):
    """Signs the first root into the directory `folder`; returns the fleet's id (16 bytes), which it names for ever.

    key: the root key's Signer; operator: the HSS public key that signs all else.
    """
    now_s = int(time.time())
    first = trust.Root(1, [key.public], 1, operator, issued=now_s, expires=now_s + VALID_S)
    fleet = trust_file.fleet_id(roots.payload(bytes(16), first))
    _write(folder, 1, _signed(fleet, first, [key], {}))
    return fleet


def _write(folder, version, signed):
    files.write_whole(os.path.join(folder, f"{version}.cose"), signed)


def documents(folder):
    """Returns the signed roots (bytes) of the directory `folder`, oldest first."""
    count = len([name for name in os.listdir(folder) if name.endswith(".cose")])
    return [files.read(os.path.join(folder, f"{version}.cose")) for version in range(1, count + 1)]


def chain(signed):
    """Returns what boxes carry of the fleet's signed roots (oldest first): b"" while there is one only."""
    return roots.join(signed[1:]) if len(signed) > 1 else b""


def signer_of(directory, operator):
    """Returns the Signer of an operator's HSS public key in a fleet's directory; OperatorError if it is not there."""
    for name in sorted(os.listdir(directory)):
        if name.startswith("signer"):
            try:
                signer = Signer(os.path.join(directory, name))
            except OperatorError:
                continue  # made by a rotation that never came to its end
            if signer.public == operator:
                return signer
    raise OperatorError(f"{directory} lacks the operator's key {key_name(operator)}", "Is the directory whole?")


def used_leaves(signed):
    """Returns {kid: the last leaf that signed one of these roots}."""
    last = {}
    for document in map(roots.Document, signed):
        for _, kid, signature in document.signatures:
            # HSS of one level: zero, then the LMS signature, which begins with its leaf.
            last[kid] = max(last.get(kid, -1), struct.unpack_from(">I", signature, 4)[0])
    return last


def _signed(fleet, root, keys, used):
    """Returns a root's signed document; keys: Signers; used: see used_leaves.  OperatorError if a box would refuse it."""
    try:
        trust_file.check(root)
    except RemoteError as error:
        raise OperatorError(f"a box would refuse the root: {error}") from None
    body = roots.payload(fleet, root)
    signatures = []
    for key in sorted(keys, key=lambda key: key.public):
        protected = cbor.encode(cose.protected_map(key.public))
        above = used.get(cose.key_id(key.public), -1)
        signatures.append((protected, key.sign(roots.to_be_signed(protected, body), above)))
    signed = roots.encode(body, signatures)
    if len(signed) > limits.MANIFEST_BYTES:
        raise OperatorError(
            f"the root has {len(signed):,} bytes with {len(signatures)} signatures; a box takes {limits.MANIFEST_BYTES:,}",
            "Replace fewer root keys at once, or end slices and workloads first.",
        )
    return signed


def digest(signed):
    """Returns how a root names the signed bytes of a manifest that it keeps."""
    return hashlib.sha256(signed).digest()


class EveryKey(trust.Keys):
    """The operator's keys of all roots of a fleet, for what lies in its own directory."""

    def __init__(self, fleet, signed):
        """signed: its signed roots, oldest first."""
        self._operators = [roots.Document(each).root.operator for each in signed]
        super().__init__(fleet, roots.Document(signed[-1]).root)

    def authority(self, kid, digest=b""):
        """As of the key in force, for an earlier one too."""
        for operator in self._operators:
            if kid == cose.key_id(operator):
                return operator, trust.OPERATOR
        return super().authority(kid, digest)


def kept(fleet):
    """Returns {KIND-NAME: signed bytes} of what this fleet signed and what is live: the list of lots, seed lists, all that is pushed."""
    found = {}
    if fleet.register.signed_list():
        found[register.LABEL] = fleet.register.signed_list()
    for label in fleet.labels():
        signed = fleet.signed(label)[0]
        try:
            payload = manifests.read(signed, fleet.keys)
        except OperatorError:
            continue  # its key has gone, or its time
        if not payload.get("end"):
            found[label] = signed
    return found


def rotate(fleet, keys, add=(), drop=(), threshold=None, replace=True, without=()):
    """Signs the next root; returns its version.

    keys: Signers of root keys; add: those of new root keys, which sign too; drop: HSS public
    keys that go; threshold: how many must sign the next one (default: as now); replace: make a
    new operator's key; without: KIND-NAMEs that are not kept.  OperatorError before anything is
    signed if enough keys are not there.
    """
    with fleet.lock():
        old, version = fleet.root, fleet.root.version + 1
        after = [key for key in old.keys if key not in drop] + [key.public for key in add]
        threshold = threshold or min(old.threshold, len(after))
        everyone = {key.public: key for key in [*keys, *add]}
        _enough(old, after, threshold, everyone)
        kept_now = kept(fleet)
        wrong = sorted(set(without) - set(kept_now).difference({register.LABEL}))
        if wrong:
            raise OperatorError(f"{wrong[0]} is no live manifest of this fleet", "See `backfence describe`.")
        digests = old.kept
        if replace:
            digests = b"".join(sorted(digest(kept_now[label]) for label in kept_now if label not in without))
        operator = _next_operator(fleet, version).public if replace else old.operator
        now_s = int(time.time())
        root = trust.Root(version, after, threshold, operator, digests, now_s, now_s + VALID_S)
        signing = [everyone[key] for key in dict.fromkeys(old.keys + after) if key in everyone]
        signed = fleet.signed_roots()
        _write(fleet.path("roots"), version, _signed(fleet.id, root, signing, used_leaves(signed)))
    fleet.reload()
    return version


def _enough(old, after, threshold, everyone):
    strange = [key for key in everyone if key not in old.keys and key not in after]
    if strange:
        raise OperatorError(f"{key_name(strange[0])} is not a root key of this fleet", "See `backfence root`.")
    if not 0 < threshold <= len(after) <= limits.ROOT_KEYS:
        raise OperatorError(
            f"{len(after)} root keys of which {threshold} must sign cannot be", f"Up to {limits.ROOT_KEYS} keys, and no more signers."
        )
    for keys, wanted, whose in ((old.keys, old.threshold, "in force"), (after, threshold, "that follow")):
        here = len([key for key in keys if key in everyone])
        if here < wanted:
            raise OperatorError(
                f"{here} of the root keys {whose} are at hand, and {wanted} must sign",
                "Name their directories with --root, one each.",
            )


def _next_operator(fleet, version):
    """Returns the Signer of the operator's key that `version` brings, made or left by an attempt that was cut short."""
    directory = fleet.path(f"signer-{version}")
    try:
        return Signer(directory)
    except OperatorError:
        shutil.rmtree(directory, ignore_errors=True)
    heights, width = fleet.signer.shape()
    return Signer.create(directory, heights, width)


def open_key(directory):
    """Returns the Signer of a root key's directory; OperatorError if it is none."""
    try:
        return Signer(directory)
    except (OperatorError, LocalError):
        raise OperatorError(f"there is no root key in {directory}", "It has the files public, state.json and *.key.") from None
