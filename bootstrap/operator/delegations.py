"""Delegations: what the operator signs for a tenant, and how much of a quota is used.

The newest one that this fleet signed for a tenant is the one that counts; ended and
expired ones are kept, so that what was signed under them can be read.
"""

import time

from ...agent import limits, manifest, tenants, trust
from ...agent.wire import cose
from . import manifests
from .errors import OperatorError

# Slices and workloads of all tenants: with as many ended ones they fit a fleet's live manifests.
ALL_MANIFESTS = limits.MANIFESTS // 2
# A delegation that nobody renews ends by itself.
VALID_S = 90 * manifests.DAY_S
# member: (what a tenant gets unless the operator says otherwise, the most, in words)
QUOTA = {
    "slices": (1, limits.TENANT_MANIFESTS, "Live slices."),
    "seats": (8, limits.SEATS, "Seats of all his slices together."),
    "workloads": (2, limits.TENANT_MANIFESTS, "Live workloads."),
    "tasks": (1024, manifest.SEQ_MOST, "Tasks of all his workloads together, replicas counted."),
    "fuel": (manifests.FUEL, manifest.SEQ_MOST, "Fuel of a task."),
    "pages": (manifests.PAGES, 65536, "Pages of 64 KiB of a task."),
    "output": (limits.BLOB_BYTES, limits.BLOB_BYTES, "Bytes of output of a task."),
}


class Known:
    """Stands in trust.Keys for the delegations that a fleet's directory has, ended ones too: to read what was signed."""

    def __init__(self, fleet):
        self._fleet = fleet

    def by_key(self, kid):
        """The newest delegation (manifest.Manifest) whose key has this kid, else None."""
        for payload in newest(self._fleet):
            if cose.key_id(payload["key"]) == kid:
                return manifest.Manifest(payload, b"", 0, trust.OPERATOR)
        return None


def newest(fleet):
    """Returns the payload of each tenant's newest delegation, in the order of their names."""
    return [fleet.signed(label)[1] for label in fleet.labels() if label.startswith("tenant-")]


def live(payload, now_s=None):
    """True if a delegation, or another manifest, counts now."""
    return not payload.get("end") and payload["expires"] > (time.time() if now_s is None else now_s)


def find(fleet, name):
    """Returns the newest delegation of a tenant; OperatorError."""
    for payload in newest(fleet):
        if payload["name"] == name:
            return payload
    raise OperatorError(f"this fleet has no tenant {name!r}", "See `backfence tenant list`.")


def delegation(fleet, name, keys, quota, valid_s=VALID_S, issued=None):
    """Returns the Manifest of a tenant's delegation; OperatorError for one that boxes or the fleet have no room for.

    keys: (HSS key, X25519 key), None to keep what the last delegation has; quota:
    {member of QUOTA: number}, what is missing as in the last one, or as in QUOTA.
    """
    if not manifests.NAME.fullmatch(name) or len(name) > limits.TENANT_LETTERS:
        raise OperatorError(
            f"{name!r} is not a tenant's name",
            f"Use 1 to {limits.TENANT_LETTERS} small letters, digits and hyphens.",
        )
    others = [payload for payload in newest(fleet) if payload["name"] != name and live(payload)]
    before = next((payload for payload in newest(fleet) if payload["name"] == name), {})
    if keys is None:
        if not before:
            raise OperatorError(f"{name} is new here", "Name the file with the tenant's public keys.")
        keys = before["key"], before["owner"]
    for payload in others:
        if payload["key"] == keys[0]:
            raise OperatorError(f"that key is the tenant {payload['name']!r} already", "Each tenant has a key of his own.")
    if keys[0] == fleet.operator:
        raise OperatorError("that key is the operator's", "The tenant makes his own: `backfence init DIR --tenant`.")
    chosen = {}
    for member, (usual, most, what) in QUOTA.items():
        value = quota.get(member)
        value = before.get(member, usual) if value is None else value
        if not 0 <= value <= most:
            raise OperatorError(f"{member} is {value:,}; it must be from 0 to {most:,}", what)
        chosen[member] = value
    _check_room(others, chosen)
    return manifests.tenant_manifest(fleet, name, *keys, chosen, valid_s, issued)


def _check_room(others, quota):
    if len(others) >= limits.TENANTS:
        raise OperatorError(f"a fleet has at most {limits.TENANTS} tenants", "End one first: `backfence tenant end`.")
    mine = quota["slices"] + quota["workloads"]
    if mine > limits.TENANT_MANIFESTS:
        raise OperatorError(
            f"{mine} slices and workloads; one tenant has at most {limits.TENANT_MANIFESTS}", "Lower one of the two.")
    total = mine + sum(payload["slices"] + payload["workloads"] for payload in others)
    if total > ALL_MANIFESTS:
        raise OperatorError(
            f"all tenants together would have {total} slices and workloads; {ALL_MANIFESTS} are the most",
            "Lower a quota, or end a tenant.",
        )


def usage(quota, held):
    """Returns how much of a quota (a delegation's payload) live Manifests use: "1 of 1 slices, ..."."""
    used = dict.fromkeys(tenants.SUMS, 0)
    for each in held:
        for member, amount in tenants.cost(each).items():
            used[member] = used.get(member, 0) + amount
    return ", ".join(f"{used[member]:,} of {quota[member]:,} {member}" for member in tenants.SUMS)
