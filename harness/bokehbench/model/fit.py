"""Shapes: which the model is timed at, and how an image of some size meets the model."""

from typing import Final, Literal

import msgspec

from bokehbench.errors import DatasetError
from bokehbench.facts import InputSpec, IoSpec, ModelFacts
from bokehbench.model.iofile import CHANNELS
from bokehbench.model.structure import TIMING_SIDE

Fit = Literal["error", "native", "resize", "crop"]
Shapes = tuple[tuple[int, ...], ...]

MAX_TRIM: Final = 64
"""Most pixels that are given up to make the sides of all tensors whole."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """How one image meets the model. Sides are in pixels.

    `change` is what is done to every image of the pair before anything else: nothing, a
    resize, or a centre crop, to `image_height` x `image_width`. `input_shapes` are those of
    the tensors, in the signature's order. The output is `output_height` x `output_width`.
    """

    change: Literal["none", "resize", "crop"]
    image_height: int
    image_width: int
    input_shapes: Shapes
    output_height: int
    output_width: int


def scaled(pixels: int, size: float) -> int:
    """The side of a tensor that has `size` times the side of an image, at least 1."""
    return max(1, round(pixels * size))


def fixed_image(model: ModelFacts, io: IoSpec) -> tuple[int | None, int | None]:
    """Height and width of the images that the model's inputs fix; None where they are free.

    The output is not asked: what follows from free inputs is often written down as 1.
    """
    sides: list[int | None] = []
    for axis in (1, 2):
        fixed = [
            (spec.size, model.inputs[spec.tensor].shape[axis])
            for spec in io.inputs
            if model.inputs[spec.tensor].shape[axis] != -1
        ]
        size, held = max(fixed, default=(1.0, 0))
        sides.append(max(1, round(held / size)) if held else None)
    return sides[0], sides[1]


def timing_shapes(model: ModelFacts, io: IoSpec) -> Shapes:
    """The input shapes that the model is timed at, in the signature's order.

    An image of 1024x1024 unless the model fixes another height or width, times each
    input's `size`; batch 1.
    """
    height, width = fixed_image(model, io)
    return _shapes(model, io, height or TIMING_SIDE, width or TIMING_SIDE)


def plan_fit(
    model: ModelFacts, io: IoSpec, image_height: int, image_width: int, fit: Fit = "error"
) -> Placement:
    """Says what is done with an image of `image_height` x `image_width` pixels.

    An image of the size that the model fixes, and any image where it fixes none, is taken
    as it is. Otherwise `error` and `native` refuse, `resize` changes the image to the model's
    size and `crop` takes its centre. Where a `size` leaves a fraction of a pixel at a free
    side, `error` refuses, `native` rounds, and the others give up the fewest pixels.

    Raises:
        DatasetError: the image does not fit; the message names both sizes and the cure.
    """
    fixed = fixed_image(model, io)
    image = image_height, image_width
    if min(image) < 1:
        raise DatasetError(f"an image of {image_height}x{image_width} has no pixels; remove it")
    wanted = (
        fixed[0] or _whole(io, image_height),
        fixed[1] or _whole(io, image_width),
    )
    mismatch = any(side not in (None, pixels) for side, pixels in zip(fixed, image, strict=True))
    if fit == "native" and not mismatch:
        wanted = image
    if wanted == image:
        return _placement(model, io, "none", *image)
    if fit == "resize":
        return _placement(model, io, "resize", *wanted)
    if fit == "crop" and wanted[0] <= image_height and wanted[1] <= image_width:
        return _placement(model, io, "crop", *wanted)
    raise _refusal(model, image, wanted, fit, mismatch)


def _refusal(
    model: ModelFacts, image: tuple[int, int], wanted: tuple[int, int], fit: Fit, mismatch: bool
) -> DatasetError:
    smaller = image[0] < wanted[0] or image[1] < wanted[1]
    cures = ["resize"] if smaller else ["resize", "crop"]
    if not mismatch:
        cures.insert(0, "native")
    why = "too small to crop" if fit == "crop" else "no --fit was given"
    if fit == "native":
        why = "it can't be run at another size"
    return DatasetError(
        f"an image is {image[0]}x{image[1]}, {model.file_name} takes {wanted[0]}x{wanted[1]} "
        f"({why}); give --fit {' or --fit '.join(cures)}"
    )


def _whole(io: IoSpec, pixels: int) -> int:
    """The largest side up to `pixels` that every `size` turns into whole pixels."""
    sizes = [*(spec.size for spec in io.inputs), io.output.size]
    for side in range(pixels, max(0, pixels - MAX_TRIM), -1):
        if all(abs(side * size - round(side * size)) < 1e-3 for size in sizes):
            return side
    return pixels


def _shapes(model: ModelFacts, io: IoSpec, height: int, width: int) -> Shapes:
    return tuple(_shape(model, spec, height, width) for spec in io.inputs)


def _shape(model: ModelFacts, spec: InputSpec, height: int, width: int) -> tuple[int, ...]:
    free = (1, scaled(height, spec.size), scaled(width, spec.size), CHANNELS[spec.channels])
    held = model.inputs[spec.tensor].shape
    return tuple(side if fixed == -1 else fixed for side, fixed in zip(free, held, strict=True))


def _placement(
    model: ModelFacts,
    io: IoSpec,
    change: Literal["none", "resize", "crop"],
    height: int,
    width: int,
) -> Placement:
    return Placement(
        change=change,
        image_height=height,
        image_width=width,
        input_shapes=_shapes(model, io, height, width),
        output_height=scaled(height, io.output.size),
        output_width=scaled(width, io.output.size),
    )
