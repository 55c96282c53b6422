"""The size table: each byte of an executable is in one part, and none is made up."""

import pytest
from backfence.firmware_pkg import sizes

MAP = """
Discarded input sections

 .text.unused   0x0000000000000000       0x44 /b/objects/py/gc.o

Linker script and memory map

 .text.mp_parse
                0x0000000000400100      0x200 /b/objects/py/parse.o
 .text          0x0000000000400300      0x100 /b/objects/py/vm.o
 *fill*         0x0000000000400400        0x8
 .text.memcpy   0x0000000000400408       0x40 /b/musl/usr/lib/libc.a(memcpy.lo)
 .text.pow      0x0000000000400448       0x60 /b/musl/usr/lib/libc.a(pow.o)
 .rodata.table  0x0000000000400500      0x300 /b/objects/frozen_content.o
 .bss.heap      0x0000000000500000     0x1000 /b/objects/main.o
 .debug_info    0x0000000000000010     0x9999 /b/objects/py/vm.o
"""


def test_a_map_is_weighed_by_parts():
    parts, memory = sizes.weigh(MAP, 0x900)
    assert (parts["compiler of Python"], parts["interpreter"], parts["frozen agent"]) == (0x200, 0x100, 0x300)
    assert (parts["libc: mathematics"], parts["libc: the rest"], memory) == (0x60, 0x40, 0x1000)
    assert parts[sizes.REST] == 0x900 - 0x200 - 0x100 - 0x300 - 0x60 - 0x40
    assert sum(parts.values()) == 0x900


def test_an_executable_that_is_not_built_is_asked_for(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sizes.static, "path_of", lambda name: tmp_path / name)
    monkeypatch.setattr(sizes.static.Workshop, "kept", lambda self, name: tmp_path)
    assert sizes.main(["armhf"]) == 1
    assert capsys.readouterr().err == (
        "Error: armhf is not built: run python -m backfence.firmware_pkg.static armhf\n"
    )


@pytest.mark.parametrize("name, part", [
    ("/b/objects/library/aes.o", "AES and SHA-256"),
    ("/b/objects/py/emitnarm.o", "native emitter"),
    ("/b/objects/py/objint_mpz.o", "whole numbers of any length"),
    ("/b/objects/extmod/moductypes.o", "files, sockets, time, JSON and other modules"),
    ("/usr/lib/gcc-cross/arm-linux-gnueabihf/12/libgcc.a(_divdi3.o)", "compiler's library"),
    ("/b/objects/main.o", "interpreter"),
])
def test_an_object_has_its_part(name, part):
    assert sizes.part_of(name) == part
