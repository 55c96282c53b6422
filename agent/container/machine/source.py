"""The machine's source: the instructions of instructions.py as the leaves of one decision tree.

Viper has no jump table.  An operation's number is its path: bit k says which way
the k-th test goes.  Huffman's construction puts the operations that run most
near the root (D. Huffman, "A method for the construction of
minimum-redundancy codes", 1952).
"""

from .instructions import table
from .words import S_CP, S_ENTRIES, S_FUEL, S_IP, S_LIMIT, S_RB, S_SIZE, S_TABLE

_HEAD = """@micropython.viper
def run(ip:int,rb:int,op:int,m:int,slow)->int:
 st=ptr32(rb)
 cb=ip
 r0=rb
 ip=cb+st[%d]
 rb=r0+st[%d]
 cp=r0+st[%d]
 s=st[%d]
 cl=r0+st[%d]
 ta=r0+st[%d]
 te=st[%d]
 f=st[%d]
""" % (S_IP, S_RB, S_CP, S_SIZE, S_LIMIT, S_TABLE, S_ENTRIES, S_FUEL)

_TAIL = """ st[%d]=f
 st[%d]=ip-cb
 st[%d]=rb-r0
 st[%d]=cp-r0
 return x
""" % (S_FUEL, S_IP, S_RB, S_CP)


# MicroPython's conditional jumps on Thumb go astray beyond 4 KiB, about so many characters here.
NEAR_CHARACTERS = 4500


def codes(wide, lenient):
    """{name: (number, words)} of the instructions, and the tree: (tree if set, tree if not) or an op."""
    ops = table(wide, lenient)
    groups = [ops]
    if not lenient:
        groups = _near(ops)
    tree = _huffman(groups.pop())
    while groups:
        # Only what stands under an `if` is jumped over on a condition.
        tree = (_huffman(groups.pop()), tree)
    numbers = {}
    _number(tree, 0, 0, numbers)
    return numbers, tree


def _near(ops):
    """The ops in groups of little code, what runs most first."""
    groups, size = [[]], 0
    for rarity in range(1, 16):
        for op in ops:
            if op[2] == rarity:
                # What the lines will be long: a slot is 23 characters more than its name.
                text = 40 + sum([len(x) + 12 + 25 * (x.count("R") + x.count("H")) + 9 * x.count("I") for x in op[3]])
                if size + text > NEAR_CHARACTERS:
                    groups.append([])
                    size = 0
                size += text
                groups[-1].append(op)
    return groups


def _huffman(ops):
    heap = []
    for i in range(len(ops)):
        heap.append((1 << 20 >> ops[i][2], -i, ops[i]))
    while len(heap) > 1:
        heap.sort()
        one, two = heap[0], heap[1]
        heap[:2] = [(one[0] + two[0], max(one[1], two[1]), (one[2], two[2]))]
    return heap[0][2]


def _number(tree, bit, path, numbers):
    if len(tree) == 2:
        _number(tree[0], bit + 1, path | 1 << bit, numbers)
        _number(tree[1], bit + 1, path, numbers)
    else:
        numbers[tree[0]] = (path, tree[1])


def expand(line, wide):
    """A line of instructions.py as viper."""
    if "S(" in line or "U(" in line:
        for name in ("R1", "R2", "R3", "R4", "I1", "I2", "I3", "a", "b", "te"):
            line = line.replace("S(%s)" % name, "(%s<<32)" % name if wide else name)
            line = line.replace("U(%s)" % name, name if wide else "uint(%s)" % name)
    if "L" in line:
        for i in (2, 3):
            line = line.replace("L%d" % i, "(R%d|(H%d<<32))" % (i, i))
    line = line.replace("Z+", "rb-r0+")
    for i in range(1, 5):
        if "%d" % i in line:
            slot = "ptr32(rb+ptr32(ip)[%d])" % i
            line = line.replace("R%d" % i, slot + "[0]").replace("H%d" % i, slot + "[1]")
            line = line.replace("I%d" % i, "ptr32(ip)[%d]" % i)
    return line


def source(wide, lenient, write):
    """The machine's source by write(text), for a word of 64 bits (`wide`) or 32; the instructions' numbers."""
    write(_HEAD)
    if wide:
        # It may be below 0, and words are read without sign.
        write(" f=(f<<32)>>32\n")
    write(" x=0\n while 1:\n  op=ptr32(ip)[0]\n")
    numbers, tree = codes(wide, lenient)
    _branch(tree, 0, wide, write)
    write(_TAIL)
    return numbers


def _branch(tree, bit, wide, write):
    indent = " " * (bit + 2)
    if len(tree) == 2:
        write("%sif op&%d:\n" % (indent, 1 << bit))
        _branch(tree[0], bit + 1, wide, write)
        write(indent + "else:\n")
        _branch(tree[1], bit + 1, wide, write)
        return
    _, words, _, lines = tree
    text = "\n".join(lines)
    if words and "ip=" not in text and "ip+=" not in text and "break" != lines[-1]:
        text += "\nip+=%d" % (4 * words)
    for line in expand(text, wide).split("\n"):
        write("%s%s\n" % (indent, line))
