"""A second record of how far a signing key has come, outside the fleet's directory.

A backup that is put back where it was looks like the original, but for what it has
forgotten: which one-time keys were used since.  So each write of a signer's state is
followed by one of a small file in this user's state directory (XDG_STATE_HOME, else
~/.local/state), named by the state's id.  A state behind its witness is refused.

It cannot see what takes it back as well: a whole machine, or a home that holds the fleet,
put back together; nor a state that another machine goes on with (signer.py's place does).
"""

import os

from . import files
from .errors import OperatorError


def path(id):
    """Where the witness of the state with this id is: the identifier of its first tree, in hexadecimal."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(home, "backfence", f"signer-{id}.json")


def read(id):
    """Returns (writes of the state, upper leaves reserved) as last seen on this machine; zeros if never."""
    try:
        seen = files.read_json(path(id))
        return seen["serial"], seen["root_next"]
    except FileNotFoundError:
        return 0, 0
    except (KeyError, TypeError):
        raise OperatorError(f"{path(id)} is damaged", "Say how far the key has come: `backfence init DIR --restored N`.") from None


def write(id, serial, root_next):
    """Keeps how far the key has come; on the disk when it returns.  OSError."""
    where = path(id)
    if not os.path.isdir(os.path.dirname(where)):
        os.makedirs(os.path.dirname(where), 0o700)
        files.sync_directory(os.path.dirname(os.path.dirname(where)))
    files.write_json(where, {"serial": serial, "root_next": root_next}, files.SECRET)
