"""Receipts: what a task used, told so that only this box or the owner could.

The tag is an HMAC under the X25519 secret of the box and the operator's owner
key, so no public-key signature is made per task.  A tenant's task has a second
one behind it, for the tenant's owner key: who pays and who is paid can each check
that the box said so, and neither can forge what the other checks.
"""

from .limits import TENANTS
from .wire import cbor
from .wire.hashes import hkdf, hmac_sha256, sha256

TAG_BYTES = 16
REASON_BYTES = 120
PAGE_BYTES = 65536


def receipt_key(secret, fleet):
    """32-byte key for the receipts of one box; secret: X25519(box, owner)."""
    return hkdf(secret, fleet, b"backfence receipt", 32)


class Receipts:
    """Makes receipts; each owner's secret is computed once, in steps."""

    def __init__(self, node):
        self._node = node
        self._keys = {}  # owner's X25519 key: key of the receipts for him, b"" if there can be none
        self._thinking = False

    def ready(self):
        """True once the operator's tags can be made; begins the ladder if need be."""
        return bool(self._key(self._node.trust.owner))

    def _key(self, owner):
        """The key for an owner, None until its ladder has run, which begins here."""
        node = self._node
        if owner not in self._keys and not self._thinking:
            ladder = node.ladder(node.identity.private, owner, node.rng.bytes(32))
            self._thinking = node.work.add(ladder, lambda ladder, error: self._computed(owner, ladder, error))
        return self._keys.get(owner)

    def _computed(self, owner, ladder, error):
        self._thinking = False
        if error and owner == self._node.trust.owner:
            self._node.log("error", "the operator's owner key is no X25519 key")
            return
        if len(self._keys) > TENANTS:
            self._keys = {}
        # A tenant whose key is none gets no tags, and his results do not wait for them.
        self._keys[owner] = b"" if error else receipt_key(ladder.result, self._node.trust.fleet)

    def tag(self, receipt, workload):
        """The tags of receipt bytes: 16 bytes for the operator, then 16 for the workload's tenant, if he has a
        delegation.  None while a key is being computed."""
        tenants = self._node.trust.keys.tenants
        owners = [self._node.trust.owner]
        if tenants and tenants.owner(workload):
            owners.append(tenants.owner(workload))
        tag = b""
        for owner in owners:
            key = self._key(owner)
            if key is None:
                return None
            if key:
                tag += hmac_sha256(key, receipt)[:TAG_BYTES]
        return tag

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
        return receipt, self.tag(receipt, job.workload)
