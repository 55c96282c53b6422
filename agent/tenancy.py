"""The form of what a tenant may sign, and of his delegation; tenants.py has the rules of what counts.

This module is loaded with the first such manifest: most fleets have none.
"""

from .errors import RemoteError
from .limits import BLOB_BYTES, SEATS, TENANT_LETTERS, TENANT_MANIFESTS
from .manifest import SEQ_MOST, is_name, uint

# What a tenant may sign, under names TENANT/NAME.
KINDS = ("slice", "workload")
# What his slices may not have: no number of seats, or a count over all boxes, or a
# change of two slices at once, which no quota could be held to.
NOT_HIS = ("share", "top", "absorbs", "from")
KEY_BYTES = 60
# Of a delegation, besides what all manifests have.
FIELDS = ("key", "owner", "slices", "seats", "workloads", "tasks", "fuel", "pages", "output")


def tenant_of(name):
    """The tenant (text) in a name TENANT/NAME, "" if the name is one of the operator's own.

    RemoteError if it is neither.
    """
    tenant, slash, rest = name.partition("/") if isinstance(name, str) else ("", "/", "")
    if slash and is_name(tenant) and len(tenant) <= TENANT_LETTERS and is_name(rest):
        return tenant
    if slash or not is_name(name):
        raise RemoteError("manifest field name")
    return ""


def check(fields):
    """RemoteError if a delegation, or a manifest of a tenant, that is well-formed otherwise, is not one."""
    kind, name = fields["kind"], fields["name"]
    if kind == "tenant":
        _check_delegation(fields)
        return
    tenant = tenant_of(name)
    if kind not in KINDS:
        raise RemoteError("manifest field name: a %s is never a tenant's" % kind)
    if kind == "workload" and tenant_of(fields["slice"]) != tenant:
        raise RemoteError("manifest field slice: not of who owns the workload")
    for key in NOT_HIS:
        if key in fields:
            raise RemoteError("manifest field %s: not in a tenant's slice" % key)


def _check_delegation(fields):
    if not is_name(fields["name"]) or len(fields["name"]) > TENANT_LETTERS:
        raise RemoteError("manifest field name: not a tenant's")
    if not isinstance(fields["key"], bytes) or len(fields["key"]) != KEY_BYTES:
        raise RemoteError("manifest field key")
    if not isinstance(fields["owner"], bytes) or len(fields["owner"]) != 32:
        raise RemoteError("manifest field owner")
    uint(fields, "slices", 0, TENANT_MANIFESTS)
    uint(fields, "workloads", 0, TENANT_MANIFESTS - fields["slices"])
    uint(fields, "seats", 0, SEATS)
    uint(fields, "tasks", 0, SEQ_MOST)
    uint(fields, "fuel", 0, SEQ_MOST)
    uint(fields, "pages", 0, 65536)
    uint(fields, "output", 0, BLOB_BYTES)
