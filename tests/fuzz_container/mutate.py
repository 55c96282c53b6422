"""Modules changed a little: by bytes, and by what the bytes mean.

Most are no longer valid, in ways a validator must see; a part still is, and then runs.
"""

from binary import CODE, DATA, ELEMENT, EXPORT, FUNCTION, GLOBAL, HEADER, MEMORY, TABLE, TYPE, Parts
from binary import Cursor, instructions, locals_end, sections
from modules import s, u
from odd import ALL, TYPES, constant

# Instructions that stand for themselves, for insertion anywhere.
SNIPPETS = (
    b"\x00", b"\x01", b"\x0b", b"\x05", b"\x0f", b"\x1a", b"\x1b", b"\x0c\0", b"\x0d\0", b"\x0c\1", b"\x0d\1",
    b"\x0e\0\0", b"\x0e\1\0\1", b"\x20\0", b"\x21\0", b"\x22\0", b"\x23\0", b"\x24\0", b"\x41\0", b"\x42\0",
    b"\x43\0\0\xc0\x7f", b"\x44\0\0\0\0\0\0\xf8\x7f", b"\x02\x40", b"\x03\x40", b"\x04\x40", b"\x02\x7f", b"\x03\x7e",
    b"\x04\x7f", b"\x02\0", b"\x04\0", b"\x10\0", b"\x11\0\0", b"\x28\2\0", b"\x28\0\xff\xff\xff\xff\x0f", b"\x29\3\0",
    b"\x2d\0\0", b"\x36\2\0", b"\x37\0\1", b"\x3f\0", b"\x40\0", b"\xfc\x0a\0\0", b"\xfc\x0b\0", b"\xfc\0", b"\xfc\7",
    b"\x1c\1\x7f", b"\x1c\0", b"\x41\xff\xff\xff\xff\x0f", b"\x41\x80\x80\x80\x80\x78", b"\x20\x80\0", b"\xd1",
    b"\x20\x80\x80\x80\x80\x10\x1a", b"\x41\x80\x80\x80\x80\x80\0\x1a", b"\x02\xc0\x7f\x0b", b"\x41\xff\xff\xff\xff\x2f\x1a",
    b"\x06\x40", b"\xfc\x08\0\0", b"\xd0\x70", b"\x25\0", b"\x12\0", b"\x10\xff\xff\xff\xff\x0f", b"\x41\x40\x40\0",
)  # fmt: skip
# What a construct gives: a value, or often nothing.
_GIVEN = (0, 0, 0, *TYPES)
EDGE_NUMBERS = (0, 1, 2, 3, 7, 63, 64, 127, 128, 200, 201, 255, 65535, 65536, 65537, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutate(rnd, data, other):
    """A changed copy of a valid module; `other` is one to take pieces of."""
    if rnd.random() < 0.75:
        parts = Parts(data)
        for _ in range(rnd.choice((1, 1, 1, 2, 4))):
            change = rnd.choice(CHANGES)
            change(rnd, parts, other)
        data = parts.join()
    if rnd.random() < 0.12:
        data = reframe(rnd, data)
    if rnd.random() < 0.35:
        data = bytearray(data)
        for _ in range(rnd.choice((1, 1, 1, 2, 5))):
            change_bytes(rnd, data)
    return bytes(data)


def change_bytes(rnd, data):
    """One change of bytes, anywhere."""
    at = rnd.randrange(len(data))
    how = rnd.randrange(7)
    if how == 0:
        data[at] = rnd.randrange(256)
    elif how == 1:
        data[at] ^= 1 << rnd.randrange(8)
    elif how == 2 and at + 1 < len(data):
        data[at], data[at + 1] = data[at + 1], data[at]
    elif how == 3:
        del data[at : at + rnd.choice((1, 1, 2, 8, 1000))]
    elif how == 4:
        data[at:at] = rnd.choice(SNIPPETS)
    elif how == 5:
        # The same number in more bytes than it needs.
        data[at : at + 1] = bytes([data[at] & 127 | 128]) + rnd.choice((b"\0", b"\x7f", b"\x80\0", b"\x80\x80\x80\x80\0", b"\x80\x80\x80\x80\x10"))
    else:
        data[at] = rnd.choice((0x0B, 0x1A, 0x20, 0x41, 0x6A, 0x7F, 0x7E, 0x7D, 0x7C, 0x40, 0, 1, 0x0C, 0x0D, 0x0F, 0x80, 0xFF))


def reframe(rnd, data):
    """Sections twice, gone, in another order, of another size; custom ones between."""
    found = sections(data)
    how = rnd.randrange(6)
    if found:
        i = rnd.randrange(len(found))
        if how == 0:
            found.insert(rnd.randrange(len(found) + 1), found[i])
        elif how == 1:
            del found[i]
        elif how == 2:
            rnd.shuffle(found)
        elif how == 3:
            name = rnd.choice((b"", b"name", b"f0", b"__class__", b"\xff\xfe", b"producers"))
            found.insert(i, (0, u(len(name)) + name + bytes(rnd.randrange(9))))
        elif how == 4:
            found[i] = (found[i][0], found[i][1] + rnd.choice((b"\0", b"\x0b")))
        else:
            found.insert(i, (12, u(rnd.randrange(4))))
    out = bytearray(HEADER)
    for ident, payload in found:
        out += bytes([ident]) + u(len(payload)) + payload
    return bytes(out)


def _body(rnd, parts):
    """(index, body, listing) of some body, or None; long ones more often, as there is more in them."""
    if not parts[CODE]:
        return None
    i = rnd.choices(range(len(parts[CODE])), [len(body) for body in parts[CODE]])[0]
    body = parts[CODE][i]
    listing = instructions(body, locals_end(body))
    return (i, body, listing) if listing else None


def in_code(rnd, parts, other):
    """Delete, repeat, swap, replace or insert instructions."""
    found = _body(rnd, parts)
    if not found:
        return
    i, body, listing = found
    # Each kind of instruction as often as any other: constants are most.
    kind = rnd.choice(sorted({op for op, _, _ in listing}))
    number = rnd.choice([i for i, (op, _, _) in enumerate(listing) if op == kind])
    op, start, end = listing[number]
    how = rnd.choice((0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 7))
    if how == 0:
        new = b""
    elif how == 1:
        new = body[start:end] * 2
    elif how == 2:
        new = rnd.choice(SNIPPETS) + body[start:end]
    elif how == 3:
        new = rnd.choice(SNIPPETS)
    elif how == 4:
        new = _like(rnd, op, body[start:end])
    elif how == 5:
        new = constant(rnd, rnd.choice(TYPES)) + body[start:end]
    elif how == 6 and number + 1 < len(listing):
        last = listing[number + 1][2]
        new, end = body[end:last] + body[start:end], last
    else:
        last = min(number + rnd.choice((1, 2, 5, 20)), len(listing) - 1)
        end = listing[last][1]
        new = b""
    parts[CODE][i] = body[:start] + new + body[end:]


def _like(rnd, op, code):
    """An instruction of the same shape: another operation of the same types, or another index."""
    if 0x45 <= op <= 0xC4:
        for _, params, result, own in ALL:
            if own == code:
                return rnd.choice([o[3] for o in ALL if (o[1], o[2]) == (params, result)])
    if 0x28 <= op <= 0x3E and rnd.random() < 0.6:
        return code[:1] + u(rnd.choice((0, 1, 2, 3, 4, 32, 64))) + code[2:]
    if 0x28 <= op <= 0x3E:
        return bytes([rnd.randrange(0x28, 0x3F)]) + code[1:]
    if op in (0x0C, 0x0D, 0x10, 0x20, 0x21, 0x22, 0x23, 0x24, 0x41, 0x42) and rnd.random() < 0.4:
        return stretched(rnd, code)
    if op == 0x0E:
        targets = [u(rnd.choice((0, 0, 1, 2, 3))) for _ in range(rnd.choice((1, 2, 3, 6)))]
        return b"\x0e" + u(len(targets) - 1) + b"".join(targets)
    if op in (0x0C, 0x0D, 0x10, 0x20, 0x21, 0x22, 0x23, 0x24):
        return code[:1] + u(rnd.choice((0, 1, 2, 3, 4, 5, 9, *EDGE_NUMBERS)))
    if op in (0x02, 0x03, 0x04):
        return bytes([rnd.choice((2, 3, 4))]) + rnd.choice((code[1:], b"\x40", b"\x7f", b"\x7e", b"\0", b"\1", b"\x2f", b"\x7b", b"\x60"))
    return rnd.choice(SNIPPETS)


def stretched(rnd, code):
    """The number at an instruction's end in more bytes than it needs, or than it may have."""
    padding = b"\x7f" if code[0] in (0x41, 0x42) and code[-1] & 64 else b"\0"
    more = rnd.choice((0, 1, 2, 3, 4, 5, 8, 9))
    last = rnd.choice((padding, padding, b"\x10", b"\1"))
    return code[:-1] + bytes([code[-1] | 128]) + bytes([padding[0] | 128]) * more + last


def splice(rnd, parts, other):
    """A run of instructions from elsewhere."""
    found, source = _body(rnd, parts), _body(rnd, Parts(other))
    if found and source:
        i, body, listing = found
        first = rnd.randrange(len(source[2]))
        last = min(first + rnd.choice((1, 3, 10)), len(source[2]) - 1)
        at = rnd.choice(listing)[1]
        parts[CODE][i] = body[:at] + source[1][source[2][first][1] : source[2][last][1]] + body[at:]


def in_constructs(rnd, parts, other):
    """Drop an `else`, lead one label of a br_table elsewhere, insert a br_table, or exchange the types of two constructs.

    All else is right, so that only the check of that one rule can see it.
    """
    listings = [instructions(body, locals_end(body)) for body in parts[CODE]]
    change, ops = rnd.choice(
        (
            (_without_else, (0x05,)), (_led_elsewhere, (0x0E,)), (_with_table, range(0x100)), (_with_table, range(0x100)),
            (_retyped, (0x02, 0x03, 0x04)),
        )
    )
    sites = [(i, number) for i, listing in enumerate(listings) for number, (op, _, _) in enumerate(listing) if op in ops]
    if sites:
        i, number = rnd.choice(sites)
        parts[CODE][i] = change(rnd, parts[CODE][i], listings[i], number)


def _without_else(rnd, body, listing, number):
    """The body without an `else` and what is behind it, up to the end."""
    level = 0
    for op, start, _ in listing[number + 1 :]:
        level += (op in (0x02, 0x03, 0x04)) - (op == 0x0B)
        if level < 0:
            return body[: listing[number][1]] + body[start:]
    return body


def _led_elsewhere(rnd, body, listing, number):
    """One label of a br_table is any of the constructs around it."""
    _, start, end = listing[number]
    around = 1
    for op, _, _ in listing[:number]:
        around += (op in (0x02, 0x03, 0x04)) - (op == 0x0B)
    cursor = Cursor(body, start + 1)
    labels = [cursor.u() for _ in range(cursor.u() + 1)]
    labels[rnd.randrange(len(labels))] = rnd.randrange(max(1, around))
    return body[: start + 1] + u(len(labels) - 1) + b"".join([u(label) for label in labels]) + body[end:]


def _with_table(rnd, body, listing, number):
    """A br_table, and around it what its two labels name: constructs that give one value or none, alike or not."""
    inner, outer, default = rnd.choice(_GIVEN), rnd.choice(_GIVEN), rnd.randrange(2)
    labels = [rnd.randrange(2) for _ in range(rnd.randrange(1, 4))] + [default]

    def value(t):
        return constant(rnd, t) if t else b""

    code = b"\x02" + bytes([outer or 0x40]) + b"\x02" + bytes([inner or 0x40]) + value((inner, outer)[default])
    code += constant(rnd, TYPES[0]) + b"\x0e" + u(len(labels) - 1) + bytes(labels) + b"\x0b"
    code += (b"\x1a" if inner else b"") + value(outer) + b"\x0b" + (b"\x1a" if outer else b"")
    at = listing[number][1]
    return body[:at] + code + body[at:]


def _retyped(rnd, body, listing, number):
    """Two constructs have each other's types."""
    one = listing[number][1:]
    two = rnd.choice([place for op, *place in listing if op in (0x02, 0x03, 0x04)])
    first, second = sorted((tuple(one), tuple(two)))
    types = body[first[0] + 1 : first[1]], body[second[0] + 1 : second[1]]
    if first == second:
        return body
    return body[: first[0] + 1] + types[1] + body[first[1] : second[0] + 1] + types[0] + body[second[1] :]


def in_locals(rnd, parts, other):
    """Another declaration of locals."""
    found = _body(rnd, parts)
    if found:
        i, body, _ = found
        groups = [u(rnd.choice((0, 1, 2, *EDGE_NUMBERS))) + bytes([rnd.choice((*TYPES, 0x7B, 0x70))])]
        groups += [b"\1" + bytes([rnd.choice(TYPES)]) for _ in range(rnd.randrange(4))]
        rnd.shuffle(groups)
        parts[CODE][i] = u(len(groups)) + b"".join(groups) + body[locals_end(body) :]


def in_types(rnd, parts, other):
    """Another type of a parameter or result, or another type of a function."""
    if parts[TYPE] and rnd.random() < 0.6:
        i = rnd.randrange(len(parts[TYPE]))
        kinds = [bytes([rnd.choice(TYPES)]) for _ in range(rnd.randrange(4))]
        cut = rnd.randrange(len(kinds) + 1)
        parts[TYPE][i] = b"\x60" + u(cut) + b"".join(kinds[:cut]) + u(len(kinds) - cut) + b"".join(kinds[cut:])
    elif parts[FUNCTION]:
        i = rnd.randrange(len(parts[FUNCTION]))
        parts[FUNCTION][i] = u(rnd.choice((0, 1, len(parts[TYPE]) - 1, len(parts[TYPE]), 0xFFFFFFFF)) & 0xFFFFFFFF)


def in_limits(rnd, parts, other):
    """Other limits of the table or the memory, or none of it, or two."""
    ident, head = rnd.choice(((TABLE, b"\x70"), (MEMORY, b"")))
    least, most = rnd.choice(EDGE_NUMBERS[:6] + (17, 65536, 65537)), rnd.choice(EDGE_NUMBERS)
    item = head + (b"\0" + u(least) if rnd.random() < 0.4 else rnd.choice((b"\1", b"\1", b"\1", b"\2", b"\3", b"\4")) + u(least) + u(most))
    if rnd.random() < 0.2:
        parts[ident].clear()
    elif rnd.random() < 0.1:
        parts[ident].append(item)
    else:
        parts[ident][:] = [item]


def in_segments(rnd, parts, other):
    """Other data or elements."""
    offset = b"\x41" + s(rnd.choice((0, 1, -1, 65535, 65536, 131072))) + b"\x0b"
    if rnd.random() < 0.2:
        offset = rnd.choice((b"\x42\0\x0b", b"\x23\0\x0b", b"\x0b", b"\x41\0\x41\0\x6a\x0b", b"\x41\0\x1a\x0b"))
    head = rnd.choice((b"\0", b"\0", b"\0", b"\1", b"\2\0", b"\3"))
    if rnd.random() < 0.5:
        raw = bytes(rnd.randrange(9))
        parts[DATA].append(head + offset + u(len(raw)) + raw)
        if rnd.random() < 0.3:
            parts.data_count = len(parts[DATA])
    else:
        indexes = [u(rnd.choice((0, 1, 2, 9, 0xFFFFFFFF))) for _ in range(rnd.randrange(4))]
        parts[ELEMENT].append(head + offset + u(len(indexes)) + b"".join(indexes))


def in_globals(rnd, parts, other):
    """Another global, or its mutability changed."""
    t = rnd.choice(TYPES)
    wrong = rnd.choice(TYPES) if rnd.random() < 0.2 else t
    item = bytes([t, rnd.choice((0, 1, 1, 2))]) + constant(rnd, wrong) + b"\x0b"
    if parts[GLOBAL] and rnd.random() < 0.5:
        parts[GLOBAL][rnd.randrange(len(parts[GLOBAL]))] = item
    else:
        parts[GLOBAL].append(item)


def in_exports(rnd, parts, other):
    """An export of another kind, index or name; a start function."""
    name = rnd.choice((b"f0", b"", b"memory", b"_start", b"\xc3\x28", b"\xed\xa0\x80", b"class", "ü".encode()))
    if rnd.random() < 0.3:
        parts.start = rnd.choice((0, 1, len(parts[FUNCTION]), 0xFFFFFFFF))
    else:
        parts[EXPORT].append(u(len(name)) + name + bytes([rnd.choice((0, 0, 1, 2, 3, 4))]) + u(rnd.choice((0, 1, 5, 0xFFFFFFFF))))


def functions(rnd, parts, other):
    """A body more or less, or two exchanged."""
    bodies = parts[CODE]
    if bodies:
        i, j = rnd.randrange(len(bodies)), rnd.randrange(len(bodies))
        if rnd.random() < 0.6:
            bodies[i], bodies[j] = bodies[j], bodies[i]
        elif rnd.random() < 0.5:
            del bodies[i]
        else:
            bodies.append(bodies[i])


CHANGES = (in_code,) * 16 + (in_constructs,) * 4 + (splice, splice, in_locals, in_types, in_types, in_limits, in_segments, in_globals, in_exports, functions)
