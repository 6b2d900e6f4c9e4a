"""Antins_cv: a U-Net of three levels, without any convolution at full resolution.

Source: Ignatov et al., arXiv:2211.06769, the team's section and figure.
Public: three levels; a 3x3 convolution of stride 2 as the first layer; upsampling by a 3x3
convolution and a pixel shuffle; skip connections; a PSNR loss and Adam at 1e-3, halved every 120 of
600 epochs.
Chosen here: twelve channels at every level, the width that gives the table's size; ReLU; skips that
add; one convolution a level.
Parameters: 14,724, that is 0.056 MiB; the .tflite file has 0.06 MiB. Sides are multiples of 8.
"""

import keras

from bokehbench.zoo.blocks import convolve, depth_to_space, finish, image_input, seeded

CHANNELS = 12


def build(height: int, width: int, *, seed: int = 0, friendly: bool = False) -> keras.Model:
    """The model as `bokehbench.zoo` says; GPU delegates take it as it is."""
    with seeded(seed):
        image = image_input(height, width)
        half = convolve(image, CHANNELS, stride=2, activation="relu")
        quarter = convolve(half, CHANNELS, stride=2, activation="relu")
        eighth = convolve(quarter, CHANNELS, stride=2, activation="relu")

        x = depth_to_space(convolve(eighth, 4 * CHANNELS))
        x = keras.layers.ReLU()(x + quarter)
        x = depth_to_space(convolve(x, 4 * CHANNELS))
        x = keras.layers.ReLU()(x + half)
        x = depth_to_space(convolve(x, 12))
        return finish(image, x + image, "antins_cv")
