"""ENERZAi: a U-Net of five levels with LeakyReLU, from half resolution to half resolution.

Source: Ignatov et al., arXiv:2211.06769, the team's section and figure.
Public: a U-Net; LeakyReLU of slope 0.2 after convolutions and transposed convolutions; a last
depth-to-space; a loss of L1, MS-SSIM, perceptual and histogram terms.
Chosen here: space-to-depth as the mirror of that last step; 32, 64, 128, 256 and 512 channels with
two 3x3 convolutions a level, which gives the table's size; max pooling; transposed convolutions of
2x2 with stride 2; skips that are concatenated; no skip from input to output.
Parameters: 7,763,052, that is 29.61 MiB. Sides are multiples of 32.
"""

from typing import Any

import keras

from bokehbench.zoo.blocks import (
    convolve,
    depth_to_space,
    finish,
    image_input,
    seeded,
    space_to_depth,
)

CHANNELS = (32, 64, 128, 256, 512)
SLOPE = 0.2


def build(height: int, width: int, *, seed: int = 0, friendly: bool = False) -> keras.Model:
    """The model as `bokehbench.zoo` says; GPU delegates take it as it is."""
    with seeded(seed):
        image = image_input(height, width)
        x = space_to_depth(image)
        skips = []
        for channels in CHANNELS[:-1]:
            x = _two_convolutions(x, channels)
            skips.append(x)
            x = keras.layers.MaxPooling2D(2)(x)
        x = _two_convolutions(x, CHANNELS[-1])
        for channels, skip in zip(reversed(CHANNELS[:-1]), reversed(skips), strict=True):
            x = _leaky(keras.layers.Conv2DTranspose(channels, 2, 2, padding="same")(x))
            x = keras.layers.Concatenate()([skip, x])
            x = _two_convolutions(x, channels)
        return finish(image, depth_to_space(convolve(x, 12, kernel=1)), "enerzai")


def _two_convolutions(x: Any, channels: int) -> Any:
    for _ in range(2):
        x = _leaky(convolve(x, channels))
    return x


def _leaky(x: Any) -> Any:
    return keras.layers.LeakyReLU(negative_slope=SLOPE)(x)
