"""One receipt: what a box says that a task used, and whether that can be true.

Some of what it says follows from the rest, from the manifest, or from the
owner's clock.  A receipt that contradicts these is inflated, whatever its tag.
What cannot be checked on one receipt, its fuel and pages within their limits,
is checked against other boxes' receipts of the same task (settle.py, credit.py).
"""

from ...agent import limits
from ...agent.errors import RemoteError
from ...agent.wire import cbor

# Output, receipt (about 250 bytes), tag and CBOR heads.
RESULT_BYTES = limits.BLOB_BYTES + 1024
TAG_BYTES = 16
PAGE_BYTES = 65536

# field: type; every one must be there, and no other.
FIELDS = {
    "box": bytes, "workload": str, "seq": int, "task": int, "outcome": str, "code": int,
    "reason": str, "output": bytes, "size": int, "fuel": int, "pages": int, "ms": int,
    "bytes_in": int, "bytes_out": int, "byte_s": int,
}
OUTCOMES = ("ok", "exit", "trap", "refused", "fuel", "memory")
# A box's clock may go faster than ours, by this share, and the manifest is stamped
# in whole seconds.
CLOCK_PERCENT = 2
STAMP_MS = 2000


def open_result(payload):
    """Returns (receipt bytes, tags, output) of a published result; RemoteError if it is none.

    tags: 16 bytes for the operator, and 16 more for the tenant whose work it is.
    """
    if len(payload) > RESULT_BYTES:
        raise RemoteError("result too large")
    result = cbor.decode(payload)
    if not isinstance(result, list) or len(result) != 3:
        raise RemoteError("not a result")
    if not all(isinstance(part, bytes) for part in result) or len(result[1]) not in (TAG_BYTES, 2 * TAG_BYTES):
        raise RemoteError("not a result")
    return result


def read(data):
    """Returns a receipt's map; RemoteError unless every field is there and typed."""
    receipt = cbor.decode(data)
    if not isinstance(receipt, dict) or receipt.keys() != FIELDS.keys():
        raise RemoteError("receipt fields")
    for key, kind in FIELDS.items():
        if type(receipt[key]) is not kind:
            raise RemoteError("receipt " + key)
        if kind is int and key != "code" and receipt[key] < 0:
            raise RemoteError("receipt " + key)
    if receipt["outcome"] not in OUTCOMES or len(receipt["box"]) != 16:
        raise RemoteError("receipt outcome")
    return receipt


def inflated(receipt, caps, size_in, age_ms):
    """Returns why a receipt says more than can be, or "".

    caps: the manifest's limits; size_in: bytes of the task's input, None if
    they are not known here; age_ms: milliseconds since the workload was signed,
    below 0 if the owner's clock was set back meanwhile.
    """
    for key in ("fuel", "pages"):
        if receipt[key] > caps[key]:
            return f"more {key} than the manifest allows"
    if receipt["bytes_out"] != receipt["size"]:
        return "bytes_out is not the size of the output"
    if size_in is not None and receipt["bytes_in"] != size_in:
        return "bytes_in is not the size of the input"
    if age_ms >= 0 and receipt["ms"] > age_ms * (100 + CLOCK_PERCENT) // 100 + STAMP_MS:
        return "it ran for longer than the workload is there"
    if receipt["byte_s"] != receipt["pages"] * PAGE_BYTES * receipt["ms"] // 1000:
        return "byte_s does not follow from its pages and ms"
    return ""


def show(receipt):
    """Returns a receipt with its byte strings in hexadecimal, JSON-able."""
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in receipt.items()}
