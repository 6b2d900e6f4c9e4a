"""Whether a model may go to a device at all: whole in its file, and no larger than its memory."""

import math
from collections.abc import Iterable
from pathlib import Path

from bokehbench.errors import ModelError
from bokehbench.facts import DeviceFacts
from bokehbench.model.describe import read_structure
from bokehbench.model.flatbuffer import shown
from bokehbench.model.liveness import sizes
from bokehbench.model.structure import ModelStructure

Shapes = tuple[tuple[int, ...], ...]


def admit(path: Path, shapes: Iterable[Shapes], device: DeviceFacts) -> None:
    """Refuses the model at `path` if it can't run on `device` at one of the input `shapes`.

    Sizes are those in fp16, the least that any backend takes; where shapes are not known before
    the model runs, or the device does not tell its memory, nothing is refused.

    Raises:
        ModelError: weights lie in other files, or tensors are larger than the device's memory.
    """
    for inputs in dict.fromkeys(shapes):
        structure = read_structure(path, inputs)
        if structure.external_bytes:
            raise ModelError(
                f"{path}: {structure.external_bytes} bytes of its weights lie in other files, "
                "which would not be placed or hashed; convert it again with all weights inside"
            )
        memory = device.memory_bytes
        if memory is None:
            continue
        if structure.size_bytes > memory:
            raise ModelError(
                f"{path}: the file has {structure.size_bytes} bytes and {device.address} "
                f"{memory} bytes of memory; give a smaller model or another device"
            )
        if (problem := _problem(structure, memory)) is not None:
            at = ", ".join(_text(shape) for shape in inputs)
            raise ModelError(
                f"{path}: at the input {at} {problem}, and {device.address} has {memory} bytes of "
                "memory; give a smaller model or smaller images"
            )


def _problem(structure: ModelStructure, memory: int) -> str | None:
    """What does not fit, in words, or None."""
    tensors = [
        (sizes(tensor.dtype, math.prod(tensor.shape))[1], tensor)
        for tensor in structure.graph.tensors
        if not tensor.constant and tensor.elements is not None
    ]
    if not tensors:
        return None
    largest_bytes, largest = max(tensors, key=lambda pair: pair[0])
    named = f"tensor {shown(largest.name)} of {_text(largest.shape)} {largest.dtype}"
    if largest_bytes > memory:
        return f"{named} takes at least {largest_bytes} bytes"
    peak = structure.memory.peak_fp16_bytes
    if peak is not None and peak > memory:
        return (
            f"tensors take at least {peak} bytes at once, the largest of them {named} with "
            f"{largest_bytes}"
        )
    return None


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
