"""Conditions of rules: `input[0].rank > 4` and the like, parsed once and asked of one operator.

A condition is `SUBJECT RELATION VALUES`. Subjects:

    version, inputs, outputs            the operator's version, how many tensors it has
    runtime_inputs, constant_inputs     how many inputs are not, or are, constants
    input[N].FACT, output[N].FACT       FACT is present, dtype, constant, rank, elements, scales,
                                        sparse, values, dim[M] (M from the end where negative)
    runtime.dtypes, outputs.dtypes      the types of all inputs that are no constants, or outputs
    max_rank                            the largest rank of all tensors
    max_batch                           the largest first side of outputs of 2 dimensions and more
    option.NAME                         an option of the operator
    broadcast                           how the shapes of two inputs go together: same, scalar,
                                        suffix, channels, crossing (each has a side that the
                                        other lacks), wide (of ranks that differ), none

Relations: `is`, `is not` (one of the values or none of them), `<`, `<=`, `>`, `>=` (numbers),
`within`, `not within` (all of a set among the values, or not; neither holds of an empty set). What
is not known before the model runs makes a condition neither true nor false: None.
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from bokehbench.model.options import Value
from bokehbench.model.structure import Shape, TensorEntry

_CONDITION: Final = re.compile(r"(\S+) (is not|is|<=|<|>=|>|not within|within) (\S.*)")
_TENSOR: Final = re.compile(r"(input|output)\[(\d+)\]\.(\w+)(?:\[(-?\d+)\])?")
_PLAIN: Final = frozenset(
    {
        "version",
        "inputs",
        "outputs",
        "runtime_inputs",
        "constant_inputs",
        "runtime.dtypes",
        "outputs.dtypes",
        "max_rank",
        "max_batch",
        "broadcast",
    }
)
_FACTS: Final = frozenset(
    {"present", "dtype", "constant", "rank", "elements", "scales", "sparse", "values", "dim"}
)
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


class Condition(msgspec.Struct, frozen=True):
    """One condition; `text` is as it was written."""

    text: str
    subject: str
    relation: str
    values: tuple[Any, ...]

    def holds(self, asked: Asked) -> bool | None:
        """Whether it holds of an operator; None where that is not known before the model runs."""
        try:
            found = _look_up(self.subject, asked)
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
    tensor = _TENSOR.fullmatch(subject)
    if tensor is None and subject not in _PLAIN and not subject.startswith("option."):
        raise ValueError(f"{text!r}: nothing is called {subject}")
    if tensor is not None and (
        tensor[3] not in _FACTS or (tensor[3] == "dim") != (tensor[4] is not None)
    ):
        raise ValueError(f"{text!r}: a tensor has no {subject.partition('.')[2]}")
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


def _look_up(subject: str, asked: Asked) -> Any:
    tensor = _TENSOR.fullmatch(subject)
    if tensor is not None:
        return _of_tensor(asked, tensor[1], int(tensor[2]), tensor[3], tensor[4])
    if subject.startswith("option."):
        name = subject.removeprefix("option.")
        if name not in asked.options:
            raise _Absent
        return asked.options[name]
    runtime = [
        entry
        for place, entry in enumerate(asked.inputs)
        if entry is not None and place not in asked.constants
    ]
    made = [entry for entry in asked.outputs if entry is not None]
    everything = [*runtime, *(asked.inputs[place] for place in asked.constants), *made]
    match subject:
        case "version":
            return asked.version
        case "inputs":
            return len(asked.inputs)
        case "outputs":
            return len(asked.outputs)
        case "runtime_inputs":
            return len(runtime)
        case "constant_inputs":
            return len(asked.constants)
        case "runtime.dtypes":
            return frozenset(entry.dtype for entry in runtime)
        case "outputs.dtypes":
            return frozenset(entry.dtype for entry in made)
        case "max_rank":
            return max((len(entry.shape) for entry in everything if entry), default=0)
        case "max_batch":
            firsts = [entry.shape[0] for entry in made if len(entry.shape) > 1]
            return None if -1 in firsts else max(firsts, default=1)
        case _:
            return _broadcast(asked.inputs)


def _of_tensor(asked: Asked, side: str, place: int, fact: str, index: str | None) -> Any:
    tensors = asked.inputs if side == "input" else asked.outputs
    entry = tensors[place] if place < len(tensors) else None
    if fact == "present":
        return entry is not None
    if entry is None:
        raise _Absent
    match fact:
        case "constant":
            return side == "input" and place in asked.constants
        case "rank":
            return len(entry.shape)
        case "elements":
            return entry.elements
        case "dim":
            if not -len(entry.shape) <= int(index or 0) < len(entry.shape):
                raise _Absent
            length = entry.shape[int(index or 0)]
            return None if length < 0 else length
        case "values":
            if entry.values is None:
                return None
            return entry.values[0] if len(entry.values) == 1 else entry.values
        case _:
            return getattr(entry, fact)


def _broadcast(inputs: Sequence[TensorEntry | None]) -> str | None:
    if len(inputs) != 2 or inputs[0] is None or inputs[1] is None:
        raise _Absent
    return relation_of(inputs[0].shape, inputs[1].shape)


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
    return any(
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
