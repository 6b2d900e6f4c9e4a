"""Memory of activations: what is alive at each operator, and the peak.

Inputs of the graph and variables are alive all the time and outputs from their writer to the end,
as in TFLite's arena (tensorflow/lite/arena_planner.cc); every other tensor from the operator that
writes it to the last that reads it. No alignment, no gaps, no operator in place, none of a
delegate's own copies: a lower bound of an arena that reuses memory. What DEQUANTIZE makes of
constants is counted with the weights, not here.
"""

from collections.abc import Sequence

from bokehbench.model.schema import ELEMENT_TYPES
from bokehbench.model.structure import MemoryUse, OpEntry, TensorEntry

BITS = dict(ELEMENT_TYPES)
FLOATS = frozenset({"float32", "float16", "bfloat16", "float64"})


def memory_use(
    tensors: Sequence[TensorEntry],
    ops: Sequence[OpEntry],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> MemoryUse:
    """The memory of one subgraph's activations."""
    folded = folded_constants(tensors, ops)
    end = max(len(ops) - 1, 0)
    first: dict[int, int] = dict.fromkeys(inputs, 0)
    last: dict[int, int] = dict.fromkeys((*inputs, *outputs), end)
    for place, op in enumerate(ops):
        for index in op.outputs:
            if index >= 0:
                first.setdefault(index, place)
                last[index] = max(last.get(index, place), place)
        for index in op.inputs:
            if index >= 0:
                first.setdefault(index, 0)
                last[index] = max(last.get(index, place), place)
    for index in first:
        if tensors[index].variable:
            first[index], last[index] = 0, end
    change32, change16 = [0] * (end + 2), [0] * (end + 2)
    total = largest = 0
    for index in first:
        tensor = tensors[index]
        if tensor.constant or index in folded:
            continue
        elements = tensor.elements
        if elements is None:
            return MemoryUse(
                peak_fp32_bytes=None,
                peak_fp16_bytes=None,
                total_fp32_bytes=None,
                largest_bytes=None,
                peak_op=None,
            )
        in32, in16 = sizes(tensor.dtype, elements)
        total, largest = total + in32, max(largest, in32)
        for change, size in ((change32, in32), (change16, in16)):
            change[first[index]] += size
            change[last.get(index, end) + 1] -= size
    peak32, place32 = _peak(change32)
    return MemoryUse(
        peak_fp32_bytes=peak32,
        peak_fp16_bytes=_peak(change16)[0],
        total_fp32_bytes=total,
        largest_bytes=largest,
        peak_op=place32 if ops else None,
    )


def sizes(dtype: str, elements: int) -> tuple[int, int]:
    """Bytes of a tensor where floats are fp32, and where they are fp16."""
    if dtype in FLOATS:
        return elements * 4, elements * 2
    size = (elements * BITS.get(dtype, 0) + 7) // 8
    return size, size


def folded_constants(tensors: Sequence[TensorEntry], ops: Sequence[OpEntry]) -> frozenset[int]:
    """Tensors that DEQUANTIZE or DENSIFY make of constants."""
    found: set[int] = set()
    for op in ops:
        if op.name in ("DEQUANTIZE", "DENSIFY") and op.inputs and op.outputs:
            source = op.inputs[0]
            if source >= 0 and (tensors[source].constant or source in found):
                found.update(index for index in op.outputs if index >= 0)
    return frozenset(found)


def _peak(changes: Sequence[int]) -> tuple[int, int]:
    alive = best = place = 0
    for number, change in enumerate(changes[:-1]):
        alive += change
        if alive > best:
            best, place = alive, number
    return best, place
