"""Makes vectors.py: manifests that another implementation of HSS/LMS has signed.

    python make_vectors.py > vectors.py

The seed is fixed, so the same bytes come out each time.
"""

import base64
import hashlib

import pyhsslms.pyhsslms as oracle

from backfence.agent.trust_file import fleet_id
from backfence.agent.wire import cbor, cose, merkle
from backfence.firmware_pkg import suit
from lan import WALL_S

LMS = oracle.lms_sha256_m32_h5
LMOTS = oracle.lmots_sha256_n32_w8


class Seeded:
    """Stands for the library's randomness."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self, count):
        self.state = hashlib.sha256(self.state).digest()
        return hashlib.shake_256(self.state).digest(count)


def operator(seed):
    """(HSS public key, function that signs manifest fields, one that signs a suit.Plan) of an operator."""
    oracle.randBytes = Seeded(seed)
    private = oracle.HssPrivateKey(levels=2, lms_type=LMS, lmots_type=LMOTS)
    public = private.publicKey().serialize()

    def sign(fields):
        payload = cbor.encode(fields)
        header = {1: cose.ALG_HSS_LMS, 4: hashlib.sha256(public).digest()[:16]}
        signature = private.sign(cose.to_be_signed(cbor.encode(header), payload))
        return cose.encode_sign1(header, payload, signature)

    def sign_firmware(plan):
        header = {1: cose.ALG_HSS_LMS, 4: hashlib.sha256(public).digest()[:16]}
        return suit.envelope(plan, header, private.sign(suit.sign_structure(plan.digest, header)))

    return public, sign, sign_firmware


def main():
    """Print the module."""
    public, sign, sign_firmware = operator(b"operator")
    fleet = fleet_id(public)
    edge = {"kind": "slice", "fleet": fleet, "name": "edge", "seq": 7, "issued": WALL_S,
            "expires": WALL_S + 86400, "seats": 12, "where": [">=", "mem_free", 1 << 25]}
    leaves = [merkle.leaf(bytes((i,)) * 32) for i in range(5)]

    lots = {"kind": "lots", "fleet": fleet, "name": "all", "seq": 4, "issued": WALL_S, "expires": WALL_S + 86400,
            "lots": [[merkle.root(leaves[:count]), count, until] for count, until in ((5, 0), (3, WALL_S + 60))]}
    seeds = {"kind": "seeds", "fleet": fleet, "name": "seeds", "seq": 1, "issued": WALL_S,
             "expires": WALL_S + 86400, "contacts": [[b"i" * 16, bytes((10, 0, 0, 1, 27, 88))]]}
    other, sign_other, _ = operator(b"another operator")
    vendor = suit.vendor_id("isp.example")
    image = bytes(range(256)) * 300
    firmware = suit.manifest(
        image, "mpy6", vendor, suit.class_id(vendor, "homebox-2"), WALL_S, WALL_S + 86400
    )
    vectors = {
        "OPERATOR": public,
        "EDGE": sign(edge),
        "EXPIRED": sign(dict(edge, issued=WALL_S - 100, expires=WALL_S)),
        "OTHER_FLEET": sign(dict(edge, fleet=fleet_id(other))),
        "UNKNOWN_FIELD": sign(dict(edge, extra=1)),
        "LOTS": sign(lots),
        "SEEDS": sign(seeds),
        "OTHER_OPERATOR": sign_other(edge),
        "FIRMWARE": sign_firmware(firmware),
    }
    print('"""Manifests signed by pyhsslms with a fixed seed; make_vectors.py makes this file."""')
    print("\nfrom binascii import a2b_base64")
    for name, data in vectors.items():
        text = base64.b64encode(data).decode()
        print("\n%s = a2b_base64(" % name)
        for start in range(0, len(text), 108):
            print('    "%s"' % text[start : start + 108])
        print(")")


if __name__ == "__main__":
    main()
