"""The envelope beside `cryptography`: keys of a session, tags, and AES in counter mode."""

import subprocess

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from backfence.agent.wire import seal
from backfence.sim.live import interpreters

B = st.binary(max_size=1200)


def digest(*parts):
    state = hashes.Hash(hashes.SHA256())
    for part in parts:
        state.update(part)
    return state.finalize()


@given(secret=st.binary(min_size=32, max_size=32), hello=st.binary(min_size=41, max_size=900),
       welcome=st.binary(min_size=75, max_size=800), body=B)
def test_keys_and_tags(secret, hello, welcome, body):
    okm = HKDF(
        hashes.SHA256(), 96, hello[9:25] + welcome[9:25], b"backfence session 1" + digest(hello, welcome)
    ).derive(secret)
    left, right = seal.Keys(secret, hello, welcome, True), seal.Keys(secret, hello, welcome, False)
    assert (left.mac_out, left.mac_in, left.cipher_out, left.cipher_in) == (okm[:32], okm[32:64], okm[64:80], okm[80:])
    assert (right.mac_in, right.mac_out, right.cipher_in, right.cipher_out) == (okm[:32], okm[32:64], okm[64:80], okm[80:])
    sealed = seal.Session(left, b"abcd", b"efgh", False).seal(body)
    tag = hmac.HMAC(okm[:32], hashes.SHA256())
    tag.update(sealed[:-16])
    assert sealed == b"\x14efgh" + bytes(6) + body + tag.finalize()[:16]


MAKE = """
from backfence.agent.wire import seal
assert seal.ENCRYPTS
for length in (0, 1, 15, 16, 17, 32, 33, 1000, 1160):
    for counter in (0, 1, 255, 1 << 31, (1 << 48) - 1):
        key = bytes([(length + i * 7) & 255 for i in range(16)])
        body = bytes([i * 5 & 255 for i in range(length)])
        print(key.hex(), counter, body.hex() or "-", seal._crypt(key, counter, body).hex() or "-")
"""


def test_the_cipher_of_micropython_is_aes_128_ctr():
    # CPython has no cryptolib, so the other interpreter makes what this one checks.
    found = interpreters.find("micropython")
    run = subprocess.run(
        found.arguments("-c", MAKE), env=found.environment, capture_output=True, text=True, timeout=60, check=True)
    lines = run.stdout.split("\n")[:-1]
    assert len(lines) == 45
    for line in lines:
        key, counter, body, made = (part if part != "-" else "" for part in line.split())
        nonce = bytes(4) + int(counter).to_bytes(8, "big") + bytes(4)
        cipher = Cipher(algorithms.AES(bytes.fromhex(key)), modes.CTR(nonce)).encryptor()
        assert cipher.update(bytes.fromhex(body)) == bytes.fromhex(made), (counter, len(body) // 2)
