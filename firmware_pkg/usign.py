"""Keys and signatures as OpenWrt's usign has them, which are OpenBSD's signify without a password.

A file is a line of comment and a line of base64.  The algorithm is Ed25519; a
number of 8 random bytes in key and signature says which key signed, and names
the public key's file on the box: /etc/opkg/keys/NUMBER.
"""

import base64
import hashlib
import os
import struct
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ALGORITHM = b"Ed"
_NUMBER_BYTES = 8
# Algorithm, key derivation and its rounds, salt, checksum, number, seed and public key.
_SECRET = struct.Struct("> 2s 2s I 16s 8s 8s 32s 32s")
_PUBLIC = struct.Struct("> 2s 8s 32s")
_SIGNATURE = struct.Struct("> 2s 8s 64s")
_COMMENT = "untrusted comment: "


class UsignError(Exception):
    """A key or signature file is not one; the text is for a person."""


def _write(comment, data):
    return f"{_COMMENT}{comment}\n{base64.b64encode(data).decode()}\n".encode()


def _read(data, layout, what):
    lines = data.split(b"\n")
    try:
        values = layout.unpack(base64.b64decode(lines[1], validate=True))
    except (IndexError, ValueError, struct.error):
        raise UsignError(f"this is not a {what} of usign or signify") from None
    if not lines[0].startswith(_COMMENT.encode()) or values[0] != _ALGORITHM:
        raise UsignError(f"this is not a {what} of usign or signify")
    return values[1:]


class Key:
    """A secret key: number (8 bytes), and what signs."""

    def __init__(self, number, seed):
        self.number = number
        self._seed = seed
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    @classmethod
    def make(cls):
        """A new key of the system's randomness."""
        return cls(os.urandom(_NUMBER_BYTES), os.urandom(32))

    @classmethod
    def load(cls, path):
        """The key of a file that usign -G, signify -G -n or save() wrote.  UsignError, OSError."""
        path = Path(path)
        try:
            _, rounds, _, checksum, number, seed, public = _read(path.read_bytes(), _SECRET, "secret key")
            if rounds:
                raise UsignError("this key has a password, which OpenWrt's build cannot give (signify -G -n makes one without)")
            key = cls(number, seed)
            if hashlib.sha512(seed + public).digest()[:8] != checksum or key.public() != public:
                raise UsignError("this key is damaged: its checksum does not hold")
        except UsignError as error:
            raise UsignError(f"{path}: {error}") from None
        return key

    def save(self, path):
        """Writes the secret key for its owner alone.  OSError; a file is not overwritten."""
        secret = self._seed + self.public()
        checksum = hashlib.sha512(secret).digest()[:8]
        data = _SECRET.pack(_ALGORITHM, b"BK", 0, bytes(16), checksum, self.number, self._seed, self.public())
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_write(f"private key {self.number.hex()}", data))

    def public(self):
        """The 32 bytes that verify."""
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def public_file(self):
        """The public key's file, as bytes."""
        return _write(f"public key {self.number.hex()}", _PUBLIC.pack(_ALGORITHM, self.number, self.public()))

    def sign(self, data):
        """The signature's file over `data`, as bytes; the same for the same data."""
        packed = _SIGNATURE.pack(_ALGORITHM, self.number, self._private.sign(data))
        return _write(f"signed by key {self.number.hex()}", packed)


def verify(public_file, data, signature_file):
    """Does the signature hold?  Both files as bytes.  UsignError if one is not such a file."""
    number, public = _read(public_file, _PUBLIC, "public key")
    signer, signature = _read(signature_file, _SIGNATURE, "signature")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return number == signer
