"""A model as subgraphs, tensors and operators, every index of them checked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bokehbench.model import schema
from bokehbench.model.flatbuffer import (
    FLOAT32,
    INT8,
    INT32,
    INT64,
    UINT8,
    UINT32,
    UINT64,
    Source,
    Table,
    shown,
)

MAX_TENSOR_BYTES: Final = 1 << 40
MAX_RANK: Final = 32


class Region(NamedTuple):
    """Where a buffer's bytes lie: first byte in the file and size in bytes."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Quantization:
    """`scale` and `zero_point` are the first of `count` along `axis`; 1 is per tensor."""

    count: int
    scale: float
    zero_point: int
    axis: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor. `shape` holds -1 where it is dynamic; `buffer` 0 is no constant.

    `external` is the identifier of a buffer in another file, 0 for none.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    buffer: int
    external: int
    quantization: Quantization | None
    is_variable: bool


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator; -1 in `inputs` or `outputs` is an optional tensor that is left out.

    `options` and `options_2` are the tables of its attributes, unread; they can be read as
    long as the file is open.
    """

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    options_2: Table | None


@dataclass(frozen=True, slots=True)
class SubGraph:
    """Tensors, and operators in the order in which they run. Ends are tensor indices."""

    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Names for a subgraph's ends: name and tensor index, in the file's order."""

    key: str
    subgraph: int
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A whole model. `external` gives the size in bytes of buffers in other files."""

    subgraphs: tuple[SubGraph, ...]
    signatures: tuple[Signature, ...]
    buffers: tuple[Region, ...]
    external: dict[int, int]


class _Code(NamedTuple):
    name: str
    version: int


def read_graph(source: Source) -> Graph:
    """The model in `source`, to be used while it is open.

    Raises:
        ModelError: not a .tflite, of another schema version, cut, damaged, or hostile.
    """
    root = source.root(schema.IDENTIFIER)
    version = root.integer(schema.Model.VERSION, UINT32)
    if version != schema.VERSION:
        source.fail(
            f"schema version {version}, only {schema.VERSION} can be read",
            "convert the model with a current TensorFlow or LiteRT",
        )
    buffers = tuple(_region(table) for table in root.tables(schema.Model.BUFFERS))
    external = {
        table.integer(schema.ExternalBuffer.ID, UINT32): table.integer(
            schema.ExternalBuffer.LENGTH, UINT64
        )
        for table in root.tables(schema.Model.EXTERNAL_BUFFERS)
    }
    codes = tuple(_code(table) for table in root.tables(schema.Model.OPERATOR_CODES))
    tables = tuple(root.tables(schema.Model.SUBGRAPHS))
    if not tables:
        source.fail("the model has no subgraphs", "convert it again")
    subgraphs = tuple(_subgraph(table, len(tables), codes, buffers, external) for table in tables)
    signatures = tuple(
        _signature(table, subgraphs) for table in root.tables(schema.Model.SIGNATURE_DEFS)
    )
    return Graph(subgraphs, signatures, buffers, external)


def _region(table: Table) -> Region:
    """In-line data win; an offset of 0 or 1 is the converter's placeholder for none."""
    source, slots = table.source, schema.Buffer
    inline = table.vector(slots.DATA, 1)
    if inline is not None:
        return Region(*inline)
    start, size = table.integer(slots.OFFSET, UINT64), table.integer(slots.SIZE, UINT64)
    if start <= 1 or size == 0:
        return Region(0, 0)
    if start + size > source.size:
        source.fail(f"a buffer of {size} bytes at byte {start} ends outside its {source.size}")
    return Region(start, size)


def _code(table: Table) -> _Code:
    slots = schema.OperatorCode
    old = table.integer(slots.DEPRECATED_BUILTIN_CODE, INT8)
    new = table.integer(slots.BUILTIN_CODE, INT32)
    custom = table.text(slots.CUSTOM_CODE)
    if max(old, new) < 0:
        table.source.fail(f"operator code {max(old, new)} is negative")
    if max(old, new) == schema.CUSTOM and not custom:
        table.source.fail("a custom operator has no name")
    return _Code(schema.operator_name(old, new, custom), table.integer(slots.VERSION, INT32, 1))


def _subgraph(
    table: Table,
    subgraphs: int,
    codes: Sequence[_Code],
    buffers: Sequence[Region],
    external: dict[int, int],
) -> SubGraph:
    source, slots = table.source, schema.SubGraph
    tensors = tuple(_tensor(entry, buffers, external) for entry in table.tables(slots.TENSORS))
    inputs, outputs = table.integers(slots.INPUTS), table.integers(slots.OUTPUTS)
    for index in (*inputs, *outputs):
        if not 0 <= index < len(tensors):
            source.fail(f"a subgraph's end is tensor {index} of {len(tensors)}")
    if not table.has(slots.OPERATORS):
        source.fail("a subgraph has no list of operators")
    operators = tuple(
        _operator(entry, len(tensors), subgraphs, codes) for entry in table.tables(slots.OPERATORS)
    )
    return SubGraph(table.text(slots.NAME) or "", tensors, inputs, outputs, operators)


def _tensor(table: Table, buffers: Sequence[Region], external: dict[int, int]) -> Tensor:
    source, slots = table.source, schema.Tensor
    name = table.text(slots.NAME) or ""
    code = table.integer(slots.TYPE, INT8)
    if not 0 <= code < len(schema.ELEMENT_TYPES):
        source.fail(f"tensor {shown(name)} has the unknown element type {code}")
    dtype, bits = schema.ELEMENT_TYPES[code]
    shape, dynamic = table.integers(slots.SHAPE), table.integers(slots.SHAPE_SIGNATURE)
    if len(shape) > MAX_RANK or (dynamic and len(dynamic) != len(shape)):
        source.fail(f"tensor {shown(name)} has {len(shape)} and {len(dynamic)} dimensions")
    if any(size < -1 for size in (*shape, *dynamic)):
        source.fail(f"tensor {shown(name)} has a negative dimension")
    elements = math.prod(max(size, 1) for size in shape)
    if elements * max(bits, 1) > MAX_TENSOR_BYTES * 8:
        shape_text = "x".join(map(str, shape))
        source.fail(f"tensor {shown(name)} of {shape_text} {dtype} is larger than 2^40 bytes")
    if dynamic:
        shape = tuple(-1 if free == -1 else size for size, free in zip(shape, dynamic, strict=True))
    buffer = table.integer(slots.BUFFER, UINT32)
    if buffer >= len(buffers):
        source.fail(f"tensor {shown(name)} uses buffer {buffer} of {len(buffers)}")
    if (
        0 < buffers[buffer].size < elements * bits // 8
        and not table.has(slots.SPARSITY)
        and min(shape, default=1) > 0
    ):
        source.fail(
            f"tensor {shown(name)} needs {elements * bits // 8} bytes, its buffer has "
            f"{buffers[buffer].size}"
        )
    other = table.integer(slots.EXTERNAL_BUFFER, UINT32)
    if other and other not in external:
        source.fail(f"tensor {shown(name)} uses the external buffer {other}, which is not listed")
    return Tensor(
        name,
        shape,
        dtype,
        buffer,
        other,
        _quantization(table.table(slots.QUANTIZATION)),
        bool(table.integer(slots.IS_VARIABLE, UINT8)),
    )


def _quantization(table: Table | None) -> Quantization | None:
    if table is None:
        return None
    slots = schema.QuantizationParameters
    scale, count = table.first(slots.SCALE, FLOAT32)
    zero, _ = table.first(slots.ZERO_POINT, INT64)
    if count == 0:
        return None
    return Quantization(count, scale, int(zero), table.integer(slots.QUANTIZED_DIMENSION, INT32))


def _operator(table: Table, tensors: int, subgraphs: int, codes: Sequence[_Code]) -> Operator:
    source, slots = table.source, schema.Operator
    index = table.integer(slots.OPCODE_INDEX, UINT32)
    if index >= len(codes):
        source.fail(f"an operator uses code {index} of {len(codes)}")
    code = codes[index]
    inputs, outputs = table.integers(slots.INPUTS), table.integers(slots.OUTPUTS)
    for tensor in (*inputs, *outputs):
        if not -1 <= tensor < tensors:
            source.fail(f"{shown(code.name)} uses tensor {tensor} of {tensors}")
    start = table.integer(slots.LARGE_CUSTOM_OPTIONS_OFFSET, UINT64)
    size = table.integer(slots.LARGE_CUSTOM_OPTIONS_SIZE, UINT64)
    if start > 1 and start + size > source.size:
        source.fail(f"options of {shown(code.name)} at byte {start} end outside the file")
    options = table.table(slots.BUILTIN_OPTIONS)
    options_2 = table.table(slots.BUILTIN_OPTIONS_2)
    if code.name in schema.SUBGRAPH_SLOTS:
        where, default, places = schema.SUBGRAPH_SLOTS[code.name]
        chosen = options if where == slots.BUILTIN_OPTIONS else options_2
        for place in places:
            called = chosen.integer(place, INT32, default) if chosen else default
            if not 0 <= called < subgraphs:
                source.fail(f"{code.name} runs subgraph {called} of {subgraphs}")
    return Operator(code.name, code.version, inputs, outputs, options, options_2)


def _signature(table: Table, subgraphs: Sequence[SubGraph]) -> Signature:
    source, slots = table.source, schema.SignatureDef
    key = table.text(slots.SIGNATURE_KEY) or ""
    index = table.integer(slots.SUBGRAPH_INDEX, UINT32)
    if index >= len(subgraphs):
        source.fail(f"signature {shown(key)} uses subgraph {index} of {len(subgraphs)}")
    ends = []
    for slot in (slots.INPUTS, slots.OUTPUTS):
        pairs = tuple(
            (
                entry.text(schema.TensorMap.NAME) or "",
                entry.integer(schema.TensorMap.TENSOR_INDEX, UINT32),
            )
            for entry in table.tables(slot)
        )
        for name, tensor in pairs:
            if tensor >= len(subgraphs[index].tensors):
                source.fail(f"signature {shown(key)} says that {shown(name)} is tensor {tensor}")
        ends.append(pairs)
    return Signature(key, index, ends[0], ends[1])
