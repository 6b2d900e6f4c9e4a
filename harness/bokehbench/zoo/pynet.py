"""PyNET, the baseline: five levels of inverted pyramids at half resolution, and two that enlarge.

Source: Ignatov et al., Rendering Natural Camera Bokeh Effect with Deep Learning, arXiv:2006.05698,
figure 4, and the public model.py that comes with it.
Public: everything but how the challenge fed it. Levels of 512 to 32 channels, kernels of 3 to 9
side by side, instance norm with epsilon 1e-3 in all levels but the finest, LeakyReLU 0.2,
transposed convolutions without bias, tanh times 0.58 plus 0.5 at the end.
Chosen here: the image alone. The paper feeds half the resolution, with a depth map as fourth
channel; a 2x2 mean makes the half, and there is no depth. The images of the coarser levels serve
training only and are left out. With both, the parameters are model.py's 47,551,791.
Parameters: 47,523,840, that is 181.29 MiB. Sides are multiples of 64.
"""

from collections.abc import Sequence
from typing import Any, Final

import keras

from bokehbench.zoo import blocks
from bokehbench.zoo.layers import Norm

CHANNELS: Final = (32, 64, 128, 256, 512)
EPSILON: Final = 1e-3
SLOPE: Final = 0.2


class _Builder:
    """The parts of the figure, in one of the two forms."""

    def __init__(self, friendly: bool) -> None:
        self.friendly = friendly

    def convolve(self, x: Any, channels: int, kernel: int, norm: bool) -> Any:
        """Convolution, instance norm where it is asked for, LeakyReLU."""
        x = blocks.convolve(x, channels, kernel)
        if norm:
            x = Norm((1, 2), EPSILON, friendly=self.friendly)(x)
        return keras.layers.LeakyReLU(SLOPE)(x)

    def multi(self, x: Any, largest: int, channels: int, norm: bool = True) -> Any:
        """Two convolutions of each size from 3x3 to `largest`, side by side, stacked."""
        return stack(
            *(
                self.convolve(self.convolve(x, channels, kernel, norm), channels, kernel, norm)
                for kernel in range(3, largest + 1, 2)
            )
        )

    def multi_added(self, x: Any, largest: int, channels: int, norm: bool = True) -> Any:
        """The same, added to what came in."""
        return keras.layers.Add()([self.multi(x, largest, channels, norm), x])


def stack(*maps: Any) -> Any:
    """All channels of these maps in turn."""
    return keras.layers.Concatenate()(list(maps)) if len(maps) > 1 else maps[0]


def enlarge(x: Any, channels: int) -> Any:
    """Twice the size by a 3x3 transposed convolution without bias, then LeakyReLU."""
    x = keras.layers.Conv2DTranspose(channels, 3, 2, padding="same", use_bias=False)(x)
    return keras.layers.LeakyReLU(SLOPE)(x)


def build(height: int, width: int, *, seed: int = 0, friendly: bool = False) -> keras.Model:
    """The model as `bokehbench.zoo` says; `friendly` keeps sums of instance norm within fp16."""
    with blocks.seeded(seed):
        image = blocks.image_input(height, width)
        return blocks.finish(image, network(image, CHANNELS, friendly), "pynet")


def network(image: Any, channels: Sequence[int], friendly: bool) -> Any:
    """(1, H, W, 3) -> (1, H, W, 3).

    Levels are numbered as in the public code, two less than in the paper.

    Args:
        channels: of levels 1 to 5.
    """
    b = _Builder(friendly)
    c1, c2, c3, c4, c5 = channels
    half = keras.layers.AveragePooling2D(2)(image)

    down1 = b.multi(blocks.space_to_depth(half), 3, c1, norm=False)
    down2 = b.multi(keras.layers.MaxPooling2D(2)(down1), 3, c2)
    down3 = b.multi(keras.layers.MaxPooling2D(2)(down2), 3, c3)
    down4 = b.multi(keras.layers.MaxPooling2D(2)(down3), 3, c4)

    x = b.multi(keras.layers.MaxPooling2D(2)(down4), 3, c5)
    x = b.multi_added(x, 3, c5)
    x = b.multi_added(x, 3, c5)
    level5 = b.multi(x, 3, c5)

    x = stack(down4, enlarge(level5, c4))
    x = b.multi(x, 3, c4)
    x = b.multi_added(x, 3, c4)
    x = b.multi_added(x, 3, c4)
    x = stack(b.multi(x, 3, c4), enlarge(level5, c4))
    level4 = b.multi(x, 3, c4)

    x = stack(down3, enlarge(level4, c3))
    for _ in range(3):
        x = b.multi_added(x, 5, c3)
    x = stack(b.multi(x, 5, c3), down3, enlarge(level4, c3))
    level3 = b.multi(x, 3, c3)

    x = stack(down2, enlarge(level3, c2))
    x = stack(b.multi(x, 5, c2), down2)
    for _ in range(3):
        x = b.multi_added(x, 7, c2)
    x = stack(b.multi(x, 7, c2), down2)
    x = stack(b.multi(x, 5, c2), enlarge(level3, c2))
    level2 = b.multi(x, 3, c2)

    x = stack(down1, enlarge(level2, c1))
    x = stack(b.multi(x, 5, c1, norm=False), down1)
    x = b.multi(x, 7, c1, norm=False)
    x = b.multi(x, 9, c1, norm=False)
    for _ in range(3):
        x = b.multi_added(x, 9, c1, norm=False)
    x = stack(b.multi(x, 7, c1, norm=False), down1)
    x = stack(b.multi(x, 5, c1, norm=False), enlarge(level2, c1), down1)
    level1 = b.multi(x, 3, c1, norm=False)

    level0 = blocks.convolve(enlarge(level1, 8), 3)
    x = blocks.convolve(enlarge(level0, 3), 3, activation="tanh")
    return keras.layers.Rescaling(0.58, 0.5)(x)
