"""The fleet's roots, for boxes that hear of them from nobody: the chain that each box checks for itself.

The folder has what `backfence init` and `backfence rotate` leave in the fleet's roots/:
1.cose, 2.cose and so on.  All of it is public.
"""

import os

from ...agent import limits
from ...agent.errors import LocalError, RemoteError
from ...agent.wire import cbor

SUFFIX = ".cose"


class Chain:
    """The roots in a folder; new ones are taken up without a restart.  data: bytes, empty while there is but the first."""

    def __init__(self, folder):
        """LocalError if the folder has no roots."""
        self.folder = folder
        self._count = 0
        self.data = b""
        self.refresh()

    def refresh(self):
        """Takes up new roots; returns a line to log, or None.  LocalError leaves the old ones."""
        try:
            names = os.listdir(self.folder)
        except OSError as error:
            raise LocalError(f"{self.folder} cannot be read: {error.strerror}") from None
        count = len([name for name in names if name.endswith(SUFFIX)])
        if not count:
            raise LocalError(f"{self.folder} has no roots")
        if count == self._count:
            return None
        self.data = self._joined([self._read(version) for version in range(1, count + 1)][1:])
        self._count = count
        return f"took up root {count}"

    def _joined(self, documents):
        """The chain (bytes) of signed roots, oldest first: as many of the newest as a box takes."""
        documents = documents[-limits.ROOTS:]
        while documents:
            chain = cbor.encode(documents)
            if len(chain) <= limits.BLOB_BYTES:
                return chain
            documents = documents[1:]
        return b""

    def _read(self, version):
        path = os.path.join(self.folder, f"{version}{SUFFIX}")
        try:
            with open(path, "rb") as file:
                data = file.read(limits.MANIFEST_BYTES + 1)
            payload = cbor.decode(cbor.decode(data).value[2])
            if (payload["kind"], payload["version"]) != ("root", version):
                raise LocalError(f"{path} is not root {version}")
        except OSError as error:
            raise LocalError(f"{path} cannot be read: {error.strerror}") from None
        except (RemoteError, AttributeError, IndexError, KeyError, TypeError):
            raise LocalError(f"{path} is not a signed root") from None
        return data
