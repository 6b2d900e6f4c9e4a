"""ZJUT-Vision: BGGAN's generator, two U-Nets in a row, the second one with attention.

Source: Ignatov et al., arXiv:2211.06769, the team's section and figure, which names BGGAN: Qian et
al., Bokeh-Glass Generative Adversarial Network for Rendering Realistic Bokeh, arXiv:2011.02242.
Public: two U-Nets of nine residual blocks each, with transposed convolutions; instance norm written
out in basic operators, so that delegates know it; two spatial attentions and one channel attention
in the second U-Net.
Chosen here: 24, 48 and 96 channels and a 3x3 convolution after each concatenated skip, which give
the table's size; 7x7 convolutions at both ends; attention as in CBAM (Woo et al.,
arXiv:1807.06521), spatial on the skips and of channels after the residual blocks; -1..1 inside.
Parameters: 3,325,992, that is 12.69 MiB. Sides are multiples of 4.
"""

from collections.abc import Callable
from typing import Any

import keras

from bokehbench.zoo.blocks import (
    convolve,
    finish,
    image_input,
    instance_norm,
    seeded,
    standardise,
)

CHANNELS = (24, 48, 96)
RESIDUAL_BLOCKS = 9
REDUCTION = 8

Norm = Callable[[Any], Any]


def build(height: int, width: int, *, seed: int = 0, friendly: bool = False) -> keras.Model:
    """The model as `bokehbench.zoo` says; `friendly` keeps sums of instance norm within fp16."""
    how = standardise
    if friendly:
        from bokehbench.zoo import friendly as rewritten

        how = rewritten.standardise

    def norm(x: Any) -> Any:
        return instance_norm(x, how)

    with seeded(seed):
        image = image_input(height, width)
        x = image * 2.0 - 1.0
        x = _unet(x, norm, attention=False)
        x = _unet(x, norm, attention=True)
        return finish(image, x * 0.5 + 0.5, "zjut_vision")


def _unet(x: Any, norm: Norm, *, attention: bool) -> Any:
    """-1..1 to -1..1, both (N, H, W, 3)."""
    full = _step(x, CHANNELS[0], norm, kernel=7)
    half = _step(full, CHANNELS[1], norm, stride=2)
    x = _step(half, CHANNELS[2], norm, stride=2)
    for _ in range(RESIDUAL_BLOCKS):
        x = x + norm(convolve(_step(x, CHANNELS[2], norm), CHANNELS[2]))
    if attention:
        x = _channel_attention(x)
    for skip in (half, full):
        channels = skip.shape[-1]
        x = keras.layers.Conv2DTranspose(channels, 3, 2, padding="same")(x)
        x = keras.layers.ReLU()(norm(x))
        x = keras.layers.Concatenate()([x, _spatial_attention(skip) if attention else skip])
        x = _step(x, channels, norm)
    return convolve(x, 3, kernel=7, activation="tanh")


def _step(x: Any, channels: int, norm: Norm, kernel: int = 3, stride: int = 1) -> Any:
    return keras.layers.ReLU()(norm(convolve(x, channels, kernel, stride)))


def _spatial_attention(x: Any) -> Any:
    """A weight for each place, from the mean and the maximum of its channels."""
    seen = [keras.ops.mean(x, -1, keepdims=True), keras.ops.max(x, -1, keepdims=True)]
    return x * convolve(keras.layers.Concatenate()(seen), 1, kernel=7, activation="sigmoid")


def _channel_attention(x: Any) -> Any:
    """A weight for each channel, from its mean and its maximum, through the same two layers."""
    channels = x.shape[-1]
    narrow = keras.layers.Conv2D(channels // REDUCTION, 1, activation="relu")
    wide = keras.layers.Conv2D(channels, 1)
    mean = wide(narrow(keras.ops.mean(x, (1, 2), keepdims=True)))
    greatest = wide(narrow(keras.ops.max(x, (1, 2), keepdims=True)))
    return x * keras.ops.sigmoid(mean + greatest)
