"""A tenant in the world: his own keys, a delegation from the fleet's operator, and a connection of his own.

His command keeps to no quota: what he pushes, the boxes must refuse.
"""

import copy

from ..agent.wire import cbor, cose
from ..bootstrap.operator import manifests
from .fleet import signer
from .operator import VALID_S, Operator

# No box makes a tag for it in these worlds.
OWNER = b"tenant".ljust(32, b"\1")


class Tenancy:
    """What a tenant's home has for building manifests, as sim.fleet.Fleet has it for the operator."""

    until = None
    tag_at = 16

    def __init__(self, fleet, name):
        self._fleet = fleet
        self.tenant = name
        self.id = fleet.id
        found = [signer(number) for number in range(2)]
        self._signer = copy.deepcopy(next(one for one in found if one.publicKey().serialize() != fleet.operator))
        self.key = self._signer.publicKey().serialize()

    def next_sequence(self, name):
        """The next sequence number of KIND-TENANT/NAME."""
        return self._fleet.next_sequence(name)

    def topic(self, *parts):
        """An MQTT topic of the fleet."""
        return self._fleet.topic(*parts)

    def sign(self, plan):
        """The COSE_Sign1 (bytes) of a Manifest under the tenant's HSS key."""
        data, protected = cbor.encode(plan.payload), cose.protected_map(self.key)
        message = cose.to_be_signed(cbor.encode(protected), data)
        return cose.encode_sign1(protected, data, self._fleet.draw(lambda: self._signer.sign(message)))


class Tenant(Operator):
    """Pushes as the operator does, under names and a key of his own."""

    def __init__(self, lab, name):
        super().__init__(lab.world, lab.broker, Tenancy(lab.fleet, name))
        self._lab = lab

    def delegate(self, **quota):
        """Has the operator publish his delegation, new or another.  quota: as in a manifest, all of it."""
        operator = self._lab.operator
        plan = manifests.tenant_manifest(
            operator.fleet, self.fleet.tenant, self.fleet.key, OWNER, quota, VALID_S - 1, self.world.wall_s())
        operator.push(plan)
