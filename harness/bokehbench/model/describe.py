"""A .tflite file -> ModelStructure: everything that can be known of it without running it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from struct import Struct
from typing import Final

from bokehbench.errors import UsageError
from bokehbench.model import shapes
from bokehbench.model.cost import macs_of
from bokehbench.model.flatbuffer import ELEMENT_COST, Source, open_source
from bokehbench.model.folding import MAX_VALUES, fold
from bokehbench.model.graph import Graph, Operator, SubGraph, Tensor, read_graph
from bokehbench.model.liveness import memory_use
from bokehbench.model.options import Value, read_options
from bokehbench.model.structure import (
    ModelStructure,
    OpEntry,
    Shape,
    SignatureEntry,
    SubGraphEntry,
    TensorEntry,
    WeightShare,
)
from bokehbench.text import clean

_INTEGERS: Final = {"int32": "i", "int64": "q"}
_SHAPING: Final = frozenset({"int32", "int64", "bool", "string", "resource", "variant"})
"""Types of constants that say how, not what: axes, shapes, indices. An int32 bias of a quantised
operator is a parameter all the same."""


def read_structure(
    path: str | Path,
    input_shapes: Sequence[Shape] | None = None,
    free: tuple[int, int] | None = None,
) -> ModelStructure:
    """Reads and checks the .tflite at `path`; values of weights are not touched.

    Args:
        path: the file.
        input_shapes: the shapes at which the model runs, in the order of its inputs; by
            default the file's own.
        free: what a free height and width become where `input_shapes` is not given; other free
            dimensions become 1. None leaves them free.

    Raises:
        ModelError: as `read_model`.
        UsageError: an input shape does not go with the model's.
    """
    path = Path(path)
    with open_source(path) as source:
        graph = read_graph(source)
        main = graph.signatures[0].subgraph if graph.signatures else 0
        subgraphs = []
        for number, subgraph in enumerate(graph.subgraphs):
            given: Mapping[int, Shape] = {}
            if number == main:
                given = _given(source.name, subgraph, input_shapes, free)
            subgraphs.append(_subgraph(source, graph, subgraph, given))
        unknown = sorted({o.name for s in subgraphs for o in s.ops if o.macs is None})
        weights = _weights(graph)
        ops = [op for subgraph in subgraphs for op in subgraph.ops]
        chosen = subgraphs[main]
        return ModelStructure(
            name=clean(path.stem),
            file_name=clean(path.name),
            size_bytes=source.size,
            description=clean(graph.description),
            main=main,
            subgraphs=tuple(subgraphs),
            signatures=tuple(_signature(graph, number) for number in range(len(graph.signatures))),
            metadata={clean(name): graph.buffers[buffer].size for name, buffer in graph.metadata},
            parameters=sum(share.parameters for share in weights.values()),
            weights=weights,
            macs=None if unknown else sum(op.macs or 0 for op in ops),
            macs_unknown=tuple(map(clean, unknown)),
            memory=memory_use(chosen.tensors, chosen.ops, chosen.inputs, chosen.outputs),
            external_bytes=sum(graph.external.values()),
        )


def _given(
    name: str, subgraph: SubGraph, wanted: Sequence[Shape] | None, free: tuple[int, int] | None
) -> dict[int, Shape]:
    """Shapes of the inputs by tensor."""
    own = [subgraph.tensors[index].shape for index in subgraph.inputs]
    if wanted is None:
        if free is None:
            return dict(zip(subgraph.inputs, own, strict=True))
        wanted = [
            tuple(
                (free[axis - 1] if len(shape) == 4 and axis in (1, 2) else 1)
                if size == -1
                else size
                for axis, size in enumerate(shape)
            )
            for shape in own
        ]
    if len(wanted) != len(own) or any(len(a) != len(b) for a, b in zip(wanted, own, strict=True)):
        raise UsageError(f"{name}: its inputs are {own}; give shapes of that number and rank")
    return dict(zip(subgraph.inputs, map(tuple, wanted), strict=True))


def _subgraph(
    source: Source, graph: Graph, subgraph: SubGraph, given: Mapping[int, Shape]
) -> SubGraphEntry:
    constants = [_constant(graph, tensor) for tensor in subgraph.tensors]
    values: dict[int, tuple[int, ...]] = {}
    for index, tensor in enumerate(subgraph.tensors):
        found = _values(source, graph, tensor)
        if found is not None:
            values[index] = found
    known = list(values)
    sizes: list[Shape] = [tensor.shape for tensor in subgraph.tensors]
    moved = {
        index
        for index, shape in given.items()
        if -1 in subgraph.tensors[index].shape or shape != subgraph.tensors[index].shape
    }
    for index in moved:
        sizes[index] = given[index]
    ops = []
    for operator in subgraph.operators:
        options = read_options(operator.name, operator.options)
        if any(index in moved for index in operator.inputs):
            _follow(operator, options, sizes, values, moved)
        ops.append(_op(operator, options, sizes))
    constant_values = {index: values[index] for index in known}
    return SubGraphEntry(
        name=clean(subgraph.name),
        tensors=tuple(
            _tensor(graph, tensor, sizes[index], constants[index], constant_values.get(index))
            for index, tensor in enumerate(subgraph.tensors)
        ),
        inputs=subgraph.inputs,
        outputs=subgraph.outputs,
        ops=tuple(ops),
    )


def _follow(
    operator: Operator,
    options: dict[str, Value],
    sizes: list[Shape],
    values: dict[int, tuple[int, ...]],
    moved: set[int],
) -> None:
    """What an operator makes of inputs that depend on a size that was given."""
    inputs = [index for index in operator.inputs if index >= 0]
    outputs = [index for index in operator.outputs if index >= 0]
    if len(inputs) != len(operator.inputs):
        inputs = list(operator.inputs)
    call = shapes.Call(
        name=operator.name,
        shapes=tuple(_known(sizes[index]) if index >= 0 else () for index in inputs),
        values=tuple(values.get(index) for index in inputs),
        options=options,
        outputs=len(outputs),
    )
    folded = fold(call) if len(outputs) == 1 else None
    for index, shape in zip(outputs, shapes.infer(call), strict=True):
        told = sizes[index]
        # A side that is open in the file says more than nothing.
        sizes[index] = shape if shape is not None else told if -1 in told else (-1,) * len(told)
        moved.add(index)
        values.pop(index, None)
        if folded is not None:
            values[index] = folded


def _known(shape: Shape) -> Shape | None:
    return shape if min(shape, default=0) >= 0 else None


def _op(operator: Operator, options: dict[str, Value], sizes: Sequence[Shape]) -> OpEntry:
    return OpEntry(
        name=clean(operator.name),
        version=operator.version,
        inputs=operator.inputs,
        outputs=operator.outputs,
        options=options,
        macs=macs_of(
            operator.name,
            [sizes[index] if index >= 0 else None for index in operator.inputs],
            [sizes[index] if index >= 0 else None for index in operator.outputs],
            options,
        ),
    )


def _tensor(
    graph: Graph,
    tensor: Tensor,
    shape: Shape,
    constant: bool,
    values: tuple[int, ...] | None,
) -> TensorEntry:
    return TensorEntry(
        name=clean(tensor.name),
        shape=shape,
        dtype=tensor.dtype,
        constant=constant,
        stored_bytes=_stored(graph, tensor),
        scales=tensor.quantization.count if tensor.quantization else 0,
        scale=tensor.quantization.scale if tensor.quantization else None,
        sparse=tensor.sparse,
        variable=tensor.is_variable,
        values=values,
    )


def _stored(graph: Graph, tensor: Tensor) -> int:
    if tensor.external:
        return graph.external[tensor.external]
    return graph.buffers[tensor.buffer].size


def _constant(graph: Graph, tensor: Tensor) -> bool:
    return _stored(graph, tensor) > 0 and not tensor.is_variable


def _values(source: Source, graph: Graph, tensor: Tensor) -> tuple[int, ...] | None:
    """The elements of a small constant of integers; its region was checked by `read_graph`."""
    letter = _INTEGERS.get(tensor.dtype)
    if letter is None or tensor.sparse or tensor.external or tensor.is_variable:
        return None
    region = graph.buffers[tensor.buffer]
    count = 1
    for size in tensor.shape:
        count *= max(size, 0)
    layout = Struct(f"<{min(count, MAX_VALUES)}{letter}")
    if region.size == 0 or count > MAX_VALUES or layout.size > region.size:
        return None
    source.spend(count * ELEMENT_COST)
    return layout.unpack_from(source.data, region.start)


def _weights(graph: Graph) -> dict[str, WeightShare]:
    """Parameters by kind; a buffer that several tensors use counts once."""
    counted: set[tuple[int, int]] = set()
    shares: dict[str, tuple[int, int]] = {}
    for subgraph in graph.subgraphs:
        for tensor in subgraph.tensors:
            place = (tensor.buffer, tensor.external)
            if not _constant(graph, tensor) or place in counted:
                continue
            if tensor.dtype in _SHAPING and tensor.quantization is None:
                continue
            counted.add(place)
            elements = 1
            for size in tensor.shape:
                elements *= max(size, 0)
            kind = "sparse" if tensor.sparse else tensor.dtype
            old = shares.get(kind, (0, 0))
            shares[kind] = (old[0] + elements, old[1] + _stored(graph, tensor))
    return {
        kind: WeightShare(parameters=parameters, size_bytes=size)
        for kind, (parameters, size) in sorted(shares.items())
    }


def _signature(graph: Graph, number: int) -> SignatureEntry:
    signature = graph.signatures[number]
    return SignatureEntry(
        key=clean(signature.key),
        subgraph=signature.subgraph,
        inputs=tuple(clean(name) for name, _ in signature.inputs),
        outputs=tuple(clean(name) for name, _ in signature.outputs),
    )
