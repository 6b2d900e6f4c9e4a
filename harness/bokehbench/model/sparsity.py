"""The levels of a sparse tensor, followed as an engine would, so that no index leaves its level.

From the comments on SparsityParameters in schema.fbs: levels are stored in `traversal_order`;
a dense level multiplies what is stored, a sparse one (CSR) lists for each entry of the level before
where its indices begin and end. Dimensions after the tensor's own are blocks of some of them.
"""

from array import array
from collections.abc import Sequence
from itertools import islice
from operator import le
from typing import Final

from bokehbench.model import schema
from bokehbench.model.flatbuffer import INT8, INT32, UINT8, Source, Table

INDEX_COST: Final = 4

_DENSE: Final = 0
_VECTORS: Final = {1: "i", 2: "H", 3: "B"}
"""Element type of an index vector by its place in the union SparseIndexVector."""


def stored_elements(source: Source, table: Table, shape: Sequence[int], name: str) -> int:
    """How many elements the buffer of a sparse tensor has to hold.

    Args:
        name: the tensor's name as it appears in messages.

    Raises:
        ModelError: the levels don't fit the shape or each other.
    """
    slots = schema.SparsityParameters
    order, blocks = table.integers(slots.TRAVERSAL_ORDER), table.integers(slots.BLOCK_MAP)
    levels = list(table.tables(slots.DIM_METADATA))
    rank = len(shape)
    if len(levels) != rank + len(blocks) or sorted(order) != list(range(len(levels))):
        source.fail(
            f"tensor {name} has {rank} dimensions, {len(blocks)} blocks, {len(levels)} levels "
            f"and the order {list(order)[:16]}"
        )
    if len(set(blocks)) != len(blocks) or any(not 0 <= block < rank for block in blocks):
        source.fail(f"tensor {name} has blocks along {list(blocks)[:16]} of {rank} dimensions")
    sizes = [*shape, *(0 for _ in blocks)]
    by_dimension = dict(zip(order, levels, strict=True))
    for place, dimension in enumerate(blocks, rank):
        width = by_dimension[place].integer(schema.DimensionMetadata.DENSE_SIZE, INT32)
        if width < 1 or sizes[dimension] % width:
            source.fail(f"tensor {name} has blocks of {width} in {sizes[dimension]}")
        sizes[place], sizes[dimension] = width, sizes[dimension] // width
    count = 1
    for dimension, level in zip(order, levels, strict=True):
        count = _level(source, level, sizes[dimension], count, name)
    return count


def _level(source: Source, level: Table, size: int, count: int, name: str) -> int:
    """How many entries there are below one level that has `count` entries above it."""
    slots = schema.DimensionMetadata
    if level.integer(slots.FORMAT, INT8) == _DENSE:
        dense = level.integer(slots.DENSE_SIZE, INT32)
        if dense != size:
            source.fail(f"tensor {name} has a dense level of {dense} where its shape says {size}")
        return count * size
    segments = _values(source, level, slots.ARRAY_SEGMENTS_TYPE, slots.ARRAY_SEGMENTS, name)
    indices = _values(source, level, slots.ARRAY_INDICES_TYPE, slots.ARRAY_INDICES, name)
    if len(segments) != count + 1 or segments[0] != 0 or segments[-1] != len(indices):
        source.fail(
            f"tensor {name} has a sparse level of {len(segments)} segments and {len(indices)} "
            f"indices below {count} entries"
        )
    if not all(map(le, segments, islice(segments, 1, None))):
        source.fail(f"tensor {name} has a sparse level whose segments overlap")
    if indices and not 0 <= min(indices) <= max(indices) < size:
        source.fail(f"tensor {name} has a sparse level with an index outside its {size}")
    return len(indices)


def _values(source: Source, level: Table, kind_slot: int, slot: int, name: str) -> "array[int]":
    code = _VECTORS.get(level.integer(kind_slot, UINT8))
    holder = level.table(slot)
    if code is None or holder is None:
        source.fail(f"tensor {name} has a sparse level without indices")
    values = array(code)
    start, count = holder.vector(0, values.itemsize) or (0, 0)
    source.spend(count * INDEX_COST)
    values.frombytes(source.data[start : start + count * values.itemsize])
    return values
