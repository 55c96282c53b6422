"""The signer: its signatures hold everywhere, and it knows when to stop."""

import os
import shutil
import stat
import subprocess
import sys

import pyhsslms.pyhsslms as oracle
import pytest

from backfence.agent.wire import lms
from backfence.bootstrap.operator import signer as signers
from backfence.bootstrap.operator.errors import OperatorError
from backfence.bootstrap.operator.signer import Signer, leaf_key, leaf_keys

SEED, IDENTIFIER = bytes(range(32)), bytes(range(16))


@pytest.fixture
def signer(tmp_path):
    return Signer.create(str(tmp_path / "signer"), width=4)


def read_leaf(signature):
    """Returns ((upper leaf, lower tree, lower leaf), what each signed with) of an HSS signature."""
    parsed = oracle.HssSignature.deserialize(signature)
    return parsed.sig[0].q, parsed.pub[0].I, parsed.lms_sig.q


@pytest.mark.parametrize("width", [4, 8])
def test_signatures_hold_for_the_agent_and_for_the_oracle(tmp_path, width):
    signer = Signer.create(str(tmp_path / "signer"), width=width)
    for message in (b"", b"one", b"x" * 5000):
        signature = signer.sign(message)
        assert lms.verify(signer.public, message, signature)
        assert oracle.HssPublicKey.deserialize(signer.public).verify(message, signature)
        assert not lms.verify(signer.public, message + b"!", signature)
    assert len(signer.public) == 60


@pytest.mark.parametrize("name", ["lmots_sha256_n32_w4", "lmots_sha256_n32_w8"])
def test_leaf_keys_are_those_of_the_oracle(name):
    kind = getattr(oracle, name)
    wanted = oracle.LmotsPrivateKey(IDENTIFIER, b"\0\0\0\7", SEED, kind).publicKey().K
    assert leaf_key(IDENTIFIER, 7, SEED, kind) == wanted


def test_processes_make_the_same_keys_as_one_process():
    kind = oracle.lmots_sha256_n32_w4
    assert leaf_keys(IDENTIFIER, 5, SEED, kind) == [leaf_key(IDENTIFIER, leaf, SEED, kind) for leaf in range(5)]


def test_bigger_trees_sign_too(tmp_path):
    signer = Signer.create(str(tmp_path / "signer"), heights=(5, 10), width=4)
    assert signer.capacity() == signer.remaining() == 32768
    assert lms.verify(signer.public, b"m", signer.sign(b"m"))


def test_every_leaf_is_used_once_across_lower_trees(signer):
    leaves = [read_leaf(signer.sign(b"%d" % number)) for number in range(70)]
    assert len(set(leaves)) == 70
    assert [upper for upper, _, _ in leaves] == [0] * 32 + [1] * 32 + [2] * 6
    assert signer.remaining() == 1024 - 70
    secrets = [name for name in os.listdir(signer.directory) if name.endswith(".key")]
    assert len(secrets) == 2, "a used-up tree's secret was kept"


def test_a_second_opening_goes_on_where_the_first_stopped(signer):
    first = read_leaf(signer.sign(b"1"))
    second = read_leaf(Signer(signer.directory).sign(b"2"))
    third = read_leaf(signer.sign(b"3"))
    assert [leaf for _, _, leaf in (first, second, third)] == [0, 1, 2]


def test_exhaustion_is_announced_early_and_then_refused(signer):
    state = signer._read_state()
    state["root_next"] = 31
    signer._write_state(state)
    assert signer.remaining() == 32
    assert "32 of the signing key's 1024" in signer.warning()
    for number in range(32):
        signer.sign(b"%d" % number)
    with pytest.raises(OperatorError, match="exhausted") as error:
        signer.sign(b"one more")
    assert "rotate" in error.value.hint
    assert signer.remaining() == 0


def test_a_new_key_has_nothing_to_announce(signer):
    assert signer.warning() is None


def test_secrets_are_for_the_owner_alone(signer):
    signer.sign(b"m")
    for name in os.listdir(signer.directory):
        mode = stat.S_IMODE(os.stat(os.path.join(signer.directory, name)).st_mode)
        if name.endswith(".key") or name in ("state.json", "lock"):
            assert mode == 0o600, name
    assert stat.S_IMODE(os.stat(signer.directory).st_mode) == 0o700


def test_a_copied_state_is_refused_until_a_person_adopts_it(signer, tmp_path):
    before = read_leaf(signer.sign(b"1"))
    copy = str(tmp_path / "copy")
    shutil.copytree(signer.directory, copy)
    with pytest.raises(OperatorError, match="is a copy") as error:
        Signer(copy).sign(b"2")
    assert "--moved" in error.value.hint
    shutil.rmtree(signer.directory)
    moved = Signer(copy)
    moved.adopt()
    after = read_leaf(moved.sign(b"2"))
    # The original may have used leaves of the lower tree since the copy was made.
    assert after[1] != before[1] and after[0] > before[0]


def test_a_renamed_directory_is_no_copy(signer, tmp_path):
    signer.sign(b"1")
    os.rename(signer.directory, tmp_path / "renamed")
    assert Signer(str(tmp_path / "renamed")).sign(b"2")


def test_a_lost_cache_is_rebuilt(signer):
    signer.sign(b"1")
    for name in os.listdir(signer.directory):
        if name.endswith(".nodes"):
            os.remove(os.path.join(signer.directory, name))
    again = Signer(signer.directory)
    assert lms.verify(again.public, b"2", again.sign(b"2"))


def test_a_damaged_cache_gives_no_signature(signer):
    signer.sign(b"1")
    for name in os.listdir(signer.directory):
        if name.endswith(".nodes"):
            with open(os.path.join(signer.directory, name), "r+b") as file:
                data = bytearray(file.read())
                data[-1] ^= 1
                file.seek(0)
                file.write(data)
    with pytest.raises(OperatorError, match="wrong signature") as error:
        # Leaf 30's path holds the last node.
        for number in range(40):
            signer.sign(b"%d" % number)
    assert ".nodes" in error.value.hint


@pytest.mark.parametrize("arguments, problem", [
    ({"heights": (5,)}, "heights"),
    ({"heights": (5, 6)}, "heights"),
    ({"width": 2}, "width"),
])
def test_trees_that_boxes_do_not_know_are_refused(tmp_path, arguments, problem):
    with pytest.raises(OperatorError, match=problem):
        Signer.create(str(tmp_path / "signer"), **arguments)
    assert not os.path.exists(tmp_path / "signer")


def test_two_processes_at_once_share_no_leaf(signer):
    program = (
        "import sys\n"
        "from backfence.bootstrap.operator.signer import Signer\n"
        "signer = Signer(sys.argv[1])\n"
        "for number in range(20):\n"
        "    print(signer.sign(b'%s-%d' % (sys.argv[2].encode(), number)).hex())\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", program, signer.directory, name], stdout=subprocess.PIPE)
        for name in ("a", "b", "c")
    ]
    lines = [line for worker in workers for line in worker.communicate()[0].split()]
    leaves = [read_leaf(bytes.fromhex(line.decode())) for line in lines]
    assert len(leaves) == 60 and len(set(leaves)) == 60


def test_a_lock_that_is_held_is_waited_for_and_then_reported(signer, monkeypatch):
    held = signer._lock()
    path = os.path.join(signer.directory, "lock")
    monkeypatch.setattr(signers.Signer, "_lock", lambda self: signers.files.Lock(path, 0.1))
    with held, pytest.raises(OperatorError, match="another process holds"):
        signer.sign(b"m")
    assert signer.sign(b"m")
