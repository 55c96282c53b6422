"""A new key for a box: made beside the old one, and taken when the operator has enrolled it.

    python -m backfence.agent.edge.renew --home DIR

The new key lies in next.key.  What is printed goes to the operator: both public keys,
and a tag of each key's secret with the operator's owner key, so that nobody but this
box can have asked.  His answer is a trust.cbor of the new key; with it, at its next
start, the box takes the new key.  A power cut at any moment leaves a key and the
trust.cbor that fits it.
"""

import os
import sys

from .. import peers, receipt
from ..errors import LocalError
from ..wire import x25519
from ..wire.hashes import hmac_sha256
from . import disk, files, system

NEXT = "next.key"
DOMAIN = b"backfence renewal"
TAG_BYTES = 16


def tag(secret, fleet, old, new):
    """16 bytes that only who shares `secret` with the owner's key can make; old, new: public keys."""
    return hmac_sha256(receipt.receipt_key(secret, fleet), DOMAIN, old, new)[:TAG_BYTES]


def request(home):
    """What asks for the renewal of a home's key, 96 bytes; makes next.key if there is none.  LocalError."""
    old = peers.Identity(files.load_key(home))
    anchors = files.load_trust(home, old)
    new = peers.Identity(files.load_key(home, NEXT))
    out = old.public + new.public
    for identity in (old, new):
        secret = x25519.shared(identity.private, anchors.owner, system.entropy(32))
        out += tag(secret, anchors.fleet, old.public, new.public)
    return out


def take(home):
    """(peers.Identity, trust.Trust) of next.key, in whose place trust.cbor is; it is box.key from now on.  LocalError."""
    identity = peers.Identity(files.load_key(home, NEXT))
    anchors = files.load_trust(home, identity)
    try:
        os.rename(home + "/" + NEXT, home + "/box.key")
        disk.sync_directory(home)
    except OSError as problem:
        raise LocalError("cannot write %s/box.key: %s" % (home, disk.reason(problem)))
    return identity, anchors


def start(argv):
    """Print the request; the exit code."""
    from . import main  # which takes us in at the start of an agent

    try:
        home = main.arguments(argv)
        if home:
            print(request(home).hex())
        return 0
    except main.Usage as problem:
        sys.stderr.write("Error: %s\nusage: backfence.agent.edge.renew --home DIR\n" % problem)
        return 2
    except LocalError as problem:
        sys.stderr.write("Error: %s\n" % problem)
        return 1


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
