"""Options that kernels divide by or count with, checked before an engine does."""

from types import MappingProxyType
from typing import Final

from bokehbench.model.flatbuffer import Source
from bokehbench.model.options import FIELDS, read_options
from bokehbench.model.parts import Graph, Operator

_DIVISORS: Final = ("stride_", "dilation_", "filter_", "block_size")

_POSITIVE: Final = MappingProxyType(
    {
        operator: names
        for operator, fields in FIELDS.items()
        if (names := tuple(field.name for field in fields if field.name.startswith(_DIVISORS)))
    }
)
"""Operator -> its options that have to be 1 or more."""

CHECKED: Final = frozenset({*_POSITIVE, "SPLIT", "LOCAL_RESPONSE_NORMALIZATION"})


def check_steps(source: Source, graph: Graph) -> None:
    """Refuses what engines divide by zero with, or walk past an array with.

    Each ended the process of LiteRT 2.3.0, in its own kernels or in XNNPACK's delegate, which looks
    at operators before they do.

    Raises:
        ModelError: a stride, dilation, filter or block below 1, a SPLIT into another number of
            parts than it has outputs, or a negative radius.
    """
    for subgraph in graph.subgraphs:
        for place, operator in enumerate(subgraph.operators):
            if operator.name in CHECKED:
                _check(source, operator, place)


def _check(source: Source, operator: Operator, place: int) -> None:
    options = read_options(operator.name, operator.options)
    numbers = {name: value for name, value in options.items() if isinstance(value, int)}
    where = f"operator {place} ({operator.name})"
    for name in _POSITIVE.get(operator.name, ()):
        if numbers[name] < 1:
            what = name.replace("_", " ")
            source.fail(f"{where} has a {what} of {numbers[name]}, which has to be 1 or more")
    if operator.name == "SPLIT" and numbers["num_splits"] != len(operator.outputs):
        parts = f"{numbers['num_splits']} parts"
        source.fail(f"{where} makes {parts} and has {len(operator.outputs)} outputs")
    if operator.name == "LOCAL_RESPONSE_NORMALIZATION" and numbers["radius"] < 0:
        source.fail(f"{where} has a radius of {numbers['radius']}, which is negative")
