"""The bill of materials of a package: CycloneDX 1.6, as JSON, the same bytes each time."""

import hashlib
import json
import uuid
from datetime import UTC, datetime

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from . import build

# A name space of our own for serial numbers (RFC 9562, version 5 of a name).
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:backfence:sbom")


class Part:
    """Something of others that a package contains or needs.

    contained: False if the box has it by another package.  licence: an SPDX
    expression.  purl: its package URL as text, None if it has none.
    """

    def __init__(self, name, version, licence, contained, purl=None):
        self.name = name
        self.version = version
        self.licence = licence
        self.contained = contained
        self.purl = purl


def packaged_micropython():
    """MicroPython as the box's own package has it: needed, not contained."""
    return [Part("micropython", None, "MIT", False)]


def document(entries, epoch, parts, name="backfence", with_files=True):
    """The JSON (bytes) that says what `entries` (ipk.Entry list) are and what they need.

    epoch: UNIX seconds of the build.  parts: Part list, what is not ours.
    with_files: name each file with its SHA-256, so that a box's files can be
    checked; the copy on a box's flash does without.
    """
    files = [
        Component(
            type=ComponentType.FILE, name="/" + entry.path, bom_ref="/" + entry.path,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(entry.data).hexdigest())],
        )
        for entry in (entries if with_files else ())
    ]
    version = build.version()
    ours = Component(
        type=ComponentType.APPLICATION, name=name, version=version, bom_ref=name,
        licenses=[LicenseExpression("Apache-2.0")], components=files,
        properties=[Property(name="backfence:sequence", value=str(epoch))],
    )
    others = [_component(part) for part in parts]
    bom = Bom(
        components=others,
        metadata=BomMetaData(component=ours, timestamp=datetime.fromtimestamp(epoch, UTC)),
        dependencies=[
            Dependency(ours.bom_ref, [Dependency(other.bom_ref) for other in others]),
            *(Dependency(other.bom_ref) for other in others),
        ],
        serial_number=uuid.uuid5(_NAMESPACE, f"{name} {version} {epoch} " + _fingerprint(entries)),
    )
    # Without indentation: it lies on flash.
    text = json.dumps(json.loads(JsonV1Dot6(bom).output_as_string()), sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def _component(part):
    return Component(
        type=ComponentType.LIBRARY if part.contained else ComponentType.PLATFORM,
        name=part.name, version=part.version, bom_ref=part.name,
        scope=ComponentScope.REQUIRED,
        licenses=[LicenseExpression(part.licence)],
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        properties=[Property(name="backfence:contained", value="yes" if part.contained else "no")],
    )


def _fingerprint(entries):
    every = hashlib.sha256()
    for entry in entries:
        every.update(f"{entry.path} {len(entry.data)} ".encode() + entry.data)
    return every.hexdigest()
