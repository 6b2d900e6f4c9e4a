"""What a model's tensors can't do as images: contradictions, with the words that cure them."""

import json
import math
from pathlib import Path
from typing import Final

from bokehbench.errors import IoSpecError
from bokehbench.facts import IoSpec, ModelFacts, TensorFacts
from bokehbench.model.fit import fixed_image, scaled
from bokehbench.model.iofile import SOURCES

DTYPES: Final = ("float32", "uint8", "int8")
MIN_STEPS: Final = 16
"""Fewest steps of a quantised tensor that a range must span: below, the range is wrong."""


def toml_tensor(tensors: tuple[TensorFacts, ...], index: int) -> str:
    """`tensor = "name"`, or the index where the name is no help."""
    name = tensors[index].name
    named = 0 < len(name) <= 60 and [tensor.name for tensor in tensors].count(name) == 1
    return f"tensor = {json.dumps(name, ensure_ascii=False) if named else index}"


def listed(tensors: tuple[TensorFacts, ...]) -> str:
    """`0 'x' 1x8x8x3 float32, 1 ...`, at most eight of them."""
    texts = [
        f"{index} {tensor.name[:60]!r} {shape_text(tensor)} {tensor.dtype}"
        for index, tensor in enumerate(tensors[:8])
    ]
    return ", ".join(texts) + (f" and {len(tensors) - 8} more" if len(tensors) > 8 else "")


def shape_text(tensor: TensorFacts) -> str:
    sizes = ["?" if size < 0 else str(size) for size in tensor.shape]
    return "x".join(sizes) or "scalar"


def hint(beside: Path, tensors: tuple[TensorFacts, ...], index: int) -> str:
    """The three lines of TOML that cure a missing spec of input `index`."""
    source = SOURCES[1] if tensors[index].shape[-1:] == (1,) else SOURCES[0]
    return (
        f"write to {beside.name}, for each input, the three lines "
        f'`[[inputs]]`, `{toml_tensor(tensors, index)}`, `source = "{source}"`'
    )


def check_tensor(tensor: TensorFacts, where: str) -> None:
    """An image's tensor: NHWC, batch 1, of a type that the runner converts."""
    if len(tensor.shape) != 4 or 0 in tensor.shape:
        raise IoSpecError(
            f"{where} is {shape_text(tensor)}, not NHWC (1xHEIGHTxWIDTHxCHANNELS); convert it again"
        )
    if tensor.shape[0] not in (1, -1):
        raise IoSpecError(
            f"{where} is {shape_text(tensor)}; convert the model again with a batch of 1"
        )
    if tensor.dtype not in DTYPES:
        raise IoSpecError(
            f"{where} is {tensor.dtype}, not {', '.join(DTYPES)}; convert it with such a type"
        )
    if tensor.dtype == "int8" and tensor.scale == 0:
        raise IoSpecError(
            f"{where} is int8 without one scale for the whole tensor; "
            "convert the model with per-tensor quantisation of inputs and outputs"
        )


def check_range(tensor: TensorFacts, span: tuple[float, float], where: str, flag: str) -> None:
    """A range that a quantised tensor can't resolve is a wrong range, such as 1 for 255."""
    if tensor.dtype == "float32" or tensor.scale == 0:
        return
    steps = (span[1] - span[0]) / tensor.scale
    if steps < MIN_STEPS:
        lowest = 0 if tensor.dtype == "uint8" else -128
        low, high = ((lowest + step - tensor.zero_point) * tensor.scale for step in (0, 255))
        raise IoSpecError(
            f"{where} has steps of {tensor.scale:g}, so the range {span[0]:g},{span[1]:g} is "
            f"{math.floor(steps)} of them; its whole range is {flag} {low:g},{high:g}"
        )


def check_sizes(model: ModelFacts, io: IoSpec) -> None:
    """Fixed heights and widths must all belong to images of one size."""
    image = fixed_image(model, io)
    ends = [("input", model.inputs[spec.tensor], spec.size) for spec in io.inputs]
    ends.append(("output", model.outputs[io.output.tensor], io.output.size))
    for side, tensor, size in ends:
        for axis, pixels in enumerate(image, 1):
            held = tensor.shape[axis]
            if pixels is None or held == -1 or scaled(pixels, size) == held:
                continue
            raise IoSpecError(
                f"{model.file_name}: {side} {tensor.name[:60]!r} is {shape_text(tensor)}, but size "
                f"{size:g} of images of {'height' if axis == 1 else 'width'} {pixels} is "
                f"{scaled(pixels, size)}; correct `size` of an input or the output "
                "(--input-size, --output-size): tensor over image"
            )
