"""The machine's instructions, one line of viper or a few each.

An instruction is a row of 32-bit words: the operation, then its operands.  A slot
is eight bytes of the register file and named by its offset from the frame's
base.  In the lines below

  I1, I2 ...  the operand words themselves
  R1, R2 ...  the low word of the slot an operand names; H1, H2 ... its high word
  Z           the frame's offset in the register file
  L2, L3 ...  on 64 bits only: the slot as one 64-bit integer
  S(x)        x as a word whose order is the signed order of the i32 x
  U(x)        x as an unsigned word
  x           the status that ends the run;  a, b, c, e, g, h, p, q  scratch
  f fuel left, s bytes of the memory, m its address, cb the code's, r0 the register
  file's, rb the frame's, cp the next free place of the control stack

On 64 bits a word that is read is not negative, on 32 bits it is signed.  Every line
reads its operands before it writes, because slots may be the same.
"""

from .words import (
    BOUNDS, COPY, DEPTH, DONE, ELEMENT, EMPTY, FILL, FUEL, GROW, HOST, MISMATCH, S_A, S_CANONICAL, S_INF32, S_INF64,
    S_SIGNLESS, STORED,
)  # fmt: skip

_COMPARES = (("eq", "R%d==R%d"), ("ne", "R%d!=R%d"), ("lts", "S(R%d)<S(R%d)"), ("ltu", "U(R%d)<U(R%d)"),
             ("les", "S(R%d)<=S(R%d)"), ("leu", "U(R%d)<=U(R%d)"))  # fmt: skip
_IMMEDIATE = (("eq", "R1==I2"), ("ne", "R1!=I2"), ("lts", "S(R1)<S(I2)"), ("ltu", "U(R1)<U(I2)"),
              ("les", "S(R1)<=S(I2)"), ("leu", "U(R1)<=U(I2)"), ("gts", "S(R1)>S(I2)"), ("gtu", "U(R1)>U(I2)"),
              ("ges", "S(R1)>=S(I2)"), ("geu", "U(R1)>=U(I2)"))  # fmt: skip


def table(wide, lenient):
    """[(name, words, rarity, lines)]: all instructions.

    wide: the machine word has 64 bits.  lenient: words may be read at any address.
    rarity: 1 and up; each step halves the share of the instructions that run.
    Lines that set `ip` do so last; the others go on behind their words.
    """
    ops = [
        ("move", 3, 4, ["R1=R2"]),
        ("move64", 3, 8, ["R1=R2", "H1=H2"]),
        ("const", 3, 5, ["R1=I2"]),
        ("const64", 4, 9, ["R1=I2", "H1=I3"]),
        ("add", 4, 3, ["R1=R2+R3"]),
        ("addi", 4, 3, ["R1=R2+I3"]),
        ("sub", 4, 6, ["R1=R2-R3"]),
        ("mul", 4, 6, ["R1=R2*R3"]),
        ("muli", 4, 8, ["R1=R2*I3"]),
        ("and", 4, 6, ["R1=R2&R3"]),
        ("andi", 4, 4, ["R1=R2&I3"]),
        ("or", 4, 6, ["R1=R2|R3"]),
        ("ori", 4, 8, ["R1=R2|I3"]),
        ("xor", 4, 5, ["R1=R2^R3"]),
        ("xori", 4, 7, ["R1=R2^I3"]),
        ("shl", 4, 8, ["R1=R2<<(R3&31)"]),
        ("shli", 4, 5, ["R1=R2<<I3"]),
        ("shru", 4, 8, ["R1=int(U(R2)>>(R3&31))"]),
        ("shrui", 4, 5, ["R1=int(U(R2)>>I3)"]),
        ("shrs", 4, 8, ["R1=(R2<<32)>>(32+(R3&31))" if wide else "R1=R2>>(R3&31)"]),
        ("shrsi", 4, 7, ["R1=(R2<<32)>>(32+I3)" if wide else "R1=R2>>I3"]),
        ("rotl", 4, 9, ["a=R3&31", "b=R2", "R1=(b<<a)|int(U(b)>>(32-a))" if wide else
                        "if a:\n b=(b<<a)|int(uint(b)>>(32-a))\nR1=b"]),
        ("rotli", 4, 6, ["b=R2", "R1=(b<<I3)|int(U(b)>>(32-I3))"]),
        ("eqz", 3, 8, ["R1=R2==0"]),
        ("ext8", 3, 8, ["R1=((R2&255)^128)-128"]),
        ("ext16", 3, 7, ["R1=((R2&65535)^32768)-32768"]),
        ("select", 5, 7, ["if R4:\n R1=R2\nelse:\n R1=R3"]),
        ("select64", 5, 10, ["if R4:\n R1=R2\n H1=H2\nelse:\n R1=R3\n H1=H3"]),
        ("br", 2, 5, ["ip=cb+I1"]),
        ("brz", 3, 5, ["if R1:\n ip+=12\nelse:\n ip=cb+I2"]),
        ("brnz", 3, 4, ["if R1:\n ip=cb+I2\nelse:\n ip+=12"]),
        ("table", 0, 7, ["a=R1", "if U(a)>U(I2):\n a=I2", "ip=cb+ptr32(ip+12+(a<<2))[0]"]),
        ("fuel", 2, 4, ["f-=I1", "ip+=8", "if f<0:\n x=%d\n break" % FUEL]),
        ("enter", 4, 6, [
            "if cp>cl:\n x=%d\n break" % DEPTH,
            "f-=I1", "a=rb+I2", "b=a+I3", "while a<b:\n ptr32(a)[0]=0\n ptr32(a)[1]=0\n a+=8",
            "ip+=16", "if f<0:\n x=%d\n break" % FUEL]),
        ("done", 1, 12, ["x=%d" % DONE, "break"]),
        ("trap", 2, 12, ["x=I1", "break"]),
        ("host", 2, 11, ["a=I1", "st[%d]=a" % S_A, "x=%d" % HOST, "ip+=8", "break"]),
        ("grow", 3, 12, _leave(GROW, 2)),
        ("copy", 4, 11, _leave(COPY, 3)),
        ("fill", 4, 11, _leave(FILL, 3)),
        ("gget", 3, 6, ["R1=ptr32(r0+I2)[0]"]),
        ("gset", 3, 6, ["ptr32(r0+I2)[0]=R1"]),
        ("gget64", 3, 10, ["R1=ptr32(r0+I2)[0]", "H1=ptr32(r0+I2)[1]"]),
        ("gset64", 3, 10, ["ptr32(r0+I2)[0]=R1", "ptr32(r0+I2)[1]=H1"]),
        ("size", 2, 10, ["R1=s>>16"]),
        ("slow", 5, 8, ["if int(slow(I1,Z+I2,Z+I3,Z+I4)):\n x=%d\n break" % STORED]),
    ]
    ops += _calls()
    ops += _branches()
    ops += _divisions(wide)
    ops += _accesses(wide, lenient)
    ops += _longs(wide)
    return ops


def _calls():
    """Calls and returns: a place on the control stack has the way back and how far the frame moved."""
    return [
        ("call", 3, 6, ["ptr32(cp)[0]=ip+12-cb", "ptr32(cp)[1]=I2", "cp+=8", "rb+=I2", "ip=cb+I1"]),
        ("calli", 4, 8, [
            "a=R1", "if U(a)>=U(te):\n x=%d\n break" % ELEMENT,
            "b=ta+(a<<3)", "a=ptr32(b)[0]",
            "if a!=I2:\n x=%d\n if a==0x3fffffff:\n  x=%d\n break" % (MISMATCH, EMPTY),
            "ptr32(cp)[0]=ip+16-cb", "ptr32(cp)[1]=I3", "cp+=8", "rb+=I3", "ip=cb+ptr32(b)[1]"]),
        ("ret", 0, 7, ["cp-=8", "rb-=ptr32(cp)[1]", "ip=cb+ptr32(cp)[0]"]),
        ("ret32", 0, 6, ["ptr32(rb)[0]=R1", "cp-=8", "rb-=ptr32(cp)[1]", "ip=cb+ptr32(cp)[0]"]),
    ]


def _leave(status, operands):
    """Lines that stop for the host, with the operand words where it finds them."""
    lines = ["st[%d]=I%d" % (S_A + i, i + 1) for i in range(operands)]
    return lines + ["x=%d" % status, "ip+=%d" % (4 + 4 * operands), "break"]


def _branches():
    """Comparisons: their value in a slot, and fused with the branch."""
    ops = []
    for name, text in _COMPARES:
        ops.append((name, 4, 8, ["R1=" + text % (2, 3)]))
        ops.append(("br" + name, 4, 5, ["if %s:\n ip=cb+I3\nelse:\n ip+=16" % text % (1, 2)]))
    for name, text in _IMMEDIATE:
        rarity = 5 if name in ("eq", "ne") else 7
        ops.append(("br" + name + "i", 4, rarity, ["if %s:\n ip=cb+I3\nelse:\n ip+=16" % text]))
    return ops


def _divisions(wide):
    """i32 division: here where both are not negative, else by the slow path."""
    ops = []
    for name, opcode, sign in (("divs", 0x6D, "//"), ("divu", 0x6E, "//"), ("rems", 0x6F, "%"), ("remu", 0x70, "%")):
        if wide:
            good = "a>=0 and b>0" if name[-1] == "u" else "a<2147483648 and b<2147483648 and b>0"
        else:
            good = "a>=0 and b>0"
        line = "if %s:\n R1=a%sb\nelif int(slow(%d,Z+I1,Z+I2,Z+I3)):\n x=%d\n break" % (good, sign, opcode, STORED)
        ops.append((name, 4, 8, ["a=R2", "b=R3", line]))
    return ops


def _address(k, size, wide):
    """Lines: `a` is the effective address of the base in slot k and the offset in word 3, checked.

    No sum here can wrap, and no difference is compared unsigned: an offset has at
    most 30 bits, a memory less than 2^30 bytes.
    """
    if wide:
        return ["a=R%d+I3" % k, "if a+%d>s:\n x=%d\n break" % (size, BOUNDS)]
    return ["a=R%d" % k, "if a<0 or a>s-I3-%d:\n x=%d\n break" % (size, BOUNDS), "a+=I3"]


def _bytes(to, at, size):
    return "".join(["\n %s[%d]=%s[%d]" % (to, i, at, i) for i in range(size)])


def _accesses(wide, lenient):
    """Loads (to slot 1, base in slot 2) and stores (of slot 1, base in slot 2)."""
    ops = []
    for name, size, rarity, lines in (
        ("load8u", 1, 5, ["R1=ptr8(m+a)[0]"]),
        ("load8s", 1, 8, ["R1=(ptr8(m+a)[0]^128)-128"]),
        ("load16u", 2, 7, ["R1=ptr8(m+a)[0]|(ptr8(m+a)[1]<<8)"]),
        ("load16s", 2, 7, ["R1=((ptr8(m+a)[0]|(ptr8(m+a)[1]<<8))^32768)-32768"]),
        ("load32", 4, 4, ["R1=ptr32(m+a)[0]"]),
        ("load64", 8, 9, ["R1=ptr32(m+a)[0]", "H1=ptr32(m+a)[1]"]),
        ("store8", 1, 6, ["ptr8(m+a)[0]=R1"]),
        ("store16", 2, 8, ["b=R1", "ptr8(m+a)[0]=b", "ptr8(m+a)[1]=b>>8"]),
        ("store32", 4, 5, ["ptr32(m+a)[0]=R1"]),
        ("store64", 8, 8, ["ptr32(m+a)[0]=R1", "ptr32(m+a)[1]=H1"]),
    ):
        if size >= 4 and not lenient:
            to, at = ("q", "p") if name[0] == "l" else ("p", "q")
            slow = "if a&3:\n p=ptr8(m+a)\n q=ptr8(rb+I1)%s\nelse:" % _bytes(to, at, size)
            lines = ["\n ".join([slow] + lines)]
        elif name == "load16u" and lenient:
            lines = ["R1=ptr16(m+a)[0]"]
        elif name == "load16s" and lenient:
            lines = ["R1=(ptr16(m+a)[0]^32768)-32768"]
        ops.append((name, 4, rarity, _address(2, size, wide) + lines))
    # An address known when lowering, aligned and below the memory's least size.
    ops.append(("loadk", 3, 7, ["R1=ptr32(m+I2)[0]"]))
    ops.append(("storek", 3, 8, ["ptr32(m+I2)[0]=R1"]))
    # Stores of floats and their bits as integers: a NaN's own bits are not shown where runs must agree.
    ops.append(("nan32", 3, 11, ["a=R2", "if st[%d] and (a&st[%d])>st[%d]:\n a=st[%d]+(1<<22)" % (
        S_CANONICAL, S_SIGNLESS, S_INF32, S_INF32), "R1=a"]))
    ops.append(("nan64", 3, 11, [
        "a=R2", "b=H2", "c=b&st[%d]" % S_SIGNLESS,
        "if st[%d] and (c>st[%d] or (c==st[%d] and a)):\n a=0\n b=st[%d]+(1<<19)" % (
            S_CANONICAL, S_INF64, S_INF64, S_INF64), "R1=a", "H1=b"]))
    return ops


def _longs(wide):
    """i64, as one word or as two."""
    if wide:
        def put(text):
            return ["a=" + text, "R1=a", "H1=a>>32"]

        ops = [
            ("add64", put("L2+L3")), ("sub64", put("L2-L3")), ("mul64", put("L2*L3")),
            ("shl64", put("L2<<(R3&63)")), ("shrs64", put("L2>>(R3&63)")), ("shru64", put("int(uint(L2)>>(R3&63))")),
            ("rotl64", ["b=R3&63", "a=L2", "if b:\n a=(a<<b)|int(uint(a)>>(64-b))", "R1=a", "H1=a>>32"]),
            ("lts64", ["R1=L2<L3"]), ("les64", ["R1=L2<=L3"]),
            ("ltu64", ["R1=uint(L2)<uint(L3)"]), ("leu64", ["R1=uint(L2)<=uint(L3)"]),
        ]  # fmt: skip
    else:
        less = "a=H2", "b=H3", "if a==b:\n h=U(R2)%sU(R3)\nelse:\n h=%s\nR1=h"
        signed, unsigned = "a<b", "uint(a)<uint(b)"
        ops = [
            ("add64", ["c=R2", "a=c+R3", "b=H2+H3", "if uint(a)<uint(c):\n b+=1", "R1=a", "H1=b"]),
            ("sub64", ["c=R2", "e=R3", "b=H2-H3", "if uint(c)<uint(e):\n b-=1", "R1=c-e", "H1=b"]),
            ("mul64", [
                "a=R2&65535", "b=int(uint(R2)>>16)", "c=R3&65535", "e=int(uint(R3)>>16)",
                "g=H2*R3+R2*H3+b*e",
                # The four halves' products: low, and what the middle ones carry.
                "b=b*c", "e=a*e", "a=a*c",
                "c=int(uint(a)>>16)+(b&65535)+(e&65535)",
                "H1=g+int(uint(b)>>16)+int(uint(e)>>16)+int(uint(c)>>16)",
                "R1=(c<<16)|(a&65535)"]),
            ("shl64", ["c=R3&63", "a=R2", "b=H2",
                       "if c>31:\n b=a<<(c-32)\n a=0\nelif c:\n b=(b<<c)|int(uint(a)>>(32-c))\n a=a<<c",
                       "R1=a", "H1=b"]),
            ("shru64", ["c=R3&63", "a=R2", "b=H2",
                        "if c>31:\n a=int(uint(b)>>(c-32))\n b=0\n"
                        "elif c:\n a=int(uint(a)>>c)|(b<<(32-c))\n b=int(uint(b)>>c)",
                        "R1=a", "H1=b"]),
            ("shrs64", ["c=R3&63", "a=R2", "b=H2",
                        "if c>31:\n a=b>>(c-32)\n b=b>>31\nelif c:\n a=int(uint(a)>>c)|(b<<(32-c))\n b=b>>c",
                        "R1=a", "H1=b"]),
            ("rotl64", ["c=R3&63", "a=R2", "b=H2", "if c>31:\n c-=32\n e=a\n a=b\n b=e",
                        "if c:\n e=(a<<c)|int(uint(b)>>(32-c))\n b=(b<<c)|int(uint(a)>>(32-c))\n a=e",
                        "R1=a", "H1=b"]),
            ("lts64", list(less[:2]) + [less[2] % ("<", signed)]),
            ("les64", list(less[:2]) + [less[2] % ("<=", signed)]),
            ("ltu64", list(less[:2]) + [less[2] % ("<", unsigned)]),
            ("leu64", list(less[:2]) + [less[2] % ("<=", unsigned)]),
        ]  # fmt: skip
    for name in ("and", "or", "xor"):
        sign = {"and": "&", "or": "|", "xor": "^"}[name]
        ops.append((name + "64", ["R1=R2%sR3" % sign, "H1=H2%sH3" % sign]))
    ops.append(("eq64", ["h=R2==R3\nif H2!=H3:\n h=False\nR1=h"]))
    ops.append(("ne64", ["h=R2!=R3\nif H2!=H3:\n h=True\nR1=h"]))
    rows = [(name, 4, 9, lines) for name, lines in ops]
    rows.append(("eqz64", 3, 9, ["h=R2==0\nif H2:\n h=False\nR1=h"]))
    sign = "(R2<<32)>>63" if wide else "R2>>31"
    rows.append(("longs", 3, 9, ["a=R2", "R1=a", "H1=" + sign.replace("R2", "a")]))
    rows.append(("longu", 3, 9, ["R1=R2", "H1=0"]))
    return rows
