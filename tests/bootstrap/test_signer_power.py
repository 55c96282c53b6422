"""No leaf signs twice after a power cut at any call of the signer, in any state that it may leave.

test_signer_faults.py kills processes and fails single operations; here the states of
power_states.py are gone through: what was not flushed is lost, kept or torn on its own.
"""

import functools
import hashlib
import os
import re

import pyhsslms.pyhsslms as oracle
import pytest
from power_states import Medium, cases, materialise
from power_sweep import Sweep, memory, record

from backfence.bootstrap.operator import files, signer, witness
from backfence.bootstrap.operator.signer import Signer

__all__ = ["memory"]
# Files of a signer: lock, state, public, the upper tree's key and nodes, the lower's and its
# link; and what cuts may leave until the next lower tree is planted: one tree used up, one
# half made, temporary files.
FILES_MOST = 3 + 2 + 3 + 3 + 3 + 3


class Secrets:
    """Stands for the system's randomness in tree secrets: the same again for the same name."""

    def __init__(self, name):
        self.name, self.count = name, 0

    def token_bytes(self, count):
        self.count += 1
        return hashlib.sha256(b"%s %d" % (self.name, self.count)).digest()[:count]


def watch(monkeypatch, note):
    """note(leaf, what it signs) of each use of a one-time key, whether or not it comes out."""

    def sign(key, message):
        note((key.I, int.from_bytes(key.q, "big")), message)
        return signed(key.I, key.q, key.SEED, key.type, message)

    monkeypatch.setattr(oracle.LmotsPrivateKey, "sign", sign)


# The same trees come again in most states; what is computed of them is computed once, by
# the signer's own functions.
_sign, _verify = oracle.LmotsPrivateKey.sign, oracle.HssPublicKey.verify
leaf_key = functools.cache(signer.leaf_key)


@functools.cache
def signed(identifier, leaf, seed, kind, message):
    """A one-time signature."""
    return _sign(oracle.LmotsPrivateKey(identifier, leaf, seed, kind), message)


@functools.cache
def verified(public, message, signature):
    """Whether an HSS signature holds."""
    return _verify(oracle.HssPublicKey.deserialize(public), message, signature)


@pytest.fixture(autouse=True)
def known_trees(monkeypatch):
    """Nothing is computed twice; the signer's randomness is the test's to set."""
    monkeypatch.setattr(signer, "leaf_key", leaf_key)
    monkeypatch.setattr(signer, "secrets", None)
    # The state alone must be enough: the witness, on another disk, would refuse some of the cases.
    monkeypatch.setattr(witness, "read", lambda id: (0, 0))
    monkeypatch.setattr(witness, "write", lambda *seen: None)
    monkeypatch.setattr(
        oracle.HssPublicKey, "verify", lambda key, message, signature: verified(key.serialize(), message, signature)
    )


def begin(folder, used):
    """A signer that has signed so often; its place in the file system is folder's own."""
    signer.secrets = Secrets(b"before")
    made = Signer.create(folder, width=4)
    for number in range(used):
        made.sign(b"before %d" % number)
    return made


def settle(folder):
    """The state's place becomes that of the lock which the test has copied."""
    lock, path = folder + "/lock", folder + "/state.json"
    if os.path.exists(lock) and os.path.exists(path) and b"\xff" not in files.read(path):
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(re.sub(r'"place": "[^"]*"', '"place": "%s"' % Signer.place_of(folder), text))


def signing(folder, tag, count):
    """A function of a journal: signs some messages; each leaf's use is marked."""

    def scenario(journal):
        with pytest.MonkeyPatch.context() as patch:
            watch(patch, lambda leaf, message: journal.mark((leaf, message)))
            patch.setattr(signer, "secrets", Secrets(tag))
            for number in range(count):
                Signer(folder).sign(b"%s %d" % (tag, number))

    return scenario


def check_signing(case, folder):
    """The next two signatures come, by leaves that have never signed."""
    settle(folder)
    used = dict(case.marks)
    public = files.read(folder + "/public")

    def note(leaf, message):
        assert leaf not in used, f"leaf {leaf[1]} of {leaf[0].hex()} signs {message}, it has signed {used[leaf]}"
        used[leaf] = message

    with pytest.MonkeyPatch.context() as patch:
        watch(patch, note)
        patch.setattr(signer, "secrets", Secrets(b"after"))
        again = Signer(folder)
        for number in range(2):
            again.sign(b"after %d" % number)
    assert again.public == public
    check_leftovers(again, folder)


def check_leftovers(again, folder):
    """What cuts have left lying is bounded, and goes when the next tree is planted."""
    assert len(os.listdir(folder)) <= FILES_MOST, sorted(os.listdir(folder))
    state = again._read_state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signer, "secrets", Secrets(b"planted"))
        again._plant(state)
    wanted = [state["root"] + kind for kind in (".key", ".nodes")] + [
        state["lower"] + kind for kind in (".key", ".nodes", ".link")]
    assert {name for name in os.listdir(folder) if ".tmp" not in name} == {"lock", "public", "state.json", *wanted}


def test_no_leaf_is_used_twice_after_a_cut_at_any_call(memory):
    """Two signatures, with a new lower tree between them."""
    folder = memory + "/signer"
    begin(folder, 31)
    journal = record(folder, [files], signing(folder, b"during", 2))
    sweep = Sweep("signer", memory)
    sweep.run(journal, check_signing)
    assert sweep.partial or sweep.count > 100
    assert len({mark[0] for mark in settled(journal).marks}) == 3  # two messages, one tree


def test_a_cut_within_the_signature_after_a_cut_reuses_no_leaf(memory):
    folder = memory + "/signer"
    begin(folder, 31)
    journal = record(folder, [files], signing(folder, b"during", 2))
    sweep = Sweep("signer-deep", memory)

    def recover(case, inner):
        settle(sweep.folder)
        inner.base[1].update({inner.inode(sweep.folder + "/state.json"): files.read(sweep.folder + "/state.json")})
        signing(sweep.folder, b"again", 1)(inner)

    sweep.run_deep(journal, [files], recover, check_signing, 13, 5)
    assert sweep.partial or sweep.count > 100


def test_a_half_made_signer_is_none_and_a_whole_one_signs(memory, monkeypatch):
    monkeypatch.setattr(signer, "secrets", Secrets(b"made"))
    os.mkdir(memory + "/fleet")
    journal = record(memory + "/fleet", [files], lambda journal: (
        Signer.create(memory + "/fleet/signer", width=4), journal.mark("made")))
    sweep = Sweep("signer-create", memory)
    whole = []

    def check(case, folder):
        if not os.path.exists(folder + "/signer/public"):
            assert "made" not in case.marks
            return
        case.marks = []
        check_signing(case, folder + "/signer")
        whole.append(case.name)

    sweep.run(journal, check)
    assert sweep.partial or sweep.count > 40 and len(whole) >= 2


def settled(journal):
    """What the whole journal leaves for certain."""
    medium = Medium(journal.base)
    for op in journal.ops:
        medium.take(op)
    return medium


def test_what_an_operator_enrols_is_the_old_list_or_the_new(memory):
    """trust.cbor, and all else that files.py writes."""
    old, new = b"old" * 300, b"new" * 400
    os.mkdir(memory + "/fleet")
    files.write_whole(memory + "/fleet/trust.cbor", old)
    journal = record(memory + "/fleet", [files], lambda journal: (
        files.write_whole(memory + "/fleet/trust.cbor", new), journal.mark("written")))
    sweep, found = Sweep("trust", memory), set()

    def check(case, folder):
        data = files.read(folder + "/trust.cbor")
        assert data in ((new,) if case.marks else (old, new)), "neither the old nor the new"
        found.add(data)

    sweep.run(journal, check)
    assert sweep.partial or sweep.count > 10 and found == {old, new}


def test_the_model_sees_a_reservation_that_is_not_flushed(memory):
    """Without the directory's flush some state lets a leaf sign twice; without the file's it is torn."""
    for broken, wanted in (("sync_directory", "it has signed"), ("fsync", "state.json is damaged")):
        folder = memory + "/" + broken
        begin(folder, 3)
        with pytest.MonkeyPatch.context() as patch:
            if broken == "sync_directory":
                patch.setattr(files, "sync_directory", lambda path: None)
            journal = record(folder, [files], signing(folder, b"during", 1))
        if broken == "fsync":
            journal.ops = [op for op in journal.ops if op[0] != "fsync"]
        found = [trouble(case, memory + "/cut") for case in cases(journal)]
        assert any(wanted in text for text in found), broken


def trouble(case, folder):
    """What is wrong with the signer that starts from a case's files; "" if nothing is."""
    materialise(case.files, folder)
    try:
        check_signing(case, folder)
    except (AssertionError, files.OperatorError) as problem:
        return str(problem)
    return ""
