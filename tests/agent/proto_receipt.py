"""Receipts: what they say, and that their tag is the box's and the operator's alone."""

from backfence.agent.door import read_receipt
from backfence.agent.receipt import REASON_BYTES, receipt_key
from backfence.agent.wire import cbor, x25519
from backfence.agent.wire.hashes import hmac_sha256, sha256
from lan import Lan, Outcome


class Job:
    workload, seq, task = "words", 3, 8191


def made(output=b"out", kind="ok", reason=""):
    """(node, fields, tag) of a receipt made by a real node with the real ladder."""
    lan = Lan(1)
    node = lan.nodes[0]
    owner = b"\x55" * 32
    node.trust.owner = x25519.public(owner)
    node.identity.public = x25519.public(node.identity.private)
    node.ladder = x25519.Ladder
    assert not node.tasks.receipts.ready()
    while node.step(lan.now_ms):
        pass
    assert node.tasks.receipts.ready()
    outcome = Outcome(output, kind)
    outcome.reason = reason
    receipt, tag = node.tasks.receipts.make(Job, outcome, 55)
    secret = x25519.shared(owner, node.identity.public)
    assert tag == hmac_sha256(receipt_key(secret, node.trust.fleet), receipt)[:16]
    return node, cbor.decode(receipt), receipt


def test_the_operator_finds_the_same_tag_and_all_fields():
    node, fields, receipt = made()
    assert fields == {
        "box": node.id, "workload": "words", "seq": 3, "task": 8191, "outcome": "ok", "code": 0, "reason": "",
        "output": sha256(b"out"), "size": 3, "fuel": 7, "pages": 1, "ms": 10, "bytes_in": 55, "bytes_out": 3,
        "byte_s": 655,
    }
    assert read_receipt(receipt)["task"] == 8191


def test_a_long_reason_is_cut():
    lan = Lan(1)
    outcome = Outcome(b"", "trap")
    outcome.reason = "x" * 5000
    receipt, tag = lan.nodes[0].tasks.receipts.make(Job, outcome, 0)
    assert cbor.decode(receipt)["reason"] == "x" * REASON_BYTES and tag is None and len(receipt) < 500


def test_without_an_owner_key_nothing_is_tagged_and_nothing_breaks():
    lan = Lan(1)
    node = lan.nodes[0]
    node.ladder = x25519.Ladder
    node.trust.owner = bytes(32)  # a low-order point
    for _ in range(3):
        assert not node.tasks.receipts.ready()
        while node.step(lan.now_ms):
            pass
    assert [event[1] for event in node.events() if event[0] == "log"] == ["error"] * 3
