"""The globals of generated code that do not depend on the instance."""

from ..arithmetic import (
    bitsd, bitsf, ceil, clz, copysign, ctz, dbits, divs, fbits, fdiv, floor, fmax, fmin, ftoi, itod, itof, near,
    popcnt, rems, rotl, sat, shl, single, sqrt, trunc, wrap32, wrap32_cell, wrap64, wrap64_cell,
)  # fmt: skip
from ..trap import out_of_bounds, too_deep, unreachable


def address(base, offset):
    """The effective address of a base held signed."""
    if base < 0:
        out_of_bounds()
    return base + offset


def names(mode):
    """{name: function}; `mode` is the integer mode."""
    return {
        "Z": wrap32_cell if mode.truncates else wrap32,
        "Y": wrap64_cell if mode.truncates else wrap64,
        "divs": divs,
        "rems": rems,
        "shl": shl,
        "rotl": rotl,
        "clz": clz,
        "ctz": ctz,
        "popcnt": popcnt,
        "R": single,
        "fdiv": fdiv,
        "fmin": fmin,
        "fmax": fmax,
        "sqrt": sqrt,
        "trunc": trunc,
        "floor": floor,
        "ceil": ceil,
        "near": near,
        "csign": copysign,
        "ftoi": ftoi,
        "sat": sat,
        "itod": itod,
        "itof": itof,
        "fbits": fbits,
        "dbits": dbits,
        "bitsf": bitsf,
        "bitsd": bitsd,
        "a": address,
        "U": unreachable,
        "X": too_deep,
        "E": out_of_bounds,
    }
