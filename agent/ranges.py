"""Anti-entropy: 16 ranges of manifests by id, and in which of them two boxes differ."""

from .compat import const
from .errors import RemoteError
from .wire.hashes import sha256

RANGES = const(16)
RANGE_BYTES = const(4)


def pack(manifests):
    """The ranges' states, 64 bytes, of {id: Manifest}."""
    buckets = [[] for _ in range(RANGES)]
    for id in manifests:
        buckets[id[0] >> 4].append(id)
    out = b""
    for bucket in buckets:
        state = b""
        for id in sorted(bucket):
            manifest = manifests[id]
            state += id + manifest.seq.to_bytes(8, "big") + manifest.digest
        out += sha256(state)[:RANGE_BYTES] if state else bytes(RANGE_BYTES)
    return out


def differing(manifests, theirs):
    """The Manifests in the ranges where a peer has others, delegations first; RemoteError.

    Who hears of a delegation late can do nothing with the tenant's own manifests.
    """
    if len(theirs) != RANGES * RANGE_BYTES:
        raise RemoteError("digest length")
    ours = pack(manifests)
    found = []
    for manifest in manifests.values():
        at = (manifest.id[0] >> 4) * RANGE_BYTES
        if ours[at : at + RANGE_BYTES] != theirs[at : at + RANGE_BYTES]:
            found.append(manifest)
    return sorted(found, key=lambda manifest: manifest.kind != "tenant")
