"""What goes with a static executable names all that is in it."""

import json

from backfence.firmware_pkg import notices
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def test_licences_and_materials_name_each_part_with_its_version_and_text(tmp_path):
    trees = []
    for name, version in (("micropython", "1.25.0"), ("mbedtls", "3.6.6"), ("musl", "1.2.5")):
        trees.append(tmp_path / f"{name}-{version}")
        trees[-1].mkdir()
        (trees[-1] / notices.CONTAINED[name][0]).write_text(f"The licence of {name}.\n")
    program = tmp_path / "backfence-armhf"
    program.write_bytes(b"\x7fELF")
    notices.write(tmp_path, [program], trees, 1_700_000_000)
    text = (tmp_path / "LICENCES").read_text()
    assert "Apache License" in text
    for tree in trees:
        assert f"\n{tree.name}\n" in text and f"The licence of {tree.name.split('-')[0]}." in text
    bill = (tmp_path / "backfence-armhf.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    parts = {part["name"]: (part["version"], part["licenses"][0]["expression"]) for part in json.loads(bill)["components"]}
    assert parts == {
        "micropython": ("1.25.0", "MIT"), "musl": ("1.2.5", "MIT"),
        "mbedtls": ("3.6.6", "Apache-2.0 OR GPL-2.0-or-later"),
    }
