"""Who may do what at the broker: mosquitto's access list and passwords for a fleet's doors and tenants.

A door may read what is pushed, bring results of any box (their receipts speak for
themselves), and say of itself alone that it is there, what it refused and what it
counted.  Its user name is its identity.  Passwords follow from the owner's key: made
again they are the same, and nothing more needs to be kept.

A tenant may push what is named TENANT/..., read his own results, and hear what doors
refuse of his; he reads nobody else's work, and no census.
"""

import base64
import hashlib
import os

from . import delegations, files, revoke
from .errors import OperatorError

OPERATOR = "operator"
WATCHER = "watcher"
# Of PBKDF2, as mosquitto_passwd has it; these passwords have 128 bits and no dictionary.
ROUNDS = 101
_SALT_BYTES = 12

_DOORS = (
    ("read", "manifest/+"), ("read", "manifest/+/+"), ("read", "blob/+"), ("read", "blob/+/+"),
    ("write", "refused/%u"), ("write", "refused/+/%u"), ("write", "census/%u"), ("write", "door/%u"),
)
# Not a pattern, which would hold for who only watches too: a denial takes reading with it.
_EACH_DOOR = ("result/+/+/+", "result/+/+/+/+")
# What the patterns would let him say, by his name.
_NOT_WATCHER = ("refused/%u", "refused/+/%u", "census/%u", "door/%u")
# mosquitto's patterns hold for every user: what they give to doors is taken from
# tenants again.  A denial goes before what is allowed, so none may touch his own topics.
_NOT_TENANTS = (
    "manifest/+", "blob/+", "result/+/+/+", "refused/+", "refused/+/%u", "census/+", "door/+",
)
_NOT_OTHERS = ("manifest/slice-{0}/+", "manifest/workload-{0}/+", "blob/{0}/+", "result/{0}/+/+/+", "refused/{0}/+")
_TENANTS = (
    ("readwrite", "manifest/slice-{0}/+"), ("readwrite", "manifest/workload-{0}/+"), ("readwrite", "blob/{0}/+"),
    ("read", "result/{0}/+/+/+"), ("read", "refused/{0}/+"),
)


def rules(fleet, boxes):
    """Returns the text of mosquitto's acl_file for a fleet; boxes: identities (16 bytes) of doors."""
    lines = ["# Doors: a door's user name is its box's identity."]
    lines += [f"pattern {verb} {fleet.topic(topic)}" for verb, topic in _DOORS]
    names = _names(fleet)
    for name in names:
        lines += ["", f"user {user_of(name)}"]
        denied = [topic.replace("%u", user_of(name)) for topic in _NOT_TENANTS]
        denied += [topic.format(other) for other in names if other != name for topic in _NOT_OTHERS]
        lines += [f"topic deny {fleet.topic(topic)}" for topic in denied]
        lines += [f"topic {verb} {fleet.topic(topic.format(name))}" for verb, topic in _TENANTS]
    lines += ["", f"user {OPERATOR}", f"topic readwrite {fleet.topic('#')}"]
    lines += ["", f"user {WATCHER}"]
    lines += [f"topic deny {fleet.topic(topic.replace('%u', WATCHER))}" for topic in _NOT_WATCHER]
    lines += [f"topic read {fleet.topic('#')}"]
    for box in boxes:
        lines += ["", f"user {box.hex()}", *(f"topic write {fleet.topic(topic)}" for topic in _EACH_DOOR)]
    return "\n".join(lines) + "\n"


def user_of(name):
    """Returns the user name of a tenant."""
    return f"tenant-{name}"


def counted(users):
    """Returns what `write` returned, in words: how many doors, and who else."""
    others = [user for user in users if user in (OPERATOR, WATCHER) or user.startswith("tenant-")]
    return [f"{len(users) - len(others)} doors", *others]


def _names(fleet):
    return [payload["name"] for payload in delegations.newest(fleet) if delegations.live(payload)]


def password(fleet, user):
    """Returns the password of a user, 32 hexadecimal digits."""
    return fleet.derived(b"backfence broker " + user.encode(), 16).hex()


def password_line(user, secret):
    """Returns the line of mosquitto's password_file for a user ($7$: PBKDF2 with SHA-512)."""
    salt = os.urandom(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, ROUNDS)
    words = [base64.b64encode(part).decode() for part in (salt, digest)]
    return f"{user}:$7${ROUNDS}${words[0]}${words[1]}\n"


def door_lines(fleet, user):
    """Returns the two lines of agent.conf with which a door names itself to the broker."""
    return f"broker_user = {user}\nbroker_password = {password(fleet, user)}\n"


def write(fleet, directory, boxes):
    """Writes acl, passwords and secrets/USER below a new or existing directory; returns the users.

    boxes: identities (16 bytes) of doors.  secrets/ID has the two lines that the
    door's agent.conf gets; secrets/operator, secrets/watcher and secrets/tenant-NAME a
    password alone.
    """
    alone = [*(user_of(name) for name in _names(fleet)), OPERATOR, WATCHER]
    users = [box.hex() for box in boxes] + alone
    secrets = os.path.join(directory, "secrets")
    for folder in (directory, secrets):
        if not os.path.isdir(folder):
            files.make_directory(folder)
    lines = []
    for user in users:
        secret = password(fleet, user)
        lines.append(password_line(user, secret))
        text = f"{secret}\n" if user in alone else door_lines(fleet, user)
        files.write_whole(os.path.join(secrets, user), text.encode(), files.SECRET)
    files.write_whole(os.path.join(directory, "passwords"), "".join(lines).encode(), files.SECRET)
    files.write_whole(os.path.join(directory, "acl"), rules(fleet, boxes).encode())
    return users


def doors(fleet, texts):
    """Returns the identities that a person named; if none, all enrolled boxes but the revoked.  OperatorError."""
    if not texts:
        found = [box for box in fleet.boxes() if box not in fleet.revoked()]
        if not found:
            raise OperatorError("no box is enrolled that is not revoked", "Begin with `backfence enrol`.")
        return found
    return sorted({revoke.find(fleet.boxes(), text, "enrolled") for text in texts})
