"""Which boxes are meant, and what is asked of them: `top 10 % by availability where arch == "mipsel"`.

    choice  = [ranking] [ "where" predicate ] / predicate
    ranking = "top" percent "%" "by" attribute / attribute / "count"

`top` means those whose rank by a numeric attribute is among the highest so many
percent of the boxes that match the predicate.  An attribute alone, as in
`availability where region == "north"`, asks for its distribution; `count`, or
nothing, for the number of boxes.  A slice takes `top` and `where`, a query all.
"""

import dataclasses
import fractions

from . import predicate
from .attributes import ATTRIBUTES, numeric
from .errors import OperatorError

# The field counts in permille: a tenth of a percent is the finest there is.
TOP_MOST = 999


@dataclasses.dataclass
class Choice:
    """top: [permille, attribute] or None; by: attribute or None; where: nested arrays or None."""

    top: list = None
    by: str = None
    where: list = None

    def fields(self):
        """Returns what a manifest says of it, a dict."""
        named = {"top": self.top, "by": self.by, "where": self.where}
        return {key: value for key, value in named.items() if value is not None}

    @property
    def attribute(self):
        """The attribute whose distribution is asked for, or None."""
        return self.top[1] if self.top else self.by


def parse(text, what="choice"):
    """Returns the Choice of a text; OperatorError points at a mistake."""
    parser = predicate.Parser(text, what)
    choice = Choice()
    if parser.take("top"):
        choice.top = _top(parser)
    elif not parser.take("count"):
        choice.by = _by(parser)
    if choice.top or choice.by:
        if parser.take("where"):
            choice.where = parser.predicate()
        parser.finish("'where'")
    elif parser.take("where") or parser.peek()[0] is not None:
        choice.where = parser.predicate()
    return choice


def _top(parser):
    at = parser.at
    permille = share(parser)
    if permille > TOP_MOST:
        parser.fail("the top 100 % are all of them", at, "Leave `top` out, or say less than 100 %.")
    if parser.take("by") is None:
        parser.fail(f"expected 'by' and found {parser.peek()[1]}", hint=f"Rank by one of {', '.join(numeric())}.")
    return [permille, _numeric(parser)]


def share(parser):
    """Takes a percentage in tenths, 0.1 % to 100 %; returns permille."""
    at = parser.at
    kind, token, end = parser.peek()
    if kind != "number":
        parser.fail(f"expected a percentage, as in 10 %, and found {token}")
    parser.at = end
    if parser.take("%") is None:
        parser.fail(f"expected '%' and found {parser.peek()[1]}")
    permille = fractions.Fraction(token.replace("_", "")) * 10
    if permille.denominator != 1 or not 1 <= permille <= 1000:
        parser.fail("a share is from 0.1 % to 100 %, in steps of 0.1 %", at)
    return int(permille)


def _by(parser):
    """An attribute that is not the beginning of a comparison, or None."""
    explicit = parser.take("by")
    kind, name, end = parser.peek()
    if explicit:
        return _numeric(parser)
    if kind != "name" or name in predicate.WORDS:
        return None
    start, parser.at = parser.at, end
    following = parser.peek()
    parser.at = start
    # What follows a name decides: `load < 50` is a predicate, `load` asks for the load.
    if following[0] is None or following[1] == "where":
        return _numeric(parser)
    return None


def _numeric(parser):
    at = parser.at
    name = parser.attribute()
    if ATTRIBUTES[name].kind is not int:
        parser.fail(f"{name} is text and has no order", at, "Numbers are " + ", ".join(numeric()) + ".")
    return name


def parse_share(text, what="share"):
    """Returns the permille of "10 %" or "0.5%"; OperatorError points at a mistake."""
    parser = predicate.Parser(text, what)
    permille = share(parser)
    parser.finish("nothing more")
    return permille


def show_share(permille):
    """Returns "10 %" for 100 permille."""
    return f"{permille // 10}.{permille % 10} %" if permille % 10 else f"{permille // 10} %"


def of(payload):
    """Returns the Choice of a manifest's payload."""
    return Choice(payload.get("top"), payload.get("by"), payload.get("where"))


def show(choice):
    """Returns the text of a Choice; it parses to the same.  "" means any box."""
    parts = []
    if choice.top:
        parts.append(f"top {show_share(choice.top[0])} by {choice.top[1]}")
    elif choice.by:
        parts.append(choice.by)
    if choice.where:
        parts.append(("where " if parts else "") + predicate.show(choice.where))
    return " ".join(parts)


def of_slice(text):
    """Returns the Choice for a slice: a predicate, or `top P % by ATTRIBUTE` with or without one."""
    choice = parse(text, "predicate")
    if choice.by:
        raise OperatorError(
            f"{choice.by!r} alone chooses no boxes", f"Say `top 10 % by {choice.by}`, or compare it with a number."
        )
    return choice
