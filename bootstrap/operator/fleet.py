"""The fleet directory: keys, sequence numbers, enrolled boxes, what was signed.

    fleet.json      id, version, default broker; written last: it makes the fleet
    signer/         the operator's HSS key and its state (signer.py)
    roots/          which keys count (root.py);  root-key/, signer-N/  the keys
    owner.key       the owner's X25519 private key, 32 bytes, mode 0600
    sequence.json   the last sequence number of every name; they only rise
    boxes.db        the boxes and their lots (register.py)
    lots/           the signed list of lots, and each lot's tree: for the controller
    manifests/      the newest signed manifest of each slice, workload and seed list
    works/NAME/     results that came, one file each
    lock            held while anything above changes
"""

import functools
import os
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ...agent import limits, trust, trust_file
from ...agent.errors import RemoteError
from ...agent.root import Document
from ...agent.wire import cbor, cose
from ...agent.wire import suit as wire_suit
from ...firmware_pkg import suit
from . import delegations, files, manifests, register, revoke, root
from .errors import OperatorError
from .signer import Signer

BROKER = "127.0.0.1:1883"
TENANTS_MARK = "root.cbor"
FOLDERS = ("lots", "manifests", "roots", "works")



def _file(label):
    """A manifest's file: a tenant's name has a slash, and no name has a dot."""
    return label.replace("/", ".") + ".cose"


class Fleet:
    """An open fleet directory.

        fleet = create("fleet")      # or Fleet.open("fleet")
        boxes = fleet.enrol(16, 7000, doors=2)
        signed = fleet.sign(slice_manifest(fleet, "edge", 8))

    tenant: "", or in a tenant's home whose it is; until: unix seconds, until when what
    he signs counts; tag_at: which of a result's tags is ours to check.
    """

    tenant = ""
    until = None
    tag_at = 0

    def __init__(self, directory):
        """Opens `directory`; OperatorError if it is not a fleet's."""
        self.directory = os.path.abspath(directory)
        if not os.path.exists(self.path("fleet.json")):
            raise OperatorError(
                f"{directory} is not a fleet's directory",
                "Run `backfence init DIR`, or name one with --fleet or BACKFENCE_FLEET.",
            )
        settings = files.read_json(self.path("fleet.json"))
        self.broker = settings["broker"]
        self.id = bytes.fromhex(settings["fleet"])
        self.reload()
        self._revoked = None  # (when the list was written, its boxes)

    @functools.cached_property
    def _owner(self):
        try:
            return X25519PrivateKey.from_private_bytes(files.read(self.path("owner.key")))
        except FileNotFoundError:
            raise OperatorError(
                "this machine signs for the fleet, and has no owner key",
                "Enrol boxes and settle results where `backfence init` made it.",
            ) from None

    @property
    def owner_public(self):
        """The owner's X25519 public key, 32 bytes."""
        return self._owner.public_key().public_bytes_raw()

    def reload(self):
        """Takes the newest root as the one in force, and the operator's key that it names."""
        self.root = Document(self.signed_roots()[-1]).root
        self.operator = self.root.operator
        self.signer = root.signer_of(self.directory, self.operator)
        self.keys = trust.Keys(self.id, self.root)
        self.every_key = root.EveryKey(self.id, self.signed_roots())
        self.keys.tenants = self.every_key.tenants = delegations.Known(self)

    def signed_roots(self):
        """Returns every signed root (bytes), oldest first."""
        return root.documents(self.path("roots"))

    def root_state(self):
        """Returns the root in force as trust.cbor has it (bytes)."""
        return trust_file.encode(self.root, self.id, root.chain(self.signed_roots()))

    @staticmethod
    def open(directory):
        """Returns the open Fleet in `directory`, a tenants.Tenancy if it is a tenant's."""
        if os.path.exists(os.path.join(directory, TENANTS_MARK)):
            from . import tenants  # tenants need this module

            return tenants.Tenancy(directory)
        return Fleet(directory)

    def own(self, name):
        """Returns a name of ours as manifests have it: in a tenant's home TENANT/NAME."""
        return manifests.own(self, name)

    def blob_topic(self, digest):
        """Returns the topic of a blob (its SHA-256) that we publish."""
        return self.topic("blob", *filter(None, [self.tenant]), digest.hex())

    def refused_topic(self):
        """Returns the topics under which doors say what they refuse of ours."""
        return self.topic("refused", *filter(None, [self.tenant]), "+")

    def path(self, *parts):
        """Returns a path inside the fleet's directory."""
        return os.path.join(self.directory, *parts)

    def lock(self):
        """Returns a context manager that keeps other processes from changing the fleet."""
        return files.Lock(self.path("lock"))

    def topic(self, *parts):
        """Returns an MQTT topic of this fleet: topic("result", "words", "+", "+")."""
        return "/".join(("backfence", self.id.hex(), *parts))

    def next_sequence(self, name):
        """Returns the next number of `name` (KIND-NAME), never given twice."""
        with self.lock():
            path = self.path("sequence.json")
            numbers = files.read_json(path)
            numbers[name] = numbers.get(name, 0) + 1
            files.write_json(path, numbers)
            return numbers[name]

    def last_sequence(self, name):
        """Returns the last number of `name` (KIND-NAME), 0 if there is none."""
        return files.read_json(self.path("sequence.json")).get(name, 0)

    def raise_sequence(self, name, number):
        """Makes `number` the last of `name` (KIND-NAME); OperatorError unless it is higher."""
        with self.lock():
            path = self.path("sequence.json")
            numbers = files.read_json(path)
            if number <= numbers.get(name, 0):
                raise OperatorError(
                    f"sequence {number} of {name} is not above {numbers[name]}, which was signed already",
                    "Boxes take nothing older than what they had. Leave --sequence out to take the time now.",
                )
            numbers[name] = number
            files.write_json(path, numbers)

    def sign_firmware(self, plan):
        """Returns the SUIT envelope (bytes) of a firmware_pkg.suit.Plan, signed; keeps a copy under manifests/.

        One leaf of the signer is used each time.  OperatorError if a box would refuse it.
        """
        protected = cose.protected_map(self.operator)
        try:
            # Before a leaf is used: the digest, the form, and room for the signature.
            wire_suit.decode(suit.envelope(plan, protected, b""), limits.MANIFEST_BYTES)
        except RemoteError as error:
            raise OperatorError(f"a box would refuse the manifest: {error}") from None
        self._check_date(0)  # the sequence number is the date, which firmware.sign has checked
        signed = suit.envelope(plan, protected, self.signer.sign(suit.sign_structure(plan.digest, protected)))
        payload = manifests.read(signed, self.keys, now_s=0)
        files.write_whole(self.path("manifests", manifests.label(payload) + ".cose"), signed)
        return signed

    def _check_date(self, issued):
        """OperatorError for a date that would set boxes' clocks wrong."""
        now_s, last_s = time.time(), self.signer.last_s()
        if issued > now_s + manifests.AHEAD_S:
            raise OperatorError(
                f"it is dated {issued - now_s:,.0f} s ahead of this machine's clock", "Boxes would set their clocks by it.")
        if now_s - last_s > manifests.LEAP_S:
            days = (now_s - last_s) / manifests.DAY_S
            raise OperatorError(
                f"this machine's clock says {days:,.0f} days after the last signature, and boxes would set theirs by it",
                f"Put it right. If it is right: `touch {os.path.join(self.signer.directory, 'state.json')}`, and again.")

    def sign(self, manifest):
        """Returns the COSE_Sign1 (bytes) of a Manifest or payload map.

        Keeps a copy under manifests/ (of the list of lots: in the register).  One leaf of the signer
        is used each time.  OperatorError if it would not fit a box, or is dated wrongly.
        """
        payload = getattr(manifest, "payload", manifest)
        data = manifests.encode(payload)
        self._check_date(payload["issued"])
        protected = cose.protected_map(self.signer.public)
        if len(cose.encode_sign1(protected, data, b"")) > limits.MANIFEST_BYTES:
            raise OperatorError("the manifest is too large", "Shorten its predicate and arguments.")
        message = cose.to_be_signed(cbor.encode(protected), data)
        signed = cose.encode_sign1(protected, data, self.signer.sign(message))
        if len(signed) > limits.MANIFEST_BYTES:
            raise OperatorError(
                f"the signed manifest has {len(signed):,} bytes; a box takes {limits.MANIFEST_BYTES:,}",
                "Shorten its predicate and arguments.",
            )
        if payload["kind"] == "lots":
            self.register.keep_list(signed)
        else:
            files.write_whole(self.path("manifests", _file(manifests.label(payload))), signed)
        return signed

    def signed(self, label):
        """Returns (signed bytes, payload) of the newest manifest KIND-NAME, expired or not."""
        try:
            signed = files.read(self.path("manifests", _file(label)))
        except FileNotFoundError:
            kind, _, name = label.partition("-")
            raise OperatorError(
                f"this fleet never signed a {kind} {name!r}", "See `backfence describe`."
            ) from None
        return signed, manifests.read(signed, self.every_key, now_s=0)

    def labels(self):
        """Returns KIND-NAME of every slice, workload and seed list that was signed."""
        names = [name for name in os.listdir(self.path("manifests")) if name.endswith(".cose")]
        return sorted(name[: -len(".cose")].replace(".", "/") for name in names)

    def enrol(self, count, base_port, host="127.0.0.1", doors=1, broker=None, extra=None, homes=None):
        """Makes `count` boxes with ready home directories; returns a list of Box.

        Ports count up from base_port on `host`; the first `doors` boxes are
        doors to `broker` (host:port; default: the fleet's).  extra: further
        lines of agent.conf as a dict, for all.  homes: the directory to make
        the homes in (default: homes/ in the fleet's directory).
        """
        from . import enrol  # enrol needs this module

        return enrol.make(self, count, base_port, host, doors, broker, extra, homes)

    @functools.cached_property
    def register(self):
        """The record of boxes and lots."""
        return register.Register(self.directory)

    def boxes(self):
        """Returns {id: Box} of every enrolled box, which reads each from the disk (register.Boxes)."""
        return register.Boxes(self.register)

    def first_id(self, id):
        """Returns the identity that a box had at first: renewed keys are one box."""
        return self.register.first_id(id)

    def revoked(self):
        """Returns the set of the identities of revoked boxes, renewed keys among them; reads all again when it has changed."""
        changed = [_changed_ns(self.path("manifests", revoke.LABEL + ".cose")), _changed_ns(self.path("lots", register.LABEL + ".cose"))]
        if self._revoked is None or self._revoked[0] != changed:
            self._revoked = changed, frozenset(revoke.due(self))
        return self._revoked[1]

    def renewed(self):
        """Returns the identities of old keys that were renewed: they belong on the list of revoked boxes."""
        return self.register.renewed()

    def lots(self):
        """Returns {name: register.Lot} of every lot on the list."""
        return self.register.lots()

    def receipt_key(self, public):
        """Returns the 32-byte HMAC key shared with the box whose public key this is."""
        secret = self._owner.exchange(X25519PublicKey.from_public_bytes(public))
        return HKDF(SHA256(), 32, salt=self.id, info=b"backfence receipt").derive(secret)

    def derived(self, info, length):
        """Returns `length` secret bytes named by `info` (bytes) that follow from the owner's key."""
        return HKDF(SHA256(), length, salt=self.id, info=info).derive(self._owner.private_bytes_raw())


def _changed_ns(path):
    """When a file was last changed; None if it is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return None


def create(directory, heights=(5, 5), width=8, broker=BROKER, root_key=None):
    """Makes a fleet in a new or empty directory; returns the open Fleet.

    heights, width: the signer's trees (signer.Signer.create); root_key: the directory
    to make the root key in, by default one in the fleet's.
    """
    if os.path.exists(os.path.join(directory, "fleet.json")):
        raise OperatorError(f"{directory} holds a fleet already", "Choose another directory.")
    if os.path.isdir(directory) and os.listdir(directory):
        raise OperatorError(f"{directory} is not empty", "Choose a new directory, or empty this one.")
    if not os.path.isdir(directory):
        os.makedirs(directory, 0o700)

    def path(name):
        return os.path.join(directory, name)

    for name in FOLDERS:
        files.make_directory(path(name))
    signer = Signer.create(path("signer"), heights, width)
    owner = X25519PrivateKey.generate().private_bytes_raw()
    files.write_whole(path("owner.key"), owner, files.SECRET)
    files.write_json(path("sequence.json"), {})
    fleet = root.create(path("roots"), root.create_key(root_key or path("root-key")), signer.public)
    settings = {"version": 1, "fleet": fleet.hex(), "broker": broker}
    files.write_json(path("fleet.json"), settings)
    return Fleet(directory)
