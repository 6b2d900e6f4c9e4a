"""Constants that say how large a result becomes, checked before an engine multiplies them."""

import math
from collections.abc import Sequence
from struct import Struct
from types import MappingProxyType
from typing import Final, NoReturn

from bokehbench.model import schema
from bokehbench.model.flatbuffer import ELEMENT_COST, Source, shown
from bokehbench.model.parts import Graph, Operator, SubGraph
from bokehbench.model.tensor import MAX_ELEMENTS, MAX_RANK, shape_text

SHAPE_INPUTS: Final[MappingProxyType[str, int]] = MappingProxyType(
    {
        "RESHAPE": 1,
        "BROADCAST_TO": 1,
        "FILL": 0,
        "TRANSPOSE_CONV": 0,
        "CONV_3D_TRANSPOSE": 0,
        "SPARSE_TO_DENSE": 1,
        "SCATTER_ND": 2,
        "RANDOM_UNIFORM": 0,
        "RANDOM_STANDARD_NORMAL": 0,
        "RESIZE_BILINEAR": 1,
        "RESIZE_NEAREST_NEIGHBOR": 1,
        "TILE": 1,
        "PAD": 1,
        "PADV2": 1,
        "MIRROR_PAD": 1,
    }
)
"""Which input gives the size of an operator's result."""

_ELEMENTS: Final = {"int32": "i", "int64": "q"}
_PADS: Final = ("PAD", "PADV2", "MIRROR_PAD")


def check_constants(source: Source, graph: Graph) -> None:
    """Refuses results of negative or overflowing size.

    What is not a constant can't be known before the model runs, and is left to the engine.

    Raises:
        ModelError: a RESHAPE, PAD, TILE, RESIZE or another of `SHAPE_INPUTS` asks for such a size.
    """
    for subgraph in graph.subgraphs:
        for place, operator in enumerate(subgraph.operators):
            if operator.name in SHAPE_INPUTS:
                _Asked(source, graph, subgraph, operator, place).check()


class _Asked:
    """One operator and the size that it asks for."""

    def __init__(
        self, source: Source, graph: Graph, subgraph: SubGraph, operator: Operator, place: int
    ) -> None:
        self.source = source
        self.graph = graph
        self.subgraph = subgraph
        self.operator = operator
        self.place = place

    def check(self) -> None:
        """Compares the constant, if it is one, with its operator's rule."""
        name = self.operator.name
        values = self._values(SHAPE_INPUTS[name])
        if values is None:
            return
        if name in _PADS:
            self._check_pads(values)
        elif name == "TILE":
            self._check_size(values, self._shape(0))
        elif name.startswith("RESIZE"):
            shape = self._shape(0) or ()
            self._check_size(values, (shape[0], *shape[3:]) if len(shape) > 2 else None)
        elif name == "RESHAPE":
            self._check_reshape(values)
        else:
            self._check_size(values, None)

    def _check_size(self, values: Sequence[int], times: Sequence[int] | None) -> None:
        if min(values, default=0) < 0:
            self._fail(values, "which is negative")
        known = [side for side in times or () if side > 0]
        if math.prod((*values, *known)) > MAX_ELEMENTS:
            self._fail(values, "which overflows 31 bits")

    def _check_reshape(self, values: Sequence[int]) -> None:
        free = sum(value == -1 for value in values)
        if free > 1 or min(values, default=0) < -1:
            self._fail(values, "which is negative")
        fixed = math.prod(value for value in values if value != -1)
        if fixed > MAX_ELEMENTS:
            self._fail(values, "which overflows 31 bits")
        shape = self._shape(0)
        # Old converters wrote [0] for a scalar, and TFLite still takes it so.
        if shape is None or -1 in shape or tuple(values) == (0,):
            return
        elements = math.prod(shape)
        if (elements % fixed if free and fixed else fixed != elements) and (fixed or not free):
            self._fail(values, f"and its input of {shape_text(shape)} has {elements} elements")

    def _check_pads(self, values: Sequence[int]) -> None:
        if min(values, default=0) < 0:
            self._fail(values, "which is negative")
        shape = self._shape(0)
        if shape is None or len(values) != 2 * len(shape):
            return
        sides = [
            max(side, 1) + before + after
            for side, before, after in zip(shape, values[::2], values[1::2], strict=True)
        ]
        if math.prod(sides) > MAX_ELEMENTS:
            self._fail(values, "which overflows 31 bits")

    def _values(self, position: int) -> tuple[int, ...] | None:
        """The constant at an input, or the option that stands for it; None where there is none."""
        operator = self.operator
        index = operator.inputs[position] if position < len(operator.inputs) else -1
        if index < 0:
            if operator.name == "RESHAPE" and operator.options is not None:
                return operator.options.integers(schema.ReshapeOptions.NEW_SHAPE) or None
            return None
        tensor = self.subgraph.tensors[index]
        region = self.graph.buffers[tensor.buffer]
        code = _ELEMENTS.get(tensor.dtype)
        if code is None or region.size == 0 or tensor.sparse:
            return None
        width = Struct(f"<{code}").size
        count = min(region.size // width, math.prod(max(side, 1) for side in tensor.shape))
        if count > 2 * MAX_RANK:
            self.source.fail(
                f"operator {self.place} ({operator.name}) takes its size from {count} numbers; "
                f"no tensor has more than {MAX_RANK} dimensions"
            )
        self.source.spend(count * ELEMENT_COST)
        return Struct(f"<{count}{code}").unpack_from(self.source.data, region.start)

    def _shape(self, position: int) -> tuple[int, ...] | None:
        """The shape of an input; None where the operator has none."""
        inputs = self.operator.inputs
        index = inputs[position] if position < len(inputs) else -1
        return self.subgraph.tensors[index].shape if index >= 0 else None

    def _fail(self, values: Sequence[int], problem: str) -> NoReturn:
        output = next((index for index in self.operator.outputs if index >= 0), None)
        result = f" of {shown(self.subgraph.tensors[output].name)}" if output is not None else ""
        self.source.fail(
            f"operator {self.place} ({self.operator.name}) asks for the size "
            f"{shape_text(values)}{result}, {problem}"
        )
