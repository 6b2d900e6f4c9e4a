"""NAFNet: a U-Net of blocks without activation functions, which multiply halves of the channels.

Chen et al., Simple Baselines for Image Restoration, arXiv:2204.04676, figure 3c and section 3.
"""

from collections.abc import Sequence
from typing import Any, Final

import keras
import tensorflow as tf

from bokehbench.zoo import blocks, friendly
from bokehbench.zoo.layers import Norm, ResidualScale, mean_of_pixels

EPSILON: Final = 1e-6


def simple_gate(x: Any, is_friendly: bool) -> Any:
    """The product of the two halves of the channels."""

    def gate(x: Any) -> Any:
        first, second = friendly.halves(x) if is_friendly else tf.split(x, 2, axis=-1)
        return first * second

    return blocks.apply(gate, x)


def channel_attention(x: Any, is_friendly: bool) -> Any:
    """Each channel times a linear function of all channels' means."""
    weights = blocks.convolve(mean_of_pixels(x, is_friendly), x.shape[-1], 1)
    return keras.layers.Multiply()([x, weights])


def block(x: Any, is_friendly: bool) -> Any:
    """A NAFNet block: a gated depthwise convolution with attention, then a gated pointwise one."""
    width = x.shape[-1]
    y = Norm((-1,), EPSILON, friendly=is_friendly)(x)
    y = blocks.convolve(y, 2 * width, 1)
    y = keras.layers.DepthwiseConv2D(3, padding="same")(y)
    y = simple_gate(y, is_friendly)
    y = channel_attention(y, is_friendly)
    x = ResidualScale()([x, blocks.convolve(y, width, 1)])

    y = Norm((-1,), EPSILON, friendly=is_friendly)(x)
    y = simple_gate(blocks.convolve(y, 2 * width, 1), is_friendly)
    return ResidualScale()([x, blocks.convolve(y, width, 1)])


def nafnet(
    x: Any,
    *,
    width: int,
    encoder: Sequence[int],
    middle: int,
    decoder: Sequence[int],
    is_friendly: bool,
) -> Any:
    """(1, H, W, channels) -> (1, H, W, 3); H and W are multiples of 2 ** len(encoder).

    Args:
        width: channels at full resolution; they double at each level.
        encoder: blocks at each level on the way down.
        middle: blocks at the bottom.
        decoder: blocks at each level on the way up.
        is_friendly: rewritten for GPU delegates.
    """
    x = blocks.convolve(x, width)
    skips = []
    for count in encoder:
        for _ in range(count):
            x = block(x, is_friendly)
        skips.append(x)
        x = blocks.convolve(x, 2 * x.shape[-1], 2, 2)
    for _ in range(middle):
        x = block(x, is_friendly)
    for count, skip in zip(decoder, reversed(skips), strict=True):
        x = blocks.depth_to_space(blocks.convolve(x, 2 * x.shape[-1], 1, use_bias=False))
        x = keras.layers.Add()([x, skip])
        for _ in range(count):
            x = block(x, is_friendly)
    return blocks.convolve(x, 3)
