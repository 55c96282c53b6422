"""Receipts: what a task used, told so that only this box or the operator could.

The tag is an HMAC under the X25519 secret of the box and the operator's owner
key, so no public-key signature is made per task.
"""

from .wire import cbor
from .wire.hashes import hkdf, hmac_sha256, sha256

TAG_BYTES = 16
REASON_BYTES = 120
PAGE_BYTES = 65536


def receipt_key(secret, fleet):
    """32-byte key for the receipts of one box; secret: X25519(box, owner)."""
    return hkdf(secret, fleet, b"backfence receipt", 32)


class Receipts:
    """Makes receipts; the owner secret is computed once, in steps."""

    def __init__(self, node):
        self._node = node
        self._key = None
        self._thinking = False

    def ready(self):
        """True once tags can be made; begins the ladder if need be."""
        node = self._node
        if self._key is None and not self._thinking:
            ladder = node.ladder(node.identity.private, node.trust.owner, node.rng.bytes(32))
            self._thinking = node.work.add(ladder, self._computed)
        return self._key is not None

    def _computed(self, ladder, error):
        self._thinking = False
        if error:
            self._node.log("error", "the operator's owner key is no X25519 key")
        else:
            self._key = receipt_key(ladder.result, self._node.trust.fleet)

    def tag(self, receipt):
        """The 16-byte tag of receipt bytes."""
        return hmac_sha256(self._key, receipt)[:TAG_BYTES]

    def make(self, job, outcome, bytes_in):
        """(receipt bytes, tag or None) of a finished job."""
        receipt = cbor.encode(
            {
                "box": self._node.id,
                "workload": job.workload,
                "seq": job.seq,
                "task": job.task,
                "outcome": outcome.kind,
                "code": outcome.code,
                "reason": (outcome.reason or "")[:REASON_BYTES],
                "output": sha256(outcome.output),
                "size": len(outcome.output),
                "fuel": outcome.fuel,
                "pages": outcome.pages,
                "ms": outcome.ms,
                "bytes_in": bytes_in,
                "bytes_out": len(outcome.output),
                # Memory is charged by the page and the time the job held it.
                "byte_s": outcome.pages * PAGE_BYTES * outcome.ms // 1000,
            }
        )
        return receipt, self.tag(receipt) if self._key else None
