"""What a power cut may leave of files: every state that a journal allows, within a model.

The model (docs/power-cuts.md says it in prose).  A cut comes after some call of the
journal.  What was flushed is there: a file's bytes since its last fsync before the cut,
a directory's names since its last flush.  All else is pending, and each pending
operation is on its own kept or lost, whatever came after it; besides

- a pending write may be torn at a byte, its end there without its beginning (a later
  page reached the medium first), or its length without its bytes (zeros, or ones as
  erased flash has them);
- a pending rename may have made the new name without taking the old one away (JFFS2).

Up to SUBSETS pending operations all their subsets are tried, of more every prefix, each
one alone, each one missing, names without bytes, bytes without names, and DRAWS subsets
drawn from a fixed seed.

A case is named by a text, such as "17.kkl": the cut after 17 operations, the first two
pending ones kept, the third lost.  state(journal, name) makes it again.
"""

import os

from power_journal import is_directory, read_whole

SUBSETS = 5
DRAWS = 8
# A torn write is tried at these places, and at each of the medium's pages.
SECTOR = 512
PAGE = 4096
PAGES_TRIED = 3


class Case:
    """One state.  name: see above.  files: {path: bytes, None for a directory}.
    marks: what the test had noted by the cut, the newest last."""

    def __init__(self, name, files, marks):
        self.name, self.files, self.marks = name, files, marks


class Medium:
    """Names and bytes as they are for certain, and what is pending since."""

    def __init__(self, base):
        self.directories = {path: dict(base[0][path]) for path in base[0]}
        self.data = dict(base[1])
        self.pending = []
        self.marks = []

    def take(self, op):
        """One more operation of the journal."""
        kind = op[0]
        if kind == "mark":
            self.marks.append(op[1])
        elif kind == "fsync":
            self._settle([o for o in self.pending if o[0] in ("write", "truncate") and o[1] == op[1]])
        elif kind == "dirsync":
            self._settle([o for o in self.pending if o[0] not in ("write", "truncate") and o[1] == op[1]])
        else:
            self.pending.append(op)

    def _settle(self, ops):
        for op in ops:
            apply(op, "k", self.directories, self.data)
        self.pending = [op for op in self.pending if op not in ops]

    def files(self, fates):
        """{path: bytes or None} after a cut with a fate (a text) for each pending operation."""
        directories = dict(self.directories)
        data = dict(self.data)
        for i in range(len(fates)):
            if fates[i] != "l":
                op = self.pending[i]
                if op[0] not in ("write", "truncate"):
                    directories[op[1]] = dict(directories.get(op[1], {}))
                apply(op, fates[i], directories, data)
        found = {}
        _collect("", directories, data, found)
        return found


def apply(op, fate, directories, data):
    """Change names and bytes as a pending operation with that fate has done."""
    kind = op[0]
    if kind == "write":
        _write(op, fate, data)
    elif kind == "truncate":
        data[op[1]] = data.get(op[1], b"")[: op[2]]
    elif kind == "mkdir":
        directories.setdefault(op[1], {})[op[2]] = None
        directories.setdefault(op[1] + "/" + op[2] if op[1] else op[2], {})
    elif kind == "create":
        directories.setdefault(op[1], {})[op[2]] = op[3]
    elif kind == "rename":
        names = directories.setdefault(op[1], {})
        if fate == "k" and names.get(op[2]) == op[4]:
            del names[op[2]]
        names[op[3]] = op[4]
    else:
        names = directories.setdefault(op[1], {})
        if names.get(op[2]) == op[3]:
            del names[op[2]]


def _write(op, fate, data):
    inode, offset, new = op[1], op[2], op[3]
    old = data.get(inode, b"")
    grown = old + bytes(max(0, offset + len(new) - len(old)))
    if fate[0] == "t":  # the first bytes of it
        count = int(fate[1:])
        grown = old + bytes(max(0, offset + count - len(old)))
        data[inode] = grown[:offset] + new[:count] + grown[offset + count :]
    elif fate[0] == "e":  # its end without its beginning
        count = int(fate[1:])
        data[inode] = grown[: offset + count] + new[count:] + grown[offset + len(new) :]
    elif fate == "z":  # the length without the bytes
        data[inode] = grown
    elif fate == "f":
        data[inode] = grown[:offset] + b"\xff" * len(new) + grown[offset + len(new) :]
    else:
        data[inode] = grown[:offset] + new + grown[offset + len(new) :]


def _collect(path, directories, data, found):
    for name in directories.get(path, {}):
        inode = directories[path][name]
        inner = path + "/" + name if path else name
        if inode is None:
            found[inner] = None
            _collect(inner, directories, data, found)
        else:
            found[inner] = data.get(inode, b"")


def partial_fates(op):
    """How an operation may be there in part."""
    if op[0] == "rename":
        return ["b"]
    if op[0] != "write":
        return []
    length = len(op[3])
    places = {1, length // 2, length - 1}
    places.update(range(SECTOR, min(length, SECTOR * (PAGES_TRIED + 1)), SECTOR))
    places.update(range(PAGE, min(length, PAGE * (PAGES_TRIED + 1)), PAGE))
    fates = ["t%d" % place for place in sorted(places) if 0 < place < length]
    fates += ["e%d" % place for place in (length // 2, length // PAGE * PAGE) if 0 < place < length]
    return fates + ["z", "f"]


class _Draws:
    """A fixed stream of bits, the same on all interpreters."""

    def __init__(self, seed):
        self._state = seed & 0x7FFF | 1

    def bit(self):
        self._state = self._state * 1103 + 12345 & 0xFFFFF
        return self._state >> 11 & 1


def fates_of(pending):
    """Yield lists of fates, one fate for each pending operation."""
    count = len(pending)
    kept = ["k"] * count
    if count <= SUBSETS:
        for bits in range(1 << count):
            yield ["k" if bits >> i & 1 else "l" for i in range(count)]
    else:
        for i in range(count + 1):
            yield kept[:i] + ["l"] * (count - i)
        for i in range(count):
            yield kept[:i] + ["l"] + kept[i + 1 :]
            yield ["l"] * i + ["k"] + ["l"] * (count - i - 1)
        yield ["l" if op[0] in ("write", "truncate") else "k" for op in pending]
        yield ["k" if op[0] in ("write", "truncate") else "l" for op in pending]
        draws = _Draws(count)
        for _ in range(DRAWS):
            yield ["k" if draws.bit() else "l" for _ in pending]
    for i in range(count):
        for fate in partial_fates(pending[i]):
            yield kept[:i] + [fate] + kept[i + 1 :]
            yield kept[:i] + [fate] + ["l"] * (count - i - 1)
            yield ["l"] * i + [fate] + ["l"] * (count - i - 1)


def cases(journal, first=0):
    """Yield the distinct Cases of a journal, cut after `first` operations and later.

    Two cuts that leave the same files and the same promises are one case.
    """
    medium = Medium(journal.base)
    seen = set()
    for cut in range(len(journal.ops) + 1):
        if cut:
            medium.take(journal.ops[cut - 1])
        if cut < first:
            continue
        for fates in fates_of(medium.pending):
            files = medium.files(fates)
            key = (len(medium.marks), tuple(sorted(files.items())))
            if key not in seen:
                seen.add(key)
                yield Case("%d.%s" % (cut, "".join(fates)), files, list(medium.marks))


def state(journal, name):
    """The Case of that name."""
    cut, _, text = name.partition(".")
    medium = Medium(journal.base)
    for op in journal.ops[: int(cut)]:
        medium.take(op)
    fates = []
    for character in text:
        if character.isdigit():
            fates[-1] += character
        else:
            fates.append(character)
    assert len(fates) == len(medium.pending), "another journal's case: " + name
    return Case(name, medium.files(fates), list(medium.marks))


def materialise(files, folder):
    """Make {path: bytes or None} below a folder, which is made empty first."""
    clear(folder)
    os.mkdir(folder)
    for path in sorted(files):
        data = files[path]
        if data is None:
            os.mkdir(folder + "/" + path)
        else:
            file = open(folder + "/" + path, "wb")
            try:
                file.write(data)
            finally:
                file.close()


def clear(folder):
    """Remove a folder with all that is in it; a missing one is fine."""
    if not is_directory(folder):
        return
    for name in os.listdir(folder):
        path = folder + "/" + name
        if is_directory(path):
            clear(path)
        else:
            os.remove(path)
    os.rmdir(folder)


def look(folder, path=""):
    """{path: bytes or None} of what is below a folder."""
    found = {}
    for name in os.listdir(folder + "/" + path if path else folder):
        inner = path + "/" + name if path else name
        if is_directory(folder + "/" + inner):
            found[inner] = None
            found.update(look(folder, inner))
        else:
            found[inner] = read_whole(folder + "/" + inner)
    return found
