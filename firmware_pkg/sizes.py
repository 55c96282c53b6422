"""What each part of a static executable weighs, from its link map, as the tables of docs/sizes.md.

    python -m backfence.firmware_pkg.sizes [PROCESSOR ...]

Reads the maps that `python -m backfence.firmware_pkg.static` left; says which executable
is not built.  Prints Markdown, a column for each processor.
"""

import re
import sys

from . import build, processors, static

# The first that matches the object of a piece is its part: of MicroPython's objects by their
# names below the build folder, of the libraries' by the name of the library.
PARTS = (
    ("frozen agent", r"/frozen_content\.o$"),
    ("compiler of Python", r"/py/(lexer|parse|scope|compile|emitcommon|emitbc|parsenum|parsenumbase)\.o$"),
    ("native emitter", r"/py/(asm\w+|emitn\w+|emitinline\w+|nativeglue)\.o$"),
    ("whole numbers of any length", r"/py/(mpz|objint_mpz)\.o$"),
    ("names (qstr)", r"/py/qstr\.o$"),
    ("AES and SHA-256", r"/library/\w+\.o$|/extmod/mod(cryptolib|hashlib)\.o$"),
    ("files, sockets, time, JSON and other modules", r"/extmod/|/mod(socket|os|time)\.o$|/shared/"),
    ("interpreter", r"/py/|/objects/\w+\.o$"),
    ("libc: mathematics", r"libc\.a\((__(cos|sin|tan|expo2|math\w*|rem_pio2\w*|fpclassify\w*|signbit\w*)"
                          r"|a(cos|sin|tan)2?|ceil|copysign|cos|exp\w*|fabs|floor|fmod|frexpl?|ldexp|log\w*"
                          r"|modf|nearbyint|pow\w*|rint|round|scalbn|sin|sqrt\w*|tan|trunc)\.l?o\)$"),
    ("libc: the rest", r"libc\.a\(|/crt\w*\.o$"),
    ("compiler's library", r"lib\w+\.a\("),
)
_PIECE = re.compile(r"^ (\.\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$")
REST = "headers, alignment, less what the linker shortens"
# Sections that take memory, and no place in the file.
_EMPTY = (".bss", ".sbss", "COMMON")


def pieces(text):
    """(section, bytes, object) of each piece of a GNU ld map that is loaded."""
    found = []
    inside = False
    section = ""
    for line in text.splitlines():
        if line.startswith("Linker script and memory map"):
            inside = True
        elif inside and re.match(r"^ \.\S+$", line):
            section = line.strip()
        elif inside and (match := _PIECE.match(line)):
            name = match[1] or section
            address, size = int(match[2], 16), int(match[3], 16)
            if address and size and not name.startswith((".debug", ".comment", ".note", ".stab", ".ARM", ".MIPS", ".reginfo")):
                found.append((name, size, match[4]))
    return found


def part_of(name):
    """The part that an object belongs to; REST is what the linker made itself."""
    return next((part for part, pattern in PARTS if re.search(pattern, name)), REST)


def weigh(text, size):
    """({part: bytes in the file}, bytes of memory beside) of a map and a stripped file of `size` bytes.

    REST is what is left: headers, and what lies between pieces for their alignment.
    """
    parts = {part: 0 for part, _ in PARTS}
    memory = 0
    for section, length, name in pieces(text):
        if section.startswith(_EMPTY):
            memory += length
        elif (part := part_of(name)) != REST:
            parts[part] += length
    parts[REST] = size - sum(parts.values())
    return parts, memory


def rooms(folder):
    """{room of the agent: bytes of bytecode} of the frozen .mpy files below `folder`."""
    found = {}
    for path in sorted((folder / "backfence").rglob("*.mpy")):
        below = path.relative_to(folder / "backfence").parts[:-1]
        room = "/".join(below) + "/" if below else "(root)"
        found[room] = found.get(room, 0) + path.stat().st_size
    return found


def table(head, rows):
    """Markdown: `head` a list of titles, `rows` lists of a name and numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join([name, *(f"{number:,}" for number in numbers)]) + " |" for name, *numbers in rows]
    return "\n".join(lines)


def main(names):
    """Prints the tables; the exit code."""
    columns, memories, kept = {}, {}, None
    for name in names or processors.PROCESSORS:
        kept = static.Workshop().kept(name)
        target, linked = static.path_of(name), kept / "objects/backfence.map"
        if not target.exists() or not linked.exists():
            print(f"Error: {name} is not built: run python -m backfence.firmware_pkg.static {name}", file=sys.stderr)
            return 1
        columns[name], memories[name] = weigh(linked.read_text(errors="replace"), target.stat().st_size)
    head = ["bytes", *columns]
    rows = [[part, *(column[part] for column in columns.values())] for part in [*dict(PARTS), REST]]
    rows.append(["**the executable**", *(sum(column.values()) for column in columns.values())])
    rows.append(["memory beside (.bss)", *memories.values()])
    print(table(head, rows), "", sep="\n")
    weights = rooms(kept / "modules")
    total = sum(weights.values())
    print(table(["room of the agent", "bytes of .mpy"], [*([room, size] for room, size in weights.items()), ["**all**", total]]))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (build.BuildError, processors.BuildError) as error:
        sys.exit(f"Error: {error}")
