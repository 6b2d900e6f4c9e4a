"""One tensor of a model, read and compared with its buffer, its quantisation and its sparsity."""

import math
from collections.abc import Sequence
from struct import Struct
from typing import Final

from bokehbench.model import schema
from bokehbench.model.flatbuffer import (
    ELEMENT_COST,
    INT8,
    INT32,
    UINT8,
    UINT32,
    Source,
    Table,
    shown,
)
from bokehbench.model.parts import Quantization, Region, Tensor
from bokehbench.model.sparsity import stored_elements

MAX_ELEMENTS: Final = (1 << 31) - 1
"""TFLite's kernels count elements in an int (RuntimeShape::FlatSize)."""

MAX_RANK: Final = 32


def read_tensor(
    table: Table, tensors: int, buffers: Sequence[Region], external: dict[int, int]
) -> Tensor:
    """The tensor in `table`, one of `tensors` in its subgraph.

    Raises:
        ModelError: it contradicts itself, its buffer or the limits of engines.
    """
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
    if elements > MAX_ELEMENTS:
        source.fail(
            f"tensor {shown(name)} of {shape_text(shape)} {dtype} has {elements} elements, and "
            "engines count them in 31 bits"
        )
    buffer = table.integer(slots.BUFFER, UINT32)
    if buffer >= len(buffers):
        source.fail(f"tensor {shown(name)} uses buffer {buffer} of {len(buffers)}")
    region = buffers[buffer]
    sparsity = table.table(slots.SPARSITY)
    if sparsity is not None:
        elements = stored_elements(source, sparsity, shape, shown(name))
    elif min(shape, default=1) < 1:
        elements = 0
    if 0 < region.size < (elements * bits + 7) // 8:
        source.fail(
            f"tensor {shown(name)} needs {(elements * bits + 7) // 8} bytes, its buffer has "
            f"{region.size}"
        )
    if dtype == "string" and region.size:
        _check_strings(source, region, name)
    is_variable = bool(table.integer(slots.IS_VARIABLE, UINT8))
    if is_variable and region.size:
        source.fail(f"tensor {shown(name)} is a variable and has a constant value")
    other = table.integer(slots.EXTERNAL_BUFFER, UINT32)
    if other and other not in external:
        source.fail(f"tensor {shown(name)} uses the external buffer {other}, which is not listed")
    quantization = _quantization(table, name, shape, tensors)
    if dynamic:
        shape = tuple(-1 if free == -1 else size for size, free in zip(shape, dynamic, strict=True))
    return Tensor(
        name, shape, dtype, buffer, other, quantization, is_variable, sparsity is not None
    )


def shape_text(shape: Sequence[int]) -> str:
    """A shape as people write it: 1x8x8x3."""
    return "x".join(map(str, shape)) or "no dimensions"


def _check_strings(source: Source, region: Region, name: str) -> None:
    """A constant of strings is a count, offsets and characters: engines follow the offsets."""
    count = INT32.unpack_from(source.data, region.start)[0] if region.size >= 4 else -1
    first = 4 * (count + 2)
    if count < 0 or first > region.size:
        source.fail(f"tensor {shown(name)} holds {count} strings in {region.size} bytes")
    source.spend((count + 1) * ELEMENT_COST)
    offsets = Struct(f"<{count + 1}i").unpack_from(source.data, region.start + 4)
    if offsets[0] < first or offsets[-1] > region.size or list(offsets) != sorted(offsets):
        source.fail(f"tensor {shown(name)} holds strings that lie outside its buffer")


def _quantization(
    tensor: Table, name: str, shape: tuple[int, ...], tensors: int
) -> Quantization | None:
    table = tensor.table(schema.Tensor.QUANTIZATION)
    if table is None:
        return None
    source, slots = table.source, schema.QuantizationParameters
    scales, zeros = table.array(slots.SCALE, "f"), table.array(slots.ZERO_POINT, "q")
    axis = table.integer(slots.QUANTIZED_DIMENSION, INT32)
    count = len(scales)
    # Zero points without scales are no quantisation to engines.
    if count and len(zeros) != count:
        source.fail(f"tensor {shown(name)} has {count} scales and {len(zeros)} zero points")
    if count > 1 and shape:
        if not 0 <= axis < len(shape):
            source.fail(f"tensor {shown(name)} is quantised along axis {axis} of {len(shape)}")
        if shape[axis] not in (-1, count):
            source.fail(
                f"tensor {shown(name)} of {shape_text(shape)} has {count} scales along axis {axis}"
            )
    # A sum of 32-bit floats is finite in 64 bits unless one of them is not.
    finite = math.isfinite(sum(scales)) and min(scales, default=0) >= 0
    if count and not (finite and -(1 << 31) <= min(zeros) <= max(zeros) < 1 << 31):
        scale, zero = next(
            (scale, zero)
            for scale, zero in zip(scales, zeros, strict=True)
            if not (math.isfinite(scale) and scale >= 0 and -(1 << 31) <= zero < 1 << 31)
        )
        source.fail(f"tensor {shown(name)} has scale {scale} and zero point {zero}")
    details = table.table(slots.DETAILS)
    if details is not None and table.integer(slots.DETAILS_TYPE, UINT8) in slots.WITH_TENSORS:
        for slot in (slots.DETAILS_SCALES, slots.DETAILS_ZERO_POINTS):
            if not -1 <= (index := details.integer(slot, INT32)) < tensors:
                source.fail(f"tensor {shown(name)} has its scales in tensor {index} of {tensors}")
    if count == 0:
        return None
    return Quantization(count, scales[0], zeros[0], axis)
