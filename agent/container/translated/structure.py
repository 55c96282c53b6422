"""Which constructs of a function become a Python `while`, and how branches leave them.

Decided from what the scan recorded, before a line is written.  A loop that is
repeated is a `while`.  A block that is branched to need not be one: where its end
is also the end of the innermost `while` around the branch, `break` gets there.  And
where every branch out of a `while` goes to one label, and nothing else leaves it,
the jump can stand behind the `while`, and no number need say where to go.
"""

from ..validate import LOOP


def decide(shape):
    """Fill in shape.whiles, shape.exclusive and shape.branches (whether `b` is needed)."""
    n = len(shape.targets)
    parents, jumps = shape.parents, shape.jumps
    whiles = bytearray(n)
    for i in range(1, n):
        if shape.kinds[i] == LOOP and shape.targets[i]:
            whiles[i] = 1
    shape.whiles = whiles
    shape.exclusive = bytearray(n)
    changed = True
    while changed:
        changed = False
        for jump in jumps:
            to = jump & 0xFFFF
            if not whiles[to] and not breaks(shape, _innermost(whiles, parents, jump >> 16), to):
                whiles[to] = 1
                changed = True
    _exclude(shape, n)


def breaks(shape, inner, to):
    """Does a `break` of the `while` of construct `inner` get to the label of `to`?"""
    return inner and shape.kinds[to] != LOOP and shape.classes[inner] == shape.classes[to]


def _innermost(whiles, parents, i):
    """The innermost `while` around what stands in construct i; 0: none."""
    while i and not whiles[i]:
        i = parents[i]
    return i


def _exclude(shape, n):
    whiles, parents = shape.whiles, shape.parents
    labels = [0] * n  # the one label that branches go to from inside and over it, -1: several
    farthest = [n] * n
    stays = bytearray(n)  # something goes on behind it, or a branch crosses it with `b` set
    for jump in shape.jumps:
        i, to = _innermost(whiles, parents, jump >> 16), jump & 0xFFFF
        if shape.kinds[to] != LOOP:
            stays[to] = 1
        if i == to:
            continue
        if breaks(shape, i, to):
            # From its end the code runs on through the ends behind it.
            while i and shape.classes[i] == shape.classes[to]:
                stays[i] = 1
                i = parents[i]
            continue
        while i and i != to:
            if whiles[i]:
                labels[i] = to if labels[i] in (0, to) else -1
                farthest[i] = min(farthest[i], to)
            i = parents[i]
    shape.branches = False
    # Inner ones first: their numbers are higher.
    for i in range(n - 1, 0, -1):
        if not whiles[i] or not labels[i]:
            continue
        if labels[i] > 0 and not stays[i] and not shape.falls[i]:
            shape.exclusive[i] = 1
            continue
        shape.branches = True
        outer = _innermost(whiles, parents, parents[i])
        if farthest[i] < outer:
            stays[outer] = 1
