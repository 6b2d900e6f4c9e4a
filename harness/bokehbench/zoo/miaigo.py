"""MiAIgo: an encoder and decoder of seven blocks; what it finds is added to the photo.

Source: Ignatov et al., arXiv:2211.06769, the team's section and figure.
Public: seven blocks of three convolutions and a skip connection each; a disparity map of high
resolution is made and superimposed on the input.
Chosen here: four blocks that begin with stride 2, three that begin with bilinear upscaling and a
concatenation with the encoder; 16, 32, 64, 64, 48, 32 and 16 channels, which give the table's size;
ReLU; a map of three channels at half resolution, by tanh, scaled up and added to the photo.
Parameters: 381,843, that is 1.46 MiB. Sides are multiples of 16.
"""

from typing import Any

import keras

from bokehbench.zoo.blocks import convolve, finish, image_input, resize, seeded

DOWN = (16, 32, 64, 64)
UP = (48, 32, 16)


def build(height: int, width: int, *, seed: int = 0, friendly: bool = False) -> keras.Model:
    """The model as `bokehbench.zoo` says; GPU delegates take it as it is."""
    with seeded(seed):
        image = image_input(height, width)
        x, skips = image, []
        for channels in DOWN:
            x = _block(x, channels, stride=2)
            skips.append(x)
        for channels, skip in zip(UP, skips[-2::-1], strict=True):
            x = keras.layers.Concatenate()([resize(x, 2), skip])
            x = _block(x, channels)
        difference = resize(convolve(x, 3, activation="tanh"), 2)
        return finish(image, image + difference, "miaigo")


def _block(x: Any, channels: int, stride: int = 1) -> Any:
    """Three convolutions; the skip goes from the first one's end to the last one's."""
    first = convolve(x, channels, stride=stride, activation="relu")
    x = convolve(first, channels, activation="relu")
    return keras.layers.ReLU()(convolve(x, channels) + first)
