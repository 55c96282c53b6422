"""A seeded fleet is a real one: its keys agree, its signatures hold, and a seed repeats it."""

import random

import pytest

from backfence.agent import trust_file
from backfence.agent.errors import RemoteError
from backfence.agent.wire import x25519
from backfence.bootstrap.operator import manifests
from backfence.sim.fleet import Fleet, address_of


def fleet(seed=1, count=9):
    return Fleet(random.Random(seed), count)


def check(of, signed):
    """The agent's own check of a signed manifest."""
    work = of.trust(0).check(signed)
    while not work.step():
        pass
    return work.manifest


def test_one_seed_makes_one_fleet_to_the_last_byte():
    one, two, other = fleet(1), fleet(1), fleet(2)
    assert one.trust_file(3) == two.trust_file(3)
    plan = lambda of: of.sign(manifests.slice_manifest(of, "edge", 3, issued=1))
    assert plan(one) == plan(two)
    assert one.trust_file(3) != other.trust_file(3)
    assert len({fleet(seed, 2).operator for seed in range(9)}) > 1


def test_the_agent_accepts_what_the_fleet_signs_and_nothing_changed():
    of = fleet()
    signed = of.sign(manifests.slice_manifest(of, "edge", 3, issued=1))
    assert check(of, signed).name == "edge"
    broken = bytearray(signed)
    broken[-40] ^= 1
    with pytest.raises(RemoteError):
        check(of, bytes(broken))


def test_every_box_has_the_trust_that_its_file_gives():
    of = fleet()
    for number in range(9):
        loaded, quick = trust_file.load(of.trust_file(number)), of.trust(number)
        assert vars(loaded.keys.root) == vars(quick.keys.root)
        assert {**vars(loaded.keys), "root": None} == {**vars(quick.keys), "root": None}
        assert {**vars(loaded), "keys": None} == {**vars(quick), "keys": None}


def test_the_table_gives_the_ladders_values():
    of = fleet()
    one, two = of.members[0], of.members[1]
    real = x25519.shared(one.private, two.public)
    assert of.secret(one.private, two.public) == of.secret(two.private, one.public) == real
    ladder = of.ladder(one.private, of.owner_public)
    assert ladder.step() and ladder.result == x25519.shared(one.private, of.owner_public)
    with pytest.raises(RemoteError):
        of.ladder(one.private, bytes(32)).step()


def test_the_library_draws_from_the_system_again_after_a_signature():
    import pyhsslms.pyhsslms as hss

    fleet()
    assert hss.randBytes(16) != hss.randBytes(16)
    assert hss.randBytes.__module__ == "secrets"


def test_addresses_are_packed_and_distinct():
    assert address_of(258) == bytes((10, 0, 1, 2)) + b"\x1b\x58"
    assert len(address_of(1, v6=True)) == 18
    assert len({address_of(number) for number in range(1000)}) == 1000
