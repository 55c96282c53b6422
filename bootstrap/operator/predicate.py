"""From `arch == "mipsel" and mem_free >= 32 MiB` to the arrays of a manifest.

    or-term    = and-term *( "or" and-term )
    and-term   = not-term *( "and" not-term )
    not-term   = "not" not-term / "(" or-term ")" / comparison
    comparison = attribute operator constant
    operator   = "==" "!=" "<" "<=" ">" ">="
    constant   = string in quotes / number [unit] / "true" / "false"
    unit       = B KiB MiB GiB kB MB GB s min h d %

A number may have a decimal point if its unit makes it whole.  What an attribute
is counted in, and its units, are in attributes.py.

`a == 1 and b == 2` becomes ["and", ["==", "a", 1], ["==", "b", 2]].  A box
compares the arrays with its own attributes; this file never runs on a box.
"""

import difflib
import fractions
import re

from ...agent import limits
from .attributes import ATTRIBUTES, UNITS, exact
from .errors import OperatorError

COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
WORDS = ("and", "or", "not", "true", "false", "where", "top", "by", "count")
# The largest text constant: attributes of a box are not longer.
TEXT_BYTES = 64
# The agent's CBOR holds 64 bits; its 32-bit interpreters prefer far less.
NUMBER_MOST = (1 << 63) - 1
# Room for 32 comparisons, each with a long text.
TEXT_MOST = 4096
# Brackets and "not" inside each other, so that the parser's recursion is bounded.
NESTING = 32
TOKEN = re.compile(
    r"""\s*(?:(?P<number>[0-9][0-9_]*(?:\.[0-9]+)?)|(?P<name>[A-Za-z][A-Za-z0-9_]*)"""
    r"""|(?P<text>"[^"]*"|'[^']*')|(?P<mark>==|!=|<=|>=|<|>|\(|\)|%))"""
)


class Parser:
    """Recursive descent over one text; `at` is the position of the next token."""

    def __init__(self, text, what="predicate"):
        if len(text) > TEXT_MOST:
            raise OperatorError(f"the {what} is longer than {TEXT_MOST:,} characters")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise OperatorError(f"the {what} is not UTF-8 text") from None
        self.text = text
        self.what = what
        self.at = 0
        self.nesting = 0

    def fail(self, problem, at=None, hint=""):
        """Raises OperatorError with a caret under the place."""
        at = self.at if at is None else at
        while at < len(self.text) and self.text[at].isspace():
            at += 1
        # One column for each character, whatever it is to a terminal.
        shown = "".join(letter if letter.isprintable() else " " for letter in self.text)
        place = f"\n  {shown}\n  {' ' * at}^"
        raise OperatorError(f"the {self.what} is wrong at column {at + 1}: {problem}{place}", hint)

    def peek(self):
        """Returns (kind, token, end); kind is None at the end of the text."""
        if not self.text[self.at:].strip():
            return None, "the end", len(self.text)
        match = TOKEN.match(self.text, self.at)
        if not match:
            self.fail(f"{self.text[self.at:].strip()[0]!r} has no meaning here")
        return match.lastgroup, match.group(match.lastgroup), match.end()

    def take(self, *tokens):
        """Takes the next token if it is one of these; returns it or None."""
        kind, token, end = self.peek()
        if kind in ("name", "mark") and token in tokens:
            self.at = end
            return token
        return None

    def finish(self, expected):
        """Fails unless the text ends here."""
        kind, token, _ = self.peek()
        if kind is not None:
            self.fail(f"expected {expected} or the end and found {token}")

    def predicate(self):
        """Returns the nested arrays from here to the end of the text."""
        value = self.any_of()
        self.finish("'and', 'or'")
        depth, nodes = measure(value)
        if depth > limits.PREDICATE_DEPTH or nodes > limits.PREDICATE_NODES:
            raise OperatorError(
                f"the predicate has {nodes} parts in {depth} levels; a box takes "
                f"{limits.PREDICATE_NODES} in {limits.PREDICATE_DEPTH}",
                "Say it with fewer comparisons or brackets.",
            )
        return value

    def join(self, word, part):
        """part *( word part ), as one array if there are several."""
        parts = [part()]
        while self.take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else [word, *parts]

    def any_of(self):
        return self.join("or", self.all_of)

    def all_of(self):
        return self.join("and", self.negation)

    def negation(self):
        """not-term, its nesting bounded."""
        start = self.at
        opening = self.take("not", "(")
        if opening is None:
            return self.comparison()
        self.nesting += 1
        if self.nesting > NESTING:
            self.fail(f"nested deeper than {NESTING}", start, "Say it with fewer brackets.")
        if opening == "not":
            inner = ["not", self.negation()]
        else:
            inner = self.any_of()
            if self.take(")") is None:
                self.fail(f"expected ')' and found {self.peek()[1]}")
        self.nesting -= 1
        return inner

    def attribute(self):
        """Takes the name of an attribute that boxes have."""
        kind, name, end = self.peek()
        if kind != "name" or name in WORDS:
            self.fail(f"expected an attribute and found {name}", hint=_attributes())
        if name not in ATTRIBUTES:
            near = difflib.get_close_matches(name, ATTRIBUTES, 1)
            self.fail(
                f"no box has an attribute {name!r}",
                hint=f"Did you mean {near[0]!r}?" if near else _attributes(),
            )
        self.at = end
        return name

    def comparison(self):
        """[operator, attribute, constant], the constant of the attribute's type."""
        start = self.at
        attribute = self.attribute()
        operator = self.take(*COMPARISONS)
        if operator is None:
            self.fail(f"expected one of {' '.join(COMPARISONS)} and found {self.peek()[1]}")
        constant_at = self.at
        constant = self.constant(attribute)
        if not isinstance(constant, ATTRIBUTES[attribute].kind):
            is_text = ATTRIBUTES[attribute].kind is str
            wanted = 'text in quotes, as in "mipsel"' if is_text else "a whole number"
            self.fail(f"{attribute} is compared with {wanted}", constant_at)
        if isinstance(constant, str) and operator not in ("==", "!="):
            self.fail(f"text is compared with == or !=, not {operator}", start)
        return [operator, attribute, constant]

    def constant(self, attribute):
        """A text, or a number in the attribute's own unit."""
        kind, token, end = self.peek()
        if kind == "text":
            if len(token[1:-1].encode()) > TEXT_BYTES:
                self.fail(f"text longer than {TEXT_BYTES} bytes")
            self.at = end
            return token[1:-1]
        if kind == "name" and token in ("true", "false"):
            self.at = end
            return int(token == "true")
        if kind != "number":
            self.fail(f"expected text in quotes or a number and found {token}")
        start, self.at = self.at, end
        value = fractions.Fraction(token.replace("_", "")) * self.unit(attribute)
        if value.denominator != 1:
            self.fail(f"{attribute} is a whole number of {ATTRIBUTES[attribute].unit}", start)
        if value > NUMBER_MOST:
            self.fail("the number is too large", start)
        return int(value)

    def unit(self, attribute):
        """Takes a unit, if one comes; returns how many of the attribute's own unit it is."""
        kind, unit, end = self.peek()
        if unit != "%" and (kind != "name" or unit in WORDS or unit in ATTRIBUTES):
            return 1
        units = ATTRIBUTES[attribute].units
        if unit not in units:
            of = f"Units of {attribute} are " + ", ".join(units) + "." if units else f"{attribute} has no unit."
            self.fail(f"{unit!r} is not a unit" + (f" of {attribute}" if unit in UNITS else ""), hint=of)
        self.at = end
        return units[unit]


def _attributes():
    return "Attributes are " + ", ".join(sorted(ATTRIBUTES)) + "."


def parse(text):
    """Returns the nested arrays for `text`; OperatorError points at a mistake."""
    return Parser(text).predicate()


def measure(value):
    """Returns (depth, nodes) of nested arrays: each array is a level and a node."""
    if value[0] not in ("and", "or", "not"):
        return 1, 1
    inner = [measure(part) for part in value[1:]]
    return 1 + max(depth for depth, _ in inner), 1 + sum(nodes for _, nodes in inner)


def show(value):
    """Returns the text of nested arrays, for people to read; it parses to the same."""
    if value[0] == "not":
        return "not " + _inner(value[1])
    if value[0] in ("and", "or"):
        return f" {value[0]} ".join(_inner(part) for part in value[1:])
    operator, attribute, constant = value
    if isinstance(constant, str):
        quote = "'" if '"' in constant else '"'
        return f"{attribute} {operator} {quote}{constant}{quote}"
    return f"{attribute} {operator} {exact(attribute, constant)}"


def _inner(value):
    return f"({show(value)})" if value[0] in ("and", "or") else show(value)
