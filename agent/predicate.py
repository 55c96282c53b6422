"""Predicates over a box's attributes: nested arrays, evaluated without eval.

    ["and", p, ...]   ["or", p, ...]   ["not", p]   [op, attribute, constant]

op is one of == != < <= > >=; constants are ints or text.  A comparison with an
attribute the box does not have, or of another type, is false.
"""

from .errors import RemoteError
from .limits import PREDICATE_DEPTH, PREDICATE_NODES

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def is_attribute(name):
    """True for text that can name an attribute: 1 to 32 characters."""
    return isinstance(name, str) and 1 <= len(name) <= 32


def check(predicate):
    """RemoteError unless predicate is well formed and within the caps."""
    _count(predicate, 1)


def _count(node, depth):
    if depth > PREDICATE_DEPTH:
        raise RemoteError("predicate too deep")
    if not isinstance(node, list) or not node or not isinstance(node[0], str):
        raise RemoteError("predicate form")
    total = 1
    if node[0] in ("and", "or", "not"):
        if len(node) < 2 or (node[0] == "not" and len(node) != 2):
            raise RemoteError("predicate form")
        for part in node[1:]:
            total += _count(part, depth + 1)
    elif node[0] in COMPARISONS:
        if len(node) != 3 or not isinstance(node[1], str) or not _is_constant(node[2]):
            raise RemoteError("predicate comparison")
    else:
        raise RemoteError("predicate operator")
    if total > PREDICATE_NODES:
        raise RemoteError("predicate too long")
    return total


def _is_constant(value):
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def holds(predicate, attributes):
    """True if a checked predicate holds for attributes, a dict of int and str.

    Never raises: it visits each part at most once, within the caps that were
    checked, and a comparison with anything but an int or a str is false.
    """
    op = predicate[0]
    if op == "and":
        for part in predicate[1:]:
            if not holds(part, attributes):
                return False
        return True
    if op == "or":
        for part in predicate[1:]:
            if holds(part, attributes):
                return True
        return False
    if op == "not":
        return not holds(predicate[1], attributes)
    value = attributes.get(predicate[1])
    wanted = predicate[2]
    if not isinstance(value, (int, str)) or isinstance(value, str) != isinstance(wanted, str):
        return False
    if op == "==":
        return value == wanted
    if op == "!=":
        return value != wanted
    if op == "<":
        return value < wanted
    if op == "<=":
        return value <= wanted
    if op == ">":
        return value > wanted
    return value >= wanted
