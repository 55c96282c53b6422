"""No leaf signs twice, whatever happens to the process, the disk or the power.

The check is not the signer's own word.  Of a killed process, the signatures
that came out are read: each (tree, leaf) in them may go with one message only.
In this process the one-time keys themselves are watched, so that a signature
counts even if it never came out.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pyhsslms.pyhsslms as oracle
import pytest

from backfence.agent.wire import lms
from backfence.bootstrap.operator import files, witness
from backfence.bootstrap.operator.signer import Signer

from faults import OPERATIONS, FaultyOs, PowerOs, Stopped

class Leaves:
    """Remembers what each one-time key has signed."""

    def __init__(self, public):
        self.public = public
        self.signed = {}
        self.count = 0

    def add(self, message, signature):
        """Checks that the leaves of one emitted signature are fresh."""
        parsed = oracle.HssSignature.deserialize(signature)
        lower = parsed.pub[0]
        self.use((self.public[12:28], parsed.sig[0].q), lower.serialize() + parsed.sig[0].lmots_sig.C)
        self.use((lower.I, parsed.lms_sig.q), message + parsed.lms_sig.lmots_sig.C)
        self.count += 1

    def watch(self, monkeypatch):
        """Sees every use of a one-time key in this process."""
        real = oracle.LmotsPrivateKey.sign

        def sign(key, message):
            signature = real(key, message)
            self.use((key.I, int.from_bytes(key.q, "big")), message + signature[4:36])
            return signature

        monkeypatch.setattr(oracle.LmotsPrivateKey, "sign", sign)

    def use(self, leaf, what):
        # The randomiser C counts too: the same message with another C is
        # another one-time signature by that leaf.
        assert self.signed.setdefault(leaf, what) == what, f"leaf {leaf} signed twice"


def begin(tmp_path, used=31):
    """A signer one signature before its first lower tree is used up."""
    made = Signer.create(str(tmp_path / "signer"), width=4)
    leaves = Leaves(made.public)
    for number in range(used):
        message = b"before %d" % number
        leaves.add(message, made.sign(message))
    return made, leaves


def sign_some(directory, leaves, tag, count=2):
    """Signs across the end of a lower tree."""
    for number in range(count):
        message = b"%s %d" % (tag, number)
        leaves.add(message, Signer(directory).sign(message))


def clear(directory, saved):
    """Puts a signer's directory back, which nobody has witnessed; its lock file stays as it is."""
    files.remove(witness.path(json.loads(saved["state.json"])["id"]))
    for name in os.listdir(directory):
        if name != "lock":
            os.remove(os.path.join(directory, name))
    for name, data in saved.items():
        files.write_whole(os.path.join(directory, name), data, files.SECRET)


def contents(directory):
    return {
        name: files.read(os.path.join(directory, name)) for name in os.listdir(directory) if name != "lock"
    }


@pytest.mark.parametrize("kind", ["disk", "power"])
def test_a_fault_at_every_single_operation_reuses_no_leaf(tmp_path, monkeypatch, kind):
    made, leaves = begin(tmp_path)
    leaves.watch(monkeypatch)
    directory, saved, before = made.directory, contents(made.directory), dict(leaves.signed)
    step = 0
    while True:
        step += 1
        clear(directory, saved)
        # A world of its own for each step: it starts from the same state.
        leaves.signed = dict(before)
        faulty = PowerOs(step) if kind == "power" else FaultyOs(step, "disk")
        if kind == "power":
            faulty.flush_all(directory)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", faulty)
            try:
                sign_some(directory, leaves, b"during")
            except (OSError, Stopped):
                pass
        if kind == "power":
            faulty.cut(directory)
        sign_some(directory, leaves, b"after")
        if not faulty.happened:
            break
    # Two signatures of fourteen operations each, and a new lower tree.
    assert step > 30


def test_the_checks_would_notice_a_reservation_that_is_not_flushed(tmp_path, monkeypatch):
    """The power model is worth something: without fsync it finds a reuse."""
    made, leaves = begin(tmp_path, used=3)
    power = PowerOs(10**6)
    power.flush_all(made.directory)
    monkeypatch.setattr(files, "sync_directory", lambda path: None)
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", power)
        sign_some(made.directory, leaves, b"during", 1)
    power.cut(made.directory)
    files.remove(witness.path(made._read_state(check=False)["id"]))
    with pytest.raises(AssertionError, match="signed twice"):
        sign_some(made.directory, leaves, b"after", 1)


CHILD = """
import os, signal, sys
from backfence.bootstrap.operator import files, witness
from backfence.bootstrap.operator.signer import Signer

directory, tag, kill_at = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])

class KillingOs:
    left = kill_at
    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in %r:
            return real
        def operation(*arguments, **keywords):
            KillingOs.left -= 1
            if KillingOs.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **keywords)
        return operation

if kill_at:
    files.os = KillingOs()
signer, number = Signer(directory), 0
while number < 6 or not kill_at:
    message = b"%%s %%d" %% (tag, number)
    line = message.hex() + " " + signer.sign(message).hex() + "\\n"
    os.write(1, line.encode())
    number += 1
""" % (OPERATIONS,)


def collect(worker, leaves):
    """Reads a child's signatures to its end; half a line was never emitted."""
    for line in worker.communicate()[0].decode().split("\n")[:-1]:
        message, signature = (bytes.fromhex(part) for part in line.split())
        assert lms.verify(leaves.public, message, signature)
        leaves.add(message, signature)


def test_kill_9_at_many_operations_reuses_no_leaf(tmp_path):
    made, leaves = begin(tmp_path, used=28)
    # Odd steps walk through write, fsync and rename; the state is never put back.
    for kill_at in range(1, 90, 4):
        command = [sys.executable, "-c", CHILD, made.directory, f"kill{kill_at}", str(kill_at)]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE)
        collect(worker, leaves)
        assert worker.returncode in (-signal.SIGKILL, 0)
    sign_some(made.directory, leaves, b"after")
    assert leaves.count > 28 + 20


def test_kill_9_at_random_times_reuses_no_leaf(tmp_path):
    made, leaves = begin(tmp_path, used=28)
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    for round_number in range(12):
        command = [sys.executable, "-c", CHILD, made.directory, f"round{round_number}", "0"]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE)
        time.sleep(chance.uniform(0.25, 0.6))
        worker.send_signal(signal.SIGKILL)
        collect(worker, leaves)
    sign_some(made.directory, leaves, b"after")
    assert leaves.count > 28


def test_a_killed_signer_leaves_no_lock(tmp_path):
    made, leaves = begin(tmp_path, used=1)
    command = [sys.executable, "-c", CHILD, made.directory, "held", "3"]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE)
    collect(worker, leaves)
    assert worker.returncode == -signal.SIGKILL
    sign_some(made.directory, leaves, b"after", 1)


def test_half_made_signers_are_not_signers(tmp_path, monkeypatch):
    """Creation cut at every operation: no signer, or a whole one."""
    step, whole = 0, 0
    while not whole:
        step += 1
        directory = str(tmp_path / "signer")
        shutil.rmtree(directory, ignore_errors=True)
        faulty = FaultyOs(step, "power")
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", faulty)
            try:
                Signer.create(directory, width=4)
            except Stopped:
                pass
        if os.path.exists(os.path.join(directory, "public")):
            leaves = Leaves(Signer(directory).public)
            sign_some(directory, leaves, b"m", 1)
            whole += not faulty.happened
    assert step > 10
