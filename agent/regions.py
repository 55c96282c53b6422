"""The form of a slice's regions, for which its seats are kept in turn (placement.py).

This module is loaded with the first slice that has some: most have none.
"""

from .errors import RemoteError
from .limits import REGIONS
from .predicate import is_attribute


def check(fields):
    """RemoteError unless the member "regions" of a slice, otherwise in form, is one.

    Each once, and as many seats for each: so beside the last seat is one of another region too.
    """
    regions = fields["regions"]
    if not isinstance(regions, list) or not 2 <= len(regions) <= REGIONS or "absorbs" in fields or "from" in fields:
        raise RemoteError("manifest field regions")
    if fields.get("seats", 1) % len(regions):
        raise RemoteError("manifest field regions: as many seats for each")
    for region in regions:
        if not is_attribute(region) or regions.count(region) > 1:
            raise RemoteError("manifest field regions")
