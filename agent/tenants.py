"""Tenants: keys of lesser right, each held to the quota that the operator signed.

A delegation is a manifest of the kind "tenant" under the operator's key.  It names
a tenant, its HSS key, its X25519 key for receipts, and its quota.  With that key
slices and workloads named TENANT/NAME count, and nothing else.

All boxes must choose alike which of a tenant's manifests count, whatever order
they come in.  So they are taken by the time they were issued, each if it fits in
what those before it leave of the quota; what does not fit is refused, or dropped
when one before it comes.  Who reads the same manifests drops the same: the first
of them fits everywhere, so it stays everywhere, and so on with the next.  What was
dropped must be pushed again when there is room.

This module is loaded with the first delegation: most fleets have none.
"""

from . import strange
from .manifest import manifest_id
from .tenancy import tenant_of
from .trust import OPERATOR
from .wire.cose import key_id

# Of the quota, what all live manifests of a tenant use together.
SUMS = ("slices", "seats", "workloads", "tasks")
REFUSED_LATE = "it outlives the tenant's delegation; let it expire earlier"
REFUSED_QUOTA = "beyond the tenant's quota; end or shrink another one first"
REFUSED_ENDED = "the tenant has no live delegation"


def cost(manifest):
    """{member of a quota: how much of it} that a tenant's Manifest uses."""
    fields = manifest.fields
    if manifest.end:
        return {"ended": 1}
    if manifest.kind == "slice":
        return {"slices": 1, "seats": fields["seats"]}
    return {"workloads": 1, "tasks": fields["tasks"] * fields["replicas"]}


def excess(quota, manifest):
    """Why a tenant's Manifest counts under no circumstances; None if it may.  quota: a delegation's fields."""
    if manifest.expires > quota["expires"]:
        return REFUSED_LATE
    if manifest.kind == "workload" and not manifest.end:
        for key in ("fuel", "pages", "output"):
            if manifest.fields["limits"][key] > quota[key]:
                return "more %s a task than the tenant's quota has" % key
    return None


def _order(manifest):
    # What has ended is kept for those who have not heard of it, the newest of it.
    return (manifest.end, -manifest.issued if manifest.end else manifest.issued, manifest.id)


def counting(quota, manifests):
    """Those of a tenant's Manifests that count: a list.  quota: its delegation's fields."""
    left = {key: quota[key] for key in SUMS}
    left["ended"] = quota["slices"] + quota["workloads"]
    out = []
    for manifest in sorted(manifests, key=_order):
        used = cost(manifest)
        fits = excess(quota, manifest) is None
        for key in used:
            fits = fits and used[key] <= left[key]
        if fits:
            for key in used:
                left[key] -= used[key]
            out.append(manifest)
    return out


class Tenants:
    """The delegations among a node's manifests, and what they let count."""

    def __init__(self, node):
        self._node = node

    def find(self, name):
        """The live delegation (Manifest) of a tenant, else None."""
        found = self._node.rumours.manifests.get(manifest_id("tenant", name))
        return found if found and not found.end and found.expires > self._node.wall_s() else None

    def by_key(self, kid):
        """The live delegation whose key has this kid, else None.  If several have, all boxes take the same."""
        found = None
        for manifest in self._node.rumours.of_kind("tenant"):
            if key_id(manifest.fields["key"]) == kid and self.find(manifest.name) is manifest:
                if found is None or manifest.id < found.id:
                    found = manifest
        return found

    def owner(self, workload):
        """The X25519 key (32 bytes) of the tenant to whom a workload of that name belongs, else None."""
        tenant = tenant_of(workload)
        found = self.find(tenant) if tenant else None
        return found.fields["owner"] if found else None

    def _of(self, tenant):
        """A tenant's manifests that are held."""
        return [m for m in self._node.rumours.manifests.values() if m.authority != OPERATOR and tenant_of(m.name) == tenant]

    def refusal(self, manifest):
        """Why a verified manifest of a tenant does not count (text), else None."""
        delegation = self.find(tenant_of(manifest.name))
        if delegation is None or key_id(delegation.fields["key"]) != manifest.authority:
            return REFUSED_ENDED
        why = excess(delegation.fields, manifest)
        if why is None:
            others = [held for held in self._of(delegation.name) if held.id != manifest.id]
            if manifest not in counting(delegation.fields, others + [manifest]):
                why = REFUSED_QUOTA
        if why:
            self._node.counters.bump("quota_refused")
        return why

    def on_change(self, manifest):
        """A delegation, or a manifest of a tenant, is new, another, or gone."""
        if manifest.kind != "tenant":
            self._review(tenant_of(manifest.name))
            return
        self._review(manifest.name)
        if self.find(manifest.name):
            rumours = self._node.rumours
            strange.resume(rumours.wanted)
            rumours.resume(key_id(manifest.fields["key"]))
            if rumours.strange and self._node.door:
                rumours.strange = None
                self._node.door.missed()

    def _review(self, tenant):
        """Drop what of a tenant's manifests counts no more."""
        node = self._node
        delegation = self.find(tenant)
        held = self._of(tenant)
        kept = []
        if delegation:
            kid = key_id(delegation.fields["key"])
            signed = [manifest for manifest in held if manifest.authority == kid]
            kept = counting(delegation.fields, signed)
        for manifest in held:
            if manifest not in kept:
                node.counters.bump("quota_refused")
                node.log("warning", "dropped %s %s: %s" % (
                    manifest.kind, manifest.name, REFUSED_QUOTA if delegation else REFUSED_ENDED))
                # What replaced what has ended must not come back.
                node.rumours.drop(manifest, delegation is not None and not manifest.end)
