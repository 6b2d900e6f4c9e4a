"""The decoder of Dense Prediction Transformers: four maps, fused from the coarsest to the finest.

Ranftl et al., Vision Transformers for Dense Prediction, arXiv:2103.13413, figure 1 and section 3.
"""

from collections.abc import Sequence
from typing import Any

import keras

from bokehbench.zoo import blocks
from bokehbench.zoo.layers import EnlargeConvolve


def reassemble(maps: Sequence[Any], widths: Sequence[int]) -> list[Any]:
    """Four maps of one size (stride 16) -> maps at strides 4, 8, 16 and 32, of these widths."""
    first, second, third, fourth = (
        blocks.convolve(x, width, 1) for x, width in zip(maps, widths, strict=True)
    )
    return [
        keras.layers.Conv2DTranspose(widths[0], 4, 4)(first),
        keras.layers.Conv2DTranspose(widths[1], 2, 2)(second),
        third,
        blocks.convolve(fourth, widths[3], 3, 2),
    ]


def residual_unit(x: Any) -> Any:
    """ReLU and 3x3 convolution twice, added to what came in."""
    y = x
    for _ in range(2):
        y = blocks.convolve(keras.layers.ReLU()(y), x.shape[-1])
    return keras.layers.Add()([x, y])


def fuse(coarse: Any, fine: Any | None) -> Any:
    """The coarser path plus the finer map, a residual unit each; not yet twice the size.

    The coarsest map has no path to be added to and goes through both units in turn, as in
    RefineNet, where the block is from. DPT's code makes both there and leaves one unused; with both
    the models that have this decoder come to the sizes in the report's table.

    The 1x1 convolution comes last in DPT's code, at twice the size. It is linear, a pixel at a
    time, and bilinear weights add up to 1: before the resize it gives the same, with a quarter of
    the work and memory.
    """
    if fine is None:
        coarse = residual_unit(coarse)
    else:
        coarse = keras.layers.Add()([coarse, residual_unit(fine)])
    return blocks.convolve(residual_unit(coarse), coarse.shape[-1], 1)


def decode(maps: Sequence[Any], width: int, outputs: int, is_friendly: bool) -> Any:
    """Maps at strides 4, 8, 16 and 32, the finest first -> (1, H, W, outputs), not activated.

    Args:
        maps: each half as high and wide as the one before.
        width: channels of the paths.
        outputs: channels of the result.
        is_friendly: rewritten for GPU delegates.
    """
    maps = [blocks.convolve(x, width, use_bias=False) for x in maps]
    path = fuse(maps[3], None)
    for fine in reversed(maps[:3]):
        path = fuse(blocks.resize(path, 2), fine)
    head = EnlargeConvolve(width // 2, friendly=is_friendly)(path)
    head = keras.layers.ReLU()(EnlargeConvolve(32, friendly=is_friendly)(head))
    return blocks.convolve(head, outputs, 1)
