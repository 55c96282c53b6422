"""The processors that a static executable is built for, and what compiles for each.

Named as Debian names them.  The compilers are Debian's cross compilers; where the
building machine is of that processor itself, its own compiler serves.
"""

import os
import shutil


class BuildError(Exception):
    """A build failed; the text is for a person."""


class Processor:
    """One row of the table below.

    name: as Debian says.  triplet: of its GNU compiler.  musl: musl's name of it.
    flags: what the compiler needs beside its own choice.  emulator: qemu-user's name.
    bits: of a word.  machine: what a compiler writes into an ELF header's e_machine.
    """

    def __init__(self, name, triplet, musl, emulator, bits, machine, flags=()):
        self.name = name
        self.triplet = triplet
        self.musl = musl
        self.emulator = emulator
        self.bits = bits
        self.machine = machine
        self.flags = flags

    def prefix(self):
        """The compiler's prefix on this machine, as in "arm-linux-gnueabihf-".  BuildError."""
        if shutil.which(self.triplet + "-gcc"):
            return self.triplet + "-"
        raise BuildError(f"{self.triplet}-gcc is missing: install {self.package()}")

    def package(self):
        """Debian's package of the compiler."""
        if self.name == "amd64" and os.uname().machine == "x86_64":
            return "gcc"
        return "gcc-" + self.triplet.replace("_", "-")


# Without it, each small table begins at a multiple of 32 bytes: 24 KB of nothing.
_X86_FLAGS = ("-malign-data=abi",)

PROCESSORS = {
    processor.name: processor
    for processor in (
        Processor("amd64", "x86_64-linux-gnu", "x86_64", "x86_64", 64, 62, _X86_FLAGS),
        Processor("arm64", "aarch64-linux-gnu", "aarch64", "aarch64", 64, 183),
        Processor("armhf", "arm-linux-gnueabihf", "arm", "arm", 32, 40),
        Processor("i386", "i686-linux-gnu", "i386", "i386", 32, 3, _X86_FLAGS),
        Processor("mips", "mips-linux-gnu", "mips", "mips", 32, 8),
        Processor("mipsel", "mipsel-linux-gnu", "mips", "mipsel", 32, 8),
        Processor("riscv64", "riscv64-linux-gnu", "riscv64", "riscv64", 64, 243),
        Processor("s390x", "s390x-linux-gnu", "s390x", "s390x", 64, 22),
    )
}


def named(name):
    """The Processor of a name.  BuildError if there is none."""
    if name not in PROCESSORS:
        raise BuildError(f"there is no processor {name!r}; known: {' '.join(PROCESSORS)}")
    return PROCESSORS[name]
