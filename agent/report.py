"""What the fleet reports of itself: the last complete epoch, for the census."""

from .averages import BUILT_IN
from .pool import KEY_BYTES, whole
from .wire.hashes import sha256


def report(node):
    """dict of whole numbers and text: epoch, age_s, quick, size, rounds_ms,
    slices, versions, jobs, queries; None for what no epoch has found yet."""
    aggregate = node.aggregate
    outcome = aggregate.outcome
    size = aggregate.size()
    slices = {}
    for slice in node.slicing.slices.values():
        filled, matching = aggregate.filled(slice.manifest) or (None, None)
        slices[slice.manifest.name] = {"filled": filled, "matching": matching}
    versions = {}
    for version, share in outcome.versions.items() if outcome and size else ():
        if whole(share * size):
            versions[version] = whole(share * size)
    running, waiting = aggregate.jobs()
    return {
        "epoch": outcome.number if outcome else None,
        "age_s": aggregate.age_ms() // 1000 if outcome else None,
        "quick": aggregate.epoch.hurries(),
        "size": size,
        "rounds_ms": aggregate.epoch.round_ms(),
        "slices": slices,
        "versions": versions,
        "jobs": {"running": running, "open": waiting},
        "queries": _queries(node, size),
    }


def _queries(node, size):
    names = {}
    for name in BUILT_IN:
        names[sha256(name.encode())[:KEY_BYTES]] = (name, None)
    for manifest in node.rumours.manifests.values():
        if manifest.kind in ("slice", "query"):
            names[manifest.id[:KEY_BYTES]] = (manifest.name, manifest.fields.get("top"))
    out = {}
    for key, query in node.aggregate.averages.queries.items():
        if query.result is not None and key in names and size:
            name, top = names[key]
            out[name] = _query(query, size, node.now_ms, top)
    return out


def _query(query, size, now_ms, top):
    found = query.result
    return {
        "count": whole(found.match * size),
        "attribute": query.attribute,
        "age_s": (now_ms - found.at_ms) // 1000,
        "mean": whole(found.mean),
        "sd": whole(found.variance**0.5),
        "least": whole(found.least) if len(found.values) else 0,
        "most": whole(found.most) if len(found.values) else 0,
        "cdf": [[whole(value), whole(10000 * share)] for value, share in found.knots()],
        "top": top,
        "threshold": whole(found.value_at(1 - top[0] / 1000)) if top else None,
    }
