"""Conditions of rules: `input[0].rank > 4` and the like, parsed once and asked of one operator.

A condition is `SUBJECT RELATION VALUES`. Subjects:

    version, inputs, outputs            the operator's version, how many tensors it has
    runtime_inputs, constant_inputs     how many inputs are not, or are, constants
    input[N].FACT, output[N].FACT       FACT is present, dtype, constant, rank, elements, scales,
                                        sparse, values, dim[M] (M from the end where negative)
    runtime.dtypes, outputs.dtypes      the types of all inputs that are no constants, or outputs
    max_rank                            the largest rank of all tensors
    max_batch                           the largest first side of outputs of 2 dimensions and more
    least_ratio, most_ratio             of an input's quantisation scale to the first output's
    product_ratio                       of the product of the inputs' scales to it
    option.NAME                         an option of the operator
    broadcast                           how the shapes of two inputs go together: same, scalar,
                                        suffix, channels, crossing (each has a side that the
                                        other lacks), wide (of ranks that differ), none

Relations: `is`, `is not` (one of the values or none of them), `<`, `<=`, `>`, `>=` (numbers),
`within`, `not within` (all of a set among the values, or not; neither holds of an empty set). What
is not known before the model runs makes a condition neither true nor false: None.
"""

import functools
import math
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bokehbench.model.options import Value
from bokehbench.model.structure import Shape, TensorEntry

_CONDITION: Final = re.compile(r"(\S+) (is not|is|<=|<|>=|>|not within|within) (\S.*)")
_TENSOR: Final = re.compile(r"(input|output)\[(\d+)\]\.(\w+)(?:\[(-?\d+)\])?")
_WORDS: Final = {"true": True, "false": False}


class Asked(msgspec.Struct, frozen=True):
    """One operator as conditions see it; a tensor that is left out is None.

    `constants` are the places of inputs that the delegate sees as constants.
    """

    version: int
    inputs: tuple[TensorEntry | None, ...]
    outputs: tuple[TensorEntry | None, ...]
    constants: frozenset[int]
    options: dict[str, Value]


class _Absent(Exception):
    """The subject is a fact of a tensor or an option that the operator does not have."""


_Question = Callable[[Asked], Any]


def _runtime(asked: Asked) -> list[TensorEntry]:
    return [
        entry
        for place, entry in enumerate(asked.inputs)
        if entry is not None and place not in asked.constants
    ]


def _made(asked: Asked) -> list[TensorEntry]:
    return [entry for entry in asked.outputs if entry is not None]


def _max_rank(asked: Asked) -> int:
    entries = (*asked.inputs, *asked.outputs)
    return max((len(entry.shape) for entry in entries if entry is not None), default=0)


def _max_batch(asked: Asked) -> int | None:
    firsts = [entry.shape[0] for entry in _made(asked) if len(entry.shape) > 1]
    return None if -1 in firsts else max(firsts, default=1)


def _broadcast(asked: Asked) -> str | None:
    inputs = asked.inputs
    if len(inputs) != 2 or inputs[0] is None or inputs[1] is None:
        raise _Absent
    return relation_of(inputs[0].shape, inputs[1].shape)


def _scales(asked: Asked) -> tuple[list[float], float]:
    """Scales of all inputs and of the first output; each of them has one."""
    output = asked.outputs[0] if asked.outputs else None
    scales = [entry.scale for entry in asked.inputs if entry and entry.scale is not None]
    if output is None or not output.scale or not scales or len(scales) < len(asked.inputs):
        raise _Absent
    return scales, output.scale


def _least_ratio(asked: Asked) -> float:
    scales, output = _scales(asked)
    return min(scales) / output


def _most_ratio(asked: Asked) -> float:
    scales, output = _scales(asked)
    return max(scales) / output


def _product_ratio(asked: Asked) -> float:
    scales, output = _scales(asked)
    return scales[0] / output * math.prod(scales[1:])


_PLAIN: Final[dict[str, _Question]] = {
    "version": lambda asked: asked.version,
    "inputs": lambda asked: len(asked.inputs),
    "outputs": lambda asked: len(asked.outputs),
    "runtime_inputs": lambda asked: len(_runtime(asked)),
    "constant_inputs": lambda asked: len(asked.constants),
    "runtime.dtypes": lambda asked: frozenset(entry.dtype for entry in _runtime(asked)),
    "outputs.dtypes": lambda asked: frozenset(entry.dtype for entry in _made(asked)),
    "max_rank": _max_rank,
    "max_batch": _max_batch,
    "broadcast": _broadcast,
    "least_ratio": _least_ratio,
    "most_ratio": _most_ratio,
    "product_ratio": _product_ratio,
}


def _dim(entry: TensorEntry, axis: int) -> int | None:
    if not -len(entry.shape) <= axis < len(entry.shape):
        raise _Absent
    length = entry.shape[axis]
    return None if length < 0 else length


def _values(entry: TensorEntry, _axis: int) -> Any:
    if entry.values is None:
        return None
    return entry.values[0] if len(entry.values) == 1 else entry.values


_FACTS: Final[dict[str, Callable[[TensorEntry, int], Any]]] = {
    "dtype": lambda entry, _axis: entry.dtype,
    "rank": lambda entry, _axis: len(entry.shape),
    "elements": lambda entry, _axis: entry.elements,
    "scales": lambda entry, _axis: entry.scales,
    "sparse": lambda entry, _axis: entry.sparse,
    "values": _values,
    "dim": _dim,
}


def _of_option(name: str) -> _Question:
    def ask(asked: Asked) -> Any:
        if name not in asked.options:
            raise _Absent
        return asked.options[name]

    return ask


def _of_tensor(side: str, place: int, fact: str, axis: str | None) -> _Question | None:
    """What asks for a fact of the input or output at a place; None where there is no such fact."""
    is_input = side == "input"

    def tensor(asked: Asked) -> TensorEntry | None:
        tensors = asked.inputs if is_input else asked.outputs
        return tensors[place] if place < len(tensors) else None

    def constant(asked: Asked) -> bool:
        if tensor(asked) is None:
            raise _Absent
        return is_input and place in asked.constants

    if (fact == "dim") != (axis is not None):
        return None
    if fact == "present":
        return lambda asked: tensor(asked) is not None
    if fact == "constant":
        return constant
    own = _FACTS.get(fact)
    if own is None:
        return None
    index = int(axis or 0)

    def ask(asked: Asked) -> Any:
        entry = tensor(asked)
        if entry is None:
            raise _Absent
        return own(entry, index)

    return ask


@functools.cache
def _question(subject: str) -> _Question:
    """What a subject asks of an operator, made once of its words: models have thousands of them.

    Raises:
        ValueError: nothing is called so.
    """
    if subject in _PLAIN:
        return _PLAIN[subject]
    if subject.startswith("option."):
        return _of_option(subject.removeprefix("option."))
    tensor = _TENSOR.fullmatch(subject)
    if tensor is None:
        raise ValueError(f"nothing is called {subject}")
    asks = _of_tensor(tensor[1], int(tensor[2]), tensor[3], tensor[4])
    if asks is None:
        raise ValueError(f"a tensor has no {subject.partition('.')[2]}")
    return asks


class Condition(msgspec.Struct, frozen=True):
    """One condition; `text` is as it was written."""

    text: str
    subject: str
    relation: str
    values: tuple[Any, ...]

    def holds(self, asked: Asked) -> bool | None:
        """Whether it holds of an operator; None where that is not known before the model runs."""
        try:
            found = _question(self.subject)(asked)
        except _Absent:
            return False
        if found is None:
            return None
        return _RELATIONS[self.relation](found, self.values)


@functools.cache
def parse(text: str) -> Condition:
    """A condition from its text.

    Raises:
        ValueError: it is none, or its subject or a value is none.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no condition: SUBJECT RELATION VALUES")
    subject, relation, rest = match.groups()
    try:
        _question(subject)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    values = tuple(_value(word) for word in rest.split())
    numbers = all(isinstance(value, int | float) for value in values)
    if relation[0] in "<>" and (len(values) != 1 or not numbers):
        raise ValueError(f"{text!r}: {relation} takes one number")
    return Condition(text, subject, relation, values)


def _value(word: str) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if re.fullmatch(r"-?\d+(,-?\d+)+", word):
        return tuple(int(part) for part in word.split(","))
    try:
        return int(word)
    except ValueError:
        try:
            return float(word)
        except ValueError:
            return word


def relation_of(first: Shape, second: Shape) -> str | None:
    """How two shapes go together (see the module); None where a side is not known."""
    if min((*first, *second), default=0) < 0:
        return None
    if first == second:
        return "same"
    if not first or not second or max(first) == 1 or max(second) == 1:
        return "scalar"
    long, short = (first, second) if len(first) >= len(second) else (second, first)
    padded = (1,) * (len(long) - len(short)) + short
    if any(a != b and 1 not in (a, b) for a, b in zip(long, padded, strict=True)):
        return "none"
    if len(first) == len(second):
        smaller = any(a < b for a, b in zip(first, second, strict=True))
        larger = any(a > b for a, b in zip(first, second, strict=True))
        if smaller and larger:
            return "crossing"
    if all(side == 1 for side in padded[:-1]) and padded[-1] == long[-1]:
        return "channels"
    if len(first) == len(second):
        return "suffix"
    return "wide"


def _one_of(found: Any, values: tuple[Any, ...]) -> bool:
    # A bool is no number here: 1 is not true.
    return found in values and any(
        found == value and isinstance(found, bool) == isinstance(value, bool) for value in values
    )


def _within(found: Any, values: tuple[Any, ...]) -> bool:
    return bool(found) and set(found) <= set(values)


_RELATIONS: Final[dict[str, Callable[[Any, tuple[Any, ...]], bool]]] = {
    "is": _one_of,
    "is not": lambda found, values: not _one_of(found, values),
    "<": lambda found, values: found < values[0],
    "<=": lambda found, values: found <= values[0],
    ">": lambda found, values: found > values[0],
    ">=": lambda found, values: found >= values[0],
    "within": _within,
    "not within": lambda found, values: not set(found) <= set(values),
}
