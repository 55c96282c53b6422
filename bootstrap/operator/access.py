"""Who may do what at the broker: mosquitto's access list and passwords for a fleet's doors.

A door may read what is pushed, bring results of any box (their receipts speak for
themselves), and say of itself alone that it is there, what it refused and what it
counted.  Its user name is its identity.  Passwords follow from the owner's key: made
again they are the same, and nothing more needs to be kept.
"""

import base64
import hashlib
import os

from . import files, revoke
from .errors import OperatorError

OPERATOR = "operator"
WATCHER = "watcher"
# Of PBKDF2, as mosquitto_passwd has it; these passwords have 128 bits and no dictionary.
ROUNDS = 101
_SALT_BYTES = 12

_DOORS = (
    ("read", "manifest/+"), ("read", "blob/+"), ("write", "result/+/+/+"),
    ("write", "refused/%u"), ("write", "census/%u"), ("write", "door/%u"),
)


def rules(fleet):
    """Returns the text of mosquitto's acl_file for a fleet."""
    lines = ["# Doors: a door's user name is its box's identity."]
    lines += [f"pattern {verb} {fleet.topic(topic)}" for verb, topic in _DOORS]
    lines += ["", f"user {OPERATOR}", f"topic readwrite {fleet.topic('#')}"]
    lines += ["", f"user {WATCHER}", f"topic read {fleet.topic('#')}"]
    return "\n".join(lines) + "\n"


def password(fleet, user):
    """Returns the password of a user, 32 hexadecimal digits."""
    return fleet.derived(b"backfence broker " + user.encode(), 16).hex()


def password_line(user, secret):
    """Returns the line of mosquitto's password_file for a user ($7$: PBKDF2 with SHA-512)."""
    salt = os.urandom(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, ROUNDS)
    words = [base64.b64encode(part).decode() for part in (salt, digest)]
    return f"{user}:$7${ROUNDS}${words[0]}${words[1]}\n"


def write(fleet, directory, boxes):
    """Writes acl, passwords and secrets/USER below a new or existing directory; returns the users.

    boxes: identities (16 bytes) of doors.  secrets/ID has the two lines that the
    door's agent.conf gets; secrets/operator and secrets/watcher a password alone.
    """
    users = [box.hex() for box in boxes] + [OPERATOR, WATCHER]
    secrets = os.path.join(directory, "secrets")
    for folder in (directory, secrets):
        if not os.path.isdir(folder):
            files.make_directory(folder)
    lines = []
    for user in users:
        secret = password(fleet, user)
        lines.append(password_line(user, secret))
        text = f"{secret}\n" if user in (OPERATOR, WATCHER) else f"broker_user = {user}\nbroker_password = {secret}\n"
        files.write_whole(os.path.join(secrets, user), text.encode(), files.SECRET)
    files.write_whole(os.path.join(directory, "passwords"), "".join(lines).encode(), files.SECRET)
    files.write_whole(os.path.join(directory, "acl"), rules(fleet).encode())
    return users


def doors(fleet, texts):
    """Returns the identities that a person named; if none, all enrolled boxes but the revoked.  OperatorError."""
    if not texts:
        found = [box for box in fleet.boxes() if box not in fleet.revoked()]
        if not found:
            raise OperatorError("no box is enrolled that is not revoked", "Begin with `backfence enrol`.")
        return found
    return sorted({revoke.find(list(fleet.boxes()), text, "enrolled") for text in texts})
