"""SUIT envelopes beside cbor2 and pyhsslms, and under every change."""

import hashlib
import pathlib
import re
import sys

import cbor2
import pyhsslms.pyhsslms as oracle
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backfence.agent import manifest
from backfence.agent.errors import RemoteError
from backfence.agent.limits import MANIFEST_BYTES
from backfence.agent.trust import Keys, Root
from backfence.agent.trust_file import fleet_id
from backfence.agent.wire import suit
from backfence.firmware_pkg import suit as encoder

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from vectors import FIRMWARE, OPERATOR  # noqa: E402

ROOT = pathlib.Path(__file__).parents[3]
HEADER = {1: -46, 4: b"k" * 16}
VENDOR, CLASS = b"v" * 16, b"c" * 16
TIMES = st.integers(1, (1 << 48) - 1)
WAVES = st.none() | st.builds(
    lambda rows, polled, soak: [[*rows, [10000, ""]], polled, (polled + 1) // 2, soak],
    st.lists(st.builds(lambda share, region: [share, region], st.integers(1, 10000), st.sampled_from(["", "north"])), min_size=1, max_size=11),
    st.integers(1, 32), st.integers(0, 2592000))


def wrapped(value):
    return cbor2.dumps(value, canonical=True)


def written(fields):
    """The SUIT_Manifest with these fields, from the drafts' tables of numbers."""
    digest = wrapped([-16, fields["image"]])
    shared = [20, {1: fields["vendor"], 2: fields["class"], 3: digest, 14: fields["size"]}, 1, 15, 2, 15]
    waves = {-1: fields["waves"]} if "waves" in fields else {}
    install = [20, {4: fields["expires"], 21: suit.index_uri(fields["index"]), **waves}, 4, 15, 21, 2, 3, 15]
    component = [part.encode() for part in fields["component"]]
    return wrapped({
        1: 1, 2: fields["seq"], 3: wrapped({2: [component], 4: wrapped(shared)}), 7: wrapped([3, 15]), 20: wrapped(install),
    })


def signed(body, signature=b"signature"):
    """The envelope of a SUIT_Manifest's bytes, its digest right."""
    plan = encoder.Plan(body, encoder.suit_digest(wrapped(body)), {})
    return encoder.envelope(plan, HEADER, signature)


GOOD = {
    "seq": 1764000000, "expires": 1765000000, "component": ["agent", "mpy6"], "vendor": VENDOR, "class": CLASS,
    "image": b"i" * 32, "size": 76800, "index": b"x" * 32,
}


@settings(max_examples=30)
@given(st.binary(min_size=1, max_size=40), st.integers(1, 4000), st.from_regex("[a-z0-9]{1,12}", fullmatch=True), TIMES, TIMES, WAVES)
def test_what_is_encoded_is_what_the_drafts_say_and_what_a_box_reads(piece, times, target, sequence, expires, waves):
    image = piece * times
    plan = encoder.manifest(image, target, VENDOR, CLASS, sequence, expires, waves)
    index = b"".join(hashlib.sha256(image[at:at + 32768]).digest() for at in range(0, len(image), 32768))
    fields = {
        "seq": sequence, "expires": expires, "component": ["agent", target], "vendor": VENDOR, "class": CLASS,
        "image": hashlib.sha256(image).digest(), "size": len(image), "index": hashlib.sha256(index).digest(),
        **({"waves": waves} if waves else {}),
    }
    assert plan.manifest == written(fields)
    data = encoder.envelope(plan, HEADER, b"signature")
    sign1, found = suit.decode(data, MANIFEST_BYTES)
    assert found == fields
    # The drafts' envelope, as another decoder sees it.
    envelope = cbor2.loads(data)
    assert envelope.tag == 107 and list(envelope.value) == [2, 3] and envelope.value[3] == plan.manifest
    digest, block = cbor2.loads(envelope.value[2])
    assert cbor2.loads(digest) == [-16, hashlib.sha256(wrapped(plan.manifest)).digest()]
    block = cbor2.loads(block)
    assert block.tag == 18 and list(block.value) == [wrapped(HEADER), {}, None, b"signature"]
    assert sign1.to_be_signed() == wrapped(["Signature1", wrapped(HEADER), b"", digest])
    # And the blobs are the image.
    assert b"".join(plan.blobs[index[at:at + 32]] for at in range(0, len(index), 32)) == image
    assert plan.blobs[fields["index"]] == index and all(hashlib.sha256(data).digest() == name for name, data in plan.blobs.items())


def test_an_image_is_cut_into_512_parts_at_most():
    most = bytes(encoder.IMAGE_BYTES)
    digest, blobs = encoder.cut(most)
    assert len(blobs[digest]) == 512 * 32 and (encoder.PARTS, encoder.PART_BYTES) == (suit.PARTS, suit.PART_BYTES)
    for wrong in (b"", most + b"x"):
        try:
            encoder.cut(wrong)
            raise AssertionError("an image that no box takes was cut")
        except ValueError:
            pass


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=70), st.text(max_size=40))
def test_both_sides_make_the_same_ids(domain, name):
    vendor = encoder.vendor_id(domain)
    assert vendor == suit.vendor_id(domain) and encoder.class_id(vendor, name) == suit.class_id(vendor, name)


def test_the_signature_holds_for_pyhsslms():
    sign1, _ = suit.decode(FIRMWARE, MANIFEST_BYTES)
    key = oracle.HssPublicKey.deserialize(OPERATOR)
    digest = cbor2.loads(cbor2.loads(FIRMWARE).value[2])[0]
    message = encoder.sign_structure(digest, {1: -46, 4: hashlib.sha256(OPERATOR).digest()[:16]})
    assert message == sign1.to_be_signed() and key.verify(message, sign1.signature)
    assert not key.verify(message + b"\0", sign1.signature)


def believed(data):
    """The Manifest of signed bytes, None if a box refuses them; no other error may come out."""
    check = manifest.Check(data, Keys(fleet_id(OPERATOR), Root(1, [b"r" * 60], 1, OPERATOR)))
    try:
        while not check.step():
            pass
    except RemoteError:
        return None
    return check.manifest


@st.composite
def changes(draw, data):
    """`data` with bytes changed, cut out, put in, doubled, or its end missing."""
    at = draw(st.integers(0, len(data) - 1))
    size = draw(st.integers(1, 40))
    kind = draw(st.sampled_from(["flip", "cut", "insert", "double", "end"]))
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1:]
    if kind == "cut":
        return data[:at] + data[at + size:]
    if kind == "insert":
        return data[:at] + draw(st.binary(min_size=1, max_size=size)) + data[at:]
    return data[:at + size] + data[at:] if kind == "double" else data[:at]


@settings(max_examples=40)
@given(changes(FIRMWARE))
@example(FIRMWARE)
def test_any_change_of_what_was_signed_is_refused(data):
    assert (believed(data) is None) == (data != FIRMWARE)


def check_parsed(body):
    """Either RemoteError, or fields that make the same bytes again."""
    try:
        sign1, fields = suit.decode(signed(body), MANIFEST_BYTES)
    except RemoteError:
        return
    assert written(fields) == body and sign1.payload == encoder.suit_digest(wrapped(body))


@settings(max_examples=200)
@given(changes(written(GOOD)))
@example(written(GOOD))
def test_a_changed_manifest_with_a_right_digest_is_another_good_one_or_refused(body):
    check_parsed(body)


ITEMS = st.recursive(
    st.one_of(st.integers(-(1 << 64), (1 << 64) - 1), st.binary(max_size=40), st.text(max_size=60), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.integers(0, 30), inner, max_size=4), st.builds(wrapped, inner)
    ),
    max_leaves=6,
)


@settings(max_examples=200)
@given(ITEMS, st.integers(0, 60))
def test_any_item_in_any_place_is_refused_unless_it_is_a_good_one(item, place):
    body, left = put(written(GOOD), place, item)
    if left < 0:
        check_parsed(body)


def put(data, place, item):
    """CBOR (bytes) with the item that comes `place`th in it, byte strings of CBOR opened, replaced.

    Returns (bytes, what is left of place; below 0 if it was found).
    """
    value, left = _put(cbor2.loads(data), place, item)
    return wrapped(value), left


def _put(value, place, item):
    if place == 0:
        return item, -1
    place -= 1
    if isinstance(value, bytes) and value[:1] in (b"\xa2", b"\xa5", b"\x82", b"\x86", b"\x88") and place >= 0:
        return put(value, place, item)
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    made = {}
    for key, inner in pairs:
        if place >= 0:
            inner, place = _put(inner, place, item)
        made[key] = inner
    if isinstance(value, dict):
        return made, place
    return (list(made.values()) if isinstance(value, list) else value), place


@settings(max_examples=100)
@given(st.binary(max_size=80), st.integers(0, 120))
def test_garbage_is_refused(data, at):
    for garbage in (data, b"\xd8\x6b" + data, signed(written(GOOD))[:at] + data):
        try:
            suit.decode(garbage, MANIFEST_BYTES)
        except RemoteError:
            continue
        raise AssertionError(garbage.hex())


def test_the_documented_form_has_these_numbers():
    """Keys, commands and reports in docs/wire.cddl, in their order, are those of an envelope."""
    text = (ROOT / "docs" / "wire.cddl").read_text()
    text = re.sub(r";[^\n\"]*\n", "\n", text[text.index("suit-manifest = {"):text.index("\ncomponent-kind")])
    text = re.sub(r'"[^"]*"|[0-9]+\.\.[0-9]+|\.size [0-9]+', "", text)
    manifest = cbor2.loads(written(GOOD))
    common = cbor2.loads(manifest[3])
    parts = [manifest, common, *(cbor2.loads(part) for part in (common[4], manifest[7], manifest[20]))]
    assert [int(number) for number in re.findall(r"-?[0-9]+", text)] == [each for part in parts for each in numbers(part)]


def numbers(value):
    """The numbers of a part that are the same in all manifests, in order: keys, commands and reports."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, int) and value < 32:
        yield value
