"""Places for live manifests and for floors: who gives way when there are no more.

For manifests each sort has a limit of its own.

Two parts of a fleet may hold too many together when they meet.  Then all boxes
must choose alike: what was issued last goes, but a tenant's word before the
operator's, and first of all a tenant's and a delegation that have ended.
"""

from .limits import MANIFESTS, TENANTS
from .trust import OPERATOR


def _sort(manifest):
    # What says who may do what comes on top: no number of workloads keeps it out.
    return manifest.kind if manifest.kind in ("revocation", "lots", "root", "tenant") else ""


def _most(manifest):
    return {"revocation": 1, "lots": 1, "root": 1, "tenant": TENANTS}.get(_sort(manifest), MANIFESTS)


def _rank(manifest):
    theirs = manifest.authority != OPERATOR
    ended = manifest.end and (theirs or manifest.kind == "tenant")
    return (ended, theirs), (manifest.issued, manifest.id)


def last(manifests, newcomer):
    """The Manifest of the newcomer's sort that gives way; None while there is room.  manifests: {id: Manifest}."""
    if newcomer.id in manifests:
        return None
    rivals = [manifest for manifest in manifests.values() if _sort(manifest) == _sort(newcomer)]
    return max(rivals, key=_rank) if len(rivals) >= _most(newcomer) else None


def is_shut(counters, manifests, newcomer, pushed):
    """True if a verified newcomer finds no place; counted, as is another that gives way.

    Who is told of a manifest makes room for an older one.  A door to which it is
    pushed refuses it, unless what would give way is of lesser right.
    """
    found = last(manifests, newcomer)
    if found is None:
        return False
    ours, theirs = _rank(newcomer), _rank(found)
    shut = ours[0] >= theirs[0] if pushed else ours > theirs
    # What a door lets pass is looked at once more.
    if shut or not pushed:
        counters.bump("tenants_full" if newcomer.kind == "tenant" else "manifests_full")
    return shut


def spare(floors):
    """The id of the floor to be dropped, of {id: [sequence, expires, hash, tenant's kid or b""]}.

    The first to expire: of the tenant who has most of them, and one of the
    operator's only if no tenant has any.
    """
    count = {b"": 0}
    for row in floors.values():
        if row[3]:
            count[row[3]] = count.get(row[3], 0) + 1
    most = max(count, key=lambda kid: (count[kid], kid))
    return min([id for id in floors if floors[id][3] == most], key=lambda id: floors[id][1])
