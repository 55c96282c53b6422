"""What a box's home directory holds: configuration, key, trust, and the places of its files.

Read once, at the start.
"""

import os
import sys

from .. import config, peers, trust_file
from ..compat import const
from ..errors import LocalError, RemoteError
from ..wire import seal
from . import disk, system

_CONF_BYTES = const(8192)
_KEY_BYTES = const(32)


def _read(home, name, most, hint):
    path = home + "/" + name
    try:
        # MicroPython allocates all that is asked for before it reads.
        data = disk.read_file(path, min(most, os.stat(path)[6]) + 1)
    except OSError:
        raise LocalError("cannot read " + path + hint)
    if len(data) > most:
        raise LocalError("%s is longer than %d bytes" % (path, most))
    return data


def load_config(home):
    """config.Config of the home's agent.conf.  LocalError."""
    data = _read(home, "agent.conf", _CONF_BYTES, "; the operator's `enrol` writes one")
    try:
        text = data.decode()
    except ValueError:
        raise LocalError(home + "/agent.conf is not text")
    try:
        return config.parse(text)
    except LocalError as problem:
        raise LocalError(home + "/agent.conf: " + str(problem))


def load_key(home, name="box.key"):
    """A private key of the box (32 bytes), made if there is none.  LocalError."""
    path = home + "/" + name
    try:
        os.stat(path)
    except OSError:
        _make_key(home, name)
    key = _read(home, name, _KEY_BYTES, "")
    if len(key) != _KEY_BYTES:
        raise LocalError(path + " is not a key of 32 bytes; remove it and enrol this box anew")
    return key


def _make_key(home, name):
    path = home + "/" + name
    private = True
    try:
        # The temporary file is made first, empty, for its owner alone.
        if hasattr(os, "open"):
            os.close(os.open(path + ".tmp", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        else:
            quoted = path.replace("'", "'\\''")
            private = not os.system("{ umask 077 && : > '" + quoted + ".tmp'; } 2>/dev/null")
        disk.replace_file(home, name, system.entropy(_KEY_BYTES))
    except OSError as problem:
        raise LocalError("cannot write %s: %s" % (path, disk.reason(problem)))
    if not private:
        sys.stderr.write("warning: no shell to make %s private; check its mode\n" % path)


def load_trust(home, identity):
    """trust.Trust of the home's trust.cbor, which must be this box's.  LocalError."""
    hint = "; enrol this box, whose public key is " + identity.public.hex()
    data = _read(home, "trust.cbor", trust_file.TRUST_BYTES, hint)
    try:
        anchors = trust_file.load(data)
    except RemoteError as problem:
        raise LocalError(home + "/trust.cbor does not hold: " + str(problem))
    if not anchors.enrolled(seal.Party(identity.public, 0, 0, anchors.lot, anchors.leaf, anchors.path)):
        raise LocalError(home + "/trust.cbor is another box's" + hint)
    return anchors


def load_identity(home):
    """(peers.Identity, trust.Trust) of the home: of its key, or of the one that renews it.  LocalError."""
    identity = peers.Identity(load_key(home))
    try:
        return identity, load_trust(home, identity)
    except LocalError:
        try:
            os.stat(home + "/next.key")
        except OSError:
            pass
        else:
            from . import renew  # a key is rarely renewed

            return renew.take(home)
        raise


def store_directory(home, settings):
    """Where blobs and the beat are."""
    return settings.store_dir or home + "/store"


def open_disk(home, settings):
    """disk.Disk of the home, its directories made if there is room.  LocalError."""
    state, store, slots = home + "/state", store_directory(home, settings), home + "/slots"
    for directory in (state, store, slots):
        try:
            disk.make_directory(directory)
        except OSError as problem:
            if not disk.has_no_room(problem):
                raise LocalError("cannot make %s: %s" % (directory, disk.reason(problem)))
    try:
        return disk.Disk(state, store, slots)
    except OSError as problem:
        raise LocalError("cannot read %s, %s and %s: %s" % (state, slots, store, disk.reason(problem)))
