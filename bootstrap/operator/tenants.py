"""Tenants: how one gets his keys, his pass, and the home from which he pushes.

He makes his keys himself (`backfence init DIR --tenant`) and gives the public halves
to the operator, who signs a delegation (delegations.py): which tenant, whose keys,
what quota.  What the operator hands back, a pass, makes the tenant's directory a
fleet's directory like the operator's own, in which every name is TENANT/NAME.

    pass: CBOR {"keys": 92 bytes, HSS and X25519, "broker": text, "delegation": signed,
                "root": as in trust.cbor, "boxes": 32 bytes a box, "revoked": signed or null,
                "renewed": 32 bytes a box with a new key: its identity, and its first one}
"""

import functools
import os

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ...agent import manifest, tenancy, trust, trust_file
from ...agent import tenants as agent_tenants
from ...agent.errors import RemoteError
from ...agent.wire import cbor
from . import delegations, files, manifests, receipt, register, revoke
from .errors import OperatorError
from .fleet import FOLDERS, TENANTS_MARK, Fleet
from .signer import Signer

# The public keys of the boxes that a pass names, and whose were renewed.
KEYS = "boxes.keys"
RENEWED = "boxes.renewed"

HSS_BYTES = 60
KEYS_BYTES = HSS_BYTES + 32
PUBLIC = "tenant.pub"


def request(directory, heights=(5, 5), width=8):
    """Makes a tenant's keys in a new or empty directory; returns the path of the public halves, for the operator."""
    if os.path.isdir(directory) and os.listdir(directory):
        raise OperatorError(f"{directory} is not empty", "Choose a new directory, or empty this one.")
    if not os.path.isdir(directory):
        os.makedirs(directory, 0o700)
    signer = Signer.create(os.path.join(directory, "signer"), heights, width)
    owner = X25519PrivateKey.generate()
    files.write_whole(os.path.join(directory, "owner.key"), owner.private_bytes_raw(), files.SECRET)
    path = os.path.join(directory, PUBLIC)
    files.write_whole(path, (signer.public + owner.public_key().public_bytes_raw()).hex().encode() + b"\n")
    return path


def read_keys(path):
    """Returns (HSS key, X25519 key) of a file that `request` made; OperatorError."""
    try:
        keys = bytes.fromhex(files.read(path).decode("ascii").strip())
        if len(keys) != KEYS_BYTES:
            raise ValueError
    except ValueError:
        raise OperatorError(
            f"{path} does not hold a tenant's public keys",
            f"The tenant makes it with `backfence init DIR --tenant`: DIR/{PUBLIC}.",
        ) from None
    return keys[:HSS_BYTES], keys[HSS_BYTES:]


def make_pass(fleet, name):
    """Returns the bytes of what makes a tenant's directory a home."""
    signed, payload = fleet.signed(f"tenant-{name}")
    try:
        revoked = fleet.signed(revoke.LABEL)[0]
    except OperatorError:
        revoked = None
    return cbor.encode({
        "keys": payload["key"] + payload["owner"], "broker": fleet.broker, "delegation": signed,
        "root": fleet.root_state(), "revoked": revoked,
        "boxes": b"".join(box.public for box in fleet.boxes().values()),
        "renewed": b"".join(box.id + fleet.first_id(box.id) for box in fleet.boxes().values() if box.before),
    })


def read_pass(data):
    """Returns the dict of a pass, with its fleet's id as "fleet"; OperatorError for what is none, or whose delegation does not hold."""
    try:
        found = cbor.decode(data, 2, 16)
        if not isinstance(found, dict) or not isinstance(found["keys"], bytes) or len(found["keys"]) != KEYS_BYTES:
            raise RemoteError("fields")
        root, found["fleet"], _, _ = trust_file.decode(found["root"])
        found.setdefault("renewed", b"")
        if not isinstance(found["broker"], str) or len(found["boxes"]) % 32 or len(found["renewed"]) % 32:
            raise RemoteError("fields")
    except (RemoteError, KeyError, TypeError):
        raise OperatorError("this is not a tenant's pass", "The operator makes it: `backfence tenant add`.") from None
    payload = manifests.read(found["delegation"], trust.Keys(found["fleet"], root))
    if payload["kind"] != "tenant" or payload["key"] + payload["owner"] != found["keys"]:
        raise OperatorError("the pass and its delegation do not fit", "Ask the operator for another.")
    return found, payload


def join(directory, data):
    """Makes a directory with a tenant's keys his home, or renews it, by a pass; returns the open Tenancy."""
    found, payload = read_pass(data)
    try:
        own = Signer(os.path.join(directory, "signer")).public
        owner = X25519PrivateKey.from_private_bytes(files.read(os.path.join(directory, "owner.key")))
    except (OperatorError, FileNotFoundError):
        raise OperatorError(f"{directory} holds no tenant's keys", f"Make them with `backfence init {directory} --tenant`.") from None
    if own + owner.public_key().public_bytes_raw() != found["keys"]:
        raise OperatorError("the pass is for other keys than those in " + directory, "Each tenant has his own.")
    settings = os.path.join(directory, "fleet.json")
    if os.path.exists(settings) and files.read_json(settings)["fleet"] != found["fleet"].hex():
        raise OperatorError(f"{directory} is a home in another fleet", "Make new keys for this one.")
    for name in FOLDERS:
        if not os.path.isdir(os.path.join(directory, name)):
            files.make_directory(os.path.join(directory, name))
    if not os.path.exists(os.path.join(directory, "sequence.json")):
        files.write_json(os.path.join(directory, "sequence.json"), {})
    files.write_whole(os.path.join(directory, TENANTS_MARK), found["root"])
    files.write_whole(os.path.join(directory, KEYS), found["boxes"])
    files.write_whole(os.path.join(directory, RENEWED), found["renewed"])
    files.write_whole(os.path.join(directory, "manifests", f"tenant-{payload['name']}.cose"), found["delegation"])
    if found["revoked"]:
        files.write_whole(os.path.join(directory, "manifests", revoke.LABEL + ".cose"), found["revoked"])
    # Written last: it makes the home.
    files.write_json(settings, {
        "version": 1, "fleet": found["fleet"].hex(), "broker": found["broker"], "tenant": payload["name"],
    })
    return Tenancy(directory)


class Tenancy(Fleet):
    """A tenant's home: what Fleet is for the operator, under TENANT/NAME and within the quota."""

    tag_at = receipt.TAG_BYTES

    def reload(self):
        """Takes the root from the pass, and our own key to sign with."""
        self.tenant = files.read_json(self.path("fleet.json"))["tenant"]
        self.signer = Signer(self.path("signer"))
        self.root = trust_file.decode(files.read(self.path(TENANTS_MARK)))[0]
        self.operator = self.root.operator
        self.keys = self.every_key = trust.Keys(self.id, self.root)
        self.keys.tenants = delegations.Known(self)

    @property
    def until(self):
        """Unix seconds beyond which nothing that we sign counts."""
        return self.delegation["expires"]

    @property
    def delegation(self):
        """The payload of the delegation that came with the pass."""
        return delegations.find(self, self.tenant)

    def sign(self, made):
        """Signs a slice or a workload; OperatorError if boxes would refuse it, before a leaf is used."""
        payload = getattr(made, "payload", made)
        if payload["kind"] not in tenancy.KINDS:
            raise OperatorError(f"a tenant signs slices and workloads, and no {payload['kind']}", "Ask the operator.")
        manifests.encode(payload)  # what no tenant may have is refused here
        self._check_quota(payload)
        return super().sign(made)

    def _check_quota(self, payload):
        quota = self.delegation
        if not delegations.live(quota):
            raise OperatorError("the delegation has ended", "Ask the operator for a new pass, and `backfence join` it.")
        mine = manifest.Manifest(payload, b"", 0, trust.OPERATOR)
        why = agent_tenants.excess(quota, mine)
        if why:
            raise OperatorError(f"{manifests.label(payload)}: {why}", "Ask for less, or ask the operator for more.")
        held = [self.signed(label)[1] for label in self.labels() if not label.startswith(("tenant-", "revocation-"))]
        held = [manifest.Manifest(other, b"", 0, trust.OPERATOR) for other in held if delegations.live(other)]
        others = [other for other in held if other.id != mine.id]
        before, after = (agent_tenants.counting(quota, each) for each in (others, others + [mine]))
        if mine not in after or any(each not in after for each in before):
            raise OperatorError(
                f"{manifests.label(payload)} is {agent_tenants.REFUSED_QUOTA.partition(';')[0]}: "
                + delegations.usage(quota, others),
                "End or shrink another one first, or ask the operator for more.",
            )

    def boxes(self):
        """Returns {id: Box} of the boxes that were enrolled when the pass was made."""
        return self._boxes

    @functools.cached_property
    def _boxes(self):
        keys = files.read(self.path(KEYS))
        publics = [keys[at:at + 32] for at in range(0, len(keys), 32)]
        return {register.box_id(public): register.Box(register.box_id(public), public) for public in publics}

    def first_id(self, id):
        """Returns the identity that a box had at first, as far as the pass knows whose key was renewed."""
        return self._first.get(id, id)

    @functools.cached_property
    def _first(self):
        path = self.path(RENEWED)
        pairs = files.read(path) if os.path.exists(path) else b""
        return {pairs[at:at + 16]: pairs[at + 16:at + 32] for at in range(0, len(pairs), 32)}

    def renewed(self):
        """Returns []: the operator's list of revoked boxes came with the pass."""
        return []

    def lots(self):
        """Returns {}: the pass says which boxes there are, not their lots."""
        return {}
