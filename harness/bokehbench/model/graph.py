"""A model as subgraphs, tensors and operators, every index of them checked."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from bokehbench.model import schema
from bokehbench.model.constants import check_constants
from bokehbench.model.flatbuffer import INT8, INT32, UINT8, UINT32, UINT64, Source, Table, shown
from bokehbench.model.layout import UNIONS
from bokehbench.model.operands import check_operands
from bokehbench.model.parts import (
    Graph,
    Operator,
    Quantization,
    Region,
    Signature,
    SubGraph,
    Tensor,
)
from bokehbench.model.steps import check_steps
from bokehbench.model.tensor import read_tensor
from bokehbench.model.verify import verify
from bokehbench.model.wiring import check_wiring

__all__ = [
    "Graph",
    "Operator",
    "Quantization",
    "Region",
    "Signature",
    "SubGraph",
    "Tensor",
    "read_graph",
]

MAX_SUBGRAPHS: Final = 4096
MAX_ENDS: Final = 4096
"""Inputs and outputs of one subgraph; models of language have some hundred."""

MAX_OPERATOR_NAME: Final = 256
"""Characters; the longest names of public custom operators have some fifty."""

OPERAND_COST: Final = 112
"""Beside an element's: each operand is followed again for wiring, work, memory and rules."""


class _Code(NamedTuple):
    name: str
    version: int


def read_graph(source: Source) -> Graph:
    """The model in `source`, to be used while it is open.

    Raises:
        ModelError: not a .tflite, of another schema version, cut, damaged, or hostile.
    """
    verify(source, schema.IDENTIFIER)
    root = source.root(schema.IDENTIFIER)
    version = root.integer(schema.Model.VERSION, UINT32)
    if version != schema.VERSION:
        source.fail(
            f"schema version {version}, only {schema.VERSION} can be read",
            "convert the model with a current TensorFlow or LiteRT",
        )
    buffers = [_region(table) for table in root.tables(schema.Model.BUFFERS)]
    if buffers:
        # Number 0 stands for none: engines look at no bytes that it has.
        buffers[0] = Region(0, 0)
    for index in root.integers(schema.Model.METADATA_BUFFER):
        if not 0 <= index < len(buffers):
            source.fail(f"metadata lies in buffer {index} of {len(buffers)}")
    external = _external(root)
    codes = tuple(_code(table) for table in root.tables(schema.Model.OPERATOR_CODES))
    tables = tuple(root.tables(schema.Model.SUBGRAPHS))
    if not tables:
        source.fail("the model has no subgraphs", "convert it again")
    if len(tables) > MAX_SUBGRAPHS:
        source.fail(f"the model has {len(tables)} subgraphs; at most {MAX_SUBGRAPHS} can be read")
    subgraphs = tuple(_subgraph(table, len(tables), codes, buffers, external) for table in tables)
    signatures = tuple(
        _signature(table, subgraphs) for table in root.tables(schema.Model.SIGNATURE_DEFS)
    )
    description = root.text(schema.Model.DESCRIPTION) or ""
    metadata = tuple(_metadata(table, buffers) for table in root.tables(schema.Model.METADATA))
    graph = Graph(subgraphs, signatures, tuple(buffers), external, description, metadata)
    check_operands(source, graph)
    check_wiring(source, graph)
    check_constants(source, graph)
    check_steps(source, graph)
    return graph


def _region(table: Table) -> Region:
    """In-line data win; an offset of 0 or 1 is the converter's placeholder for none."""
    source, slots = table.source, schema.Buffer
    inline = table.vector(slots.DATA, 1)
    start, size = table.integer(slots.OFFSET, UINT64), table.integer(slots.SIZE, UINT64)
    if start > 1 and start + size > source.size:
        source.fail(f"a buffer of {size} bytes at byte {start} ends outside its {source.size}")
    if inline is not None:
        return Region(*inline)
    return Region(start, size) if start > 1 and size else Region(0, 0)


def _external(root: Table) -> dict[int, int]:
    """Sizes in bytes of buffers in other files, by identifier."""
    source, slots = root.source, schema.ExternalBuffer
    groups = sum(1 for _ in root.tables(schema.Model.EXTERNAL_BUFFER_GROUPS))
    found: dict[int, int] = {}
    for table in root.tables(schema.Model.EXTERNAL_BUFFERS):
        number, group = table.integer(slots.ID, UINT32), table.integer(slots.GROUP, UINT32)
        start, size = table.integer(slots.OFFSET, UINT64), table.integer(slots.LENGTH, UINT64)
        if group >= groups:
            source.fail(f"external buffer {number} is in file {group} of {groups}")
        if start + size >= 1 << 63:
            source.fail(f"external buffer {number} has {size} bytes at byte {start}")
        if number in found:
            source.fail(f"two external buffers are number {number}")
        found[number] = size
    return found


def _metadata(table: Table, buffers: Sequence[Region]) -> tuple[str, int]:
    name = table.text(schema.Metadata.NAME) or ""
    buffer = table.integer(schema.Metadata.BUFFER, UINT32)
    if buffer >= len(buffers):
        table.source.fail(f"metadata {shown(name)} uses buffer {buffer} of {len(buffers)}")
    return name, buffer


def _code(table: Table) -> _Code:
    slots = schema.OperatorCode
    old = table.integer(slots.DEPRECATED_BUILTIN_CODE, INT8)
    new = table.integer(slots.BUILTIN_CODE, INT32)
    custom = table.text(slots.CUSTOM_CODE)
    if max(old, new) < 0:
        table.source.fail(f"operator code {max(old, new)} is negative")
    if max(old, new) == schema.CUSTOM and not custom:
        table.source.fail("a custom operator has no name")
    if custom and len(custom) > MAX_OPERATOR_NAME:
        table.source.fail(
            f"a custom operator's name has {len(custom)} characters; at most {MAX_OPERATOR_NAME}"
        )
    if custom and ("\0" in custom or "\ufffd" in custom):
        table.source.fail(f"a custom operator's name is no text: {shown(custom)}")
    return _Code(schema.operator_name(old, new, custom), table.integer(slots.VERSION, INT32, 1))


def _subgraph(
    table: Table,
    subgraphs: int,
    codes: Sequence[_Code],
    buffers: Sequence[Region],
    external: dict[int, int],
) -> SubGraph:
    source, slots = table.source, schema.SubGraph
    count = (table.vector(slots.TENSORS, 4) or (0, 0))[1]
    tensors = tuple(
        read_tensor(entry, count, buffers, external) for entry in table.tables(slots.TENSORS)
    )
    inputs, outputs = table.integers(slots.INPUTS), table.integers(slots.OUTPUTS)
    if max(len(inputs), len(outputs)) > MAX_ENDS:
        source.fail(
            f"a subgraph has {len(inputs)} inputs and {len(outputs)} outputs; at most {MAX_ENDS} "
            "can be read"
        )
    for index in (*inputs, *outputs):
        if not 0 <= index < len(tensors):
            source.fail(f"a subgraph's end is tensor {index} of {len(tensors)}")
    if not table.has(slots.OPERATORS):
        source.fail("a subgraph has no list of operators")
    operators = tuple(
        _operator(entry, len(tensors), subgraphs, codes) for entry in table.tables(slots.OPERATORS)
    )
    return SubGraph(table.text(slots.NAME) or "", tensors, inputs, outputs, operators)


def _operator(table: Table, tensors: int, subgraphs: int, codes: Sequence[_Code]) -> Operator:
    source, slots = table.source, schema.Operator
    index = table.integer(slots.OPCODE_INDEX, UINT32)
    if index >= len(codes):
        source.fail(f"an operator uses code {index} of {len(codes)}")
    code = codes[index]
    inputs, outputs = table.integers(slots.INPUTS), table.integers(slots.OUTPUTS)
    source.spend((len(inputs) + len(outputs)) * OPERAND_COST)
    for tensor in (*inputs, *outputs, *table.integers(slots.INTERMEDIATES)):
        if not -1 <= tensor < tensors:
            source.fail(f"{shown(code.name)} uses tensor {tensor} of {tensors}")
    start = table.integer(slots.LARGE_CUSTOM_OPTIONS_OFFSET, UINT64)
    size = table.integer(slots.LARGE_CUSTOM_OPTIONS_SIZE, UINT64)
    if start + size > source.size:
        source.fail(f"options of {shown(code.name)} at byte {start} end outside the file")
    wanted = schema.OPTIONS.get(code.name)
    options = _options(table, "BuiltinOptions", slots.BUILTIN_OPTIONS, wanted)
    options_2 = _options(table, "BuiltinOptions2", slots.BUILTIN_OPTIONS_2, wanted)
    calls = _calls(code.name, options or options_2)
    for called in calls:
        if not 0 <= called < subgraphs:
            source.fail(f"{code.name} runs subgraph {called} of {subgraphs}")
    return Operator(code.name, code.version, inputs, outputs, options, options_2, calls)


def _options(table: Table, union: str, slot: int, wanted: str | None) -> Table | None:
    """The options in a union, if they are of the `wanted` kind or no kind is known."""
    kind, members = table.integer(slot - 1, UINT8), UNIONS[union]
    if wanted is not None and (not 0 < kind <= len(members) or members[kind - 1] != wanted):
        return None
    return table.table(slot)


def _calls(name: str, options: Table | None) -> tuple[int, ...]:
    """The subgraphs that an operator runs; without options it is the first."""
    if name in schema.SUBGRAPH_LISTS:
        return options.integers(schema.SUBGRAPH_LISTS[name]) if options else ()
    places = schema.SUBGRAPH_SLOTS.get(name, ())
    return tuple(options.integer(place, INT32) if options else 0 for place in places)


def _signature(table: Table, subgraphs: Sequence[SubGraph]) -> Signature:
    source, slots = table.source, schema.SignatureDef
    key = table.text(slots.SIGNATURE_KEY)
    if key is None:
        source.fail("a signature has no key")
    index = table.integer(slots.SUBGRAPH_INDEX, UINT32)
    if index >= len(subgraphs):
        source.fail(f"signature {shown(key)} uses subgraph {index} of {len(subgraphs)}")
    ends = []
    for slot in (slots.INPUTS, slots.OUTPUTS):
        pairs = tuple(_entry(entry, key) for entry in table.tables(slot))
        for name, tensor in pairs:
            if tensor >= len(subgraphs[index].tensors):
                source.fail(f"signature {shown(key)} says that {shown(name)} is tensor {tensor}")
        if len({name for name, _ in pairs}) < len(pairs):
            source.fail(f"signature {shown(key)} gives two tensors one name")
        ends.append(pairs)
    return Signature(key, index, ends[0], ends[1])


def _entry(table: Table, key: str) -> tuple[str, int]:
    """A signature's name for a tensor.

    LiteRT 2.3.0 ends its process where there is none, and where two are alike up to a NUL.
    """
    name = table.text(schema.TensorMap.NAME)
    if name is None:
        table.source.fail(f"signature {shown(key)} has a tensor without a name")
    if "\0" in name:
        table.source.fail(f"signature {shown(key)} has a tensor with a NUL in its name")
    return name, table.integer(schema.TensorMap.TENSOR_INDEX, UINT32)
