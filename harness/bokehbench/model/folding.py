"""Small vectors of integers that a model computes from shapes, followed like constants."""

import math
from collections.abc import Callable
from typing import Final

from bokehbench.model.shapes import Call, Unknown, Values, picked

MAX_VALUES: Final = 64
"""Most elements of a vector of integers whose values are followed."""


def fold(call: Call) -> Values | None:
    """The values of a small vector of integers that an operator makes, or None."""
    try:
        found = _fold(call)
    except (Unknown, IndexError, ValueError, ZeroDivisionError, OverflowError):
        return None
    small = found is not None and len(found) <= MAX_VALUES
    return found if small and all(-(1 << 62) < value < 1 << 62 for value in found or ()) else None


def _fold(call: Call) -> Values | None:
    match call.name:
        case "SHAPE":
            return call.shape(0)
        case "RANK":
            return (len(call.shape(0)),)
        case "CAST" | "SQUEEZE" | "RESHAPE" | "EXPAND_DIMS":
            return call.value(0)
        case "STRIDED_SLICE":
            (taken,) = picked(call, (len(call.value(0)),))
            values = call.value(0)
            if isinstance(taken, int):
                return (values[taken],)
            return tuple(values[place] for place in taken)
        case "SLICE":
            (begin,), (size,) = call.value(1), call.value(2)
            return call.value(0)[begin : None if size == -1 else begin + size]
        case "PACK" | "CONCATENATION":
            return tuple(v for place in range(len(call.values)) for v in call.value(place))
        case "GATHER":
            return tuple(call.value(0)[place] for place in call.value(1))
        case "REDUCE_PROD":
            return (math.prod(call.value(0)),)
        case "ADD" | "SUB" | "MUL" | "DIV" | "FLOOR_DIV" | "MAXIMUM" | "MINIMUM":
            left, right = call.value(0), call.value(1)
            size = max(len(left), len(right))
            left = left * size if len(left) == 1 else left
            right = right * size if len(right) == 1 else right
            by = _ARITHMETIC[call.name]
            return tuple(by(a, b) for a, b in zip(left, right, strict=True))
    return None


def _divided(a: int, b: int) -> int:
    """DIV of integers, which cuts toward zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


_ARITHMETIC: Final[dict[str, Callable[[int, int], int]]] = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "DIV": _divided,
    "FLOOR_DIV": lambda a, b: a // b,
    "MAXIMUM": max,
    "MINIMUM": min,
}
