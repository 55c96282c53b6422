"""Makes root_vectors.py, wrong_root_vectors.py and thief_vectors.py: what another implementation of HSS/LMS has signed.

    python make_root_vectors.py roots > root_vectors.py
    python make_root_vectors.py wrong-roots > wrong_root_vectors.py
    python make_root_vectors.py manifests > thief_vectors.py

All keys are of one level, to be small; the seed is fixed.
"""

import base64
import sys

import pyhsslms.pyhsslms as oracle
from make_vectors import LMOTS, LMS, Seeded

from backfence.agent import root as roots
from backfence.agent.peers import identity_of
from backfence.agent.trust import Root
from backfence.agent.wire import cbor, cose
from backfence.agent.wire.hashes import sha256
from lan import WALL_S

FLEET = sha256(b"fleet")[:16]
DAY_S = 86400
FAR_S = WALL_S + 100 * 365 * DAY_S


class Key:
    """An HSS key of one level."""

    def __init__(self, seed):
        oracle.randBytes = Seeded(seed)
        self._private = oracle.HssPrivateKey(levels=1, lms_type=LMS, lmots_type=LMOTS)
        self.public = self._private.publicKey().serialize()
        self.header = cose.protected_map(self.public)

    def manifest(self, **fields):
        """The bytes of a signed manifest."""
        fields = {"fleet": FLEET, "issued": WALL_S, "expires": WALL_S + DAY_S, **fields}
        body = cbor.encode(fields)
        message = cose.to_be_signed(cbor.encode(self.header), body)
        return cose.encode_sign1(self.header, body, self._private.sign(message))

    def row(self, body):
        """(protected header, signature) of a root's payload."""
        protected = cbor.encode(self.header)
        return protected, self._private.sign(roots.to_be_signed(protected, body))


def main():
    """Print the module."""
    one, two, three, four = (Key(b"root %d" % number) for number in range(1, 5))
    old, new, newer = (Key(b"operator %d" % number) for number in range(3))
    edge = {"kind": "slice", "name": "edge", "seats": 1}
    genuine = old.manifest(seq=7, **edge)
    kept = b"".join(sorted([sha256(genuine), sha256(b"genuine lot")]))

    def body(version=2, keys=(two, three, four), threshold=2, operator=new, kept=kept, fleet=FLEET, expires=WALL_S + 3650 * DAY_S):
        publics = [key.public for key in keys]
        return roots.payload(fleet, Root(version, publics, threshold, operator.public, kept, WALL_S + 60, expires))

    def signed(body, *keys):
        return roots.encode(body, [key.row(body) for key in keys])

    second = body()
    rows = [key.row(second) for key in (two, three)]
    fork, far = body(operator=newer), body(version=3, operator=newer)
    documents = {
        "FLEET": FLEET, "ROOT_KEYS": one.public + two.public + three.public, "OLD": old.public, "NEW": new.public,
        "NEWER": newer.public,
        "SECOND": roots.encode(second, rows),
        "THIRD": signed(far, two, four),
        "FORK": signed(fork, two, three),
    }
    wrong = {
        "BY_THE_OLD_KEYS_ALONE": signed(body(keys=(four,), threshold=1), one, two),
        "BY_THE_NEW_KEY_ALONE": signed(body(keys=(four,), threshold=1), four),
        "BY_ONE_OF_TWO": roots.encode(second, rows[:1]),
        "BY_ONE_TWICE": roots.encode(second, [rows[0], rows[0]]),
        "BY_THE_OPERATOR": roots.encode(second, [old.row(second), rows[0]]),
        "OF_OTHER_WORDS": roots.encode(fork, rows),
        "EXPIRED": signed(body(expires=WALL_S - 1), two, three),
        "OF_ANOTHER_FLEET": signed(body(fleet=bytes(16)), two, three),
    }
    manifests = {
        "GENUINE": genuine,
        "THIEVES_EDGE": old.manifest(seq=(1 << 53) - 1, **{**edge, "issued": FAR_S, "expires": FAR_S + DAY_S}),
        "THIEVES_OWN": old.manifest(seq=1, kind="slice", name="mine", seats=1, issued=FAR_S, expires=FAR_S + DAY_S),
        "THIEVES_REVOCATION": old.manifest(
            kind="revocation", name="boxes", boxes=identity_of(sha256(sha256(b"box 1 1"))), seq=(1 << 53) - 1),
        "BY_THE_NEW_OPERATOR": new.manifest(seq=8, **edge),
        "REVOCATION": new.manifest(
            kind="revocation", name="boxes", boxes=identity_of(sha256(sha256(b"box 1 2"))), seq=1),
    }
    what = sys.argv[1]
    print('"""' + what.replace("-", " ").capitalize() + ' signed by pyhsslms with a fixed seed; make_root_vectors.py makes this file."""')
    print("\nfrom binascii import a2b_base64")
    for name, data in {"roots": documents, "wrong-roots": wrong, "manifests": manifests}[what].items():
        text = base64.b64encode(data).decode()
        print("\n%s = a2b_base64(" % name)
        for start in range(0, len(text), 108):
            print('    "%s"' % text[start : start + 108])
        print(")")


if __name__ == "__main__":
    main()
