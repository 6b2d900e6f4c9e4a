"""Layers of the large models that have weights, each in both forms.

A layer is one node of the model's graph in either form, so that both list their weights in the same
order. `friendly` is described in `zoo/friendly.py`.
"""

from typing import Any

import keras
import tensorflow as tf

from bokehbench.zoo import blocks, friendly

ops = keras.ops


class Norm(keras.layers.Layer):
    """Mean 0 and variance 1 over `axes`, then a scale and a shift of each channel (the last axis).

    Over the last axis it is layer norm, over height and width instance norm, over all three a group
    norm of one group.
    """

    def __init__(
        self, axes: tuple[int, ...], epsilon: float, *, friendly: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.axes, self.epsilon, self.friendly = axes, epsilon, friendly

    def build(self, shape: tuple[int | None, ...]) -> None:
        """One `scale` (ones) and one `shift` (zeros) a channel."""
        channels = (shape[-1],)
        self.scale = self.add_weight(shape=channels, initializer="ones", name="scale")
        self.shift = self.add_weight(shape=channels, initializer="zeros", name="shift")

    def call(self, x: Any) -> Any:
        """Shape of `x`."""
        if self.friendly:
            return friendly.standardise(x, self.axes, self.epsilon) * self.scale + self.shift
        mean = ops.mean(x, axis=self.axes, keepdims=True)
        variance = ops.mean(tf.math.squared_difference(x, mean), axis=self.axes, keepdims=True)
        return (x - mean) * ops.rsqrt(variance + self.epsilon) * self.scale + self.shift


class Linear(keras.layers.Layer):
    """Tokens times a matrix, plus a bias: (..., tokens, channels) -> (..., tokens, width).

    Friendly, it is a 1x1 convolution of (1, 1, tokens, channels).
    """

    def __init__(self, width: int, *, friendly: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.friendly = width, friendly

    def build(self, shape: tuple[int | None, ...]) -> None:
        """A `kernel` (channels, width) of small numbers and a `bias` (width,) of zeros."""
        self.kernel = self.add_weight(
            shape=(shape[-1], self.width),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.width,), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        """`x` with `width` channels."""
        if self.friendly:
            kernel = ops.reshape(self.kernel, (1, 1, *self.kernel.shape))
            return tf.nn.conv2d(x, kernel, 1, "SAME") + self.bias
        return ops.matmul(x, self.kernel) + self.bias


class ResidualScale(keras.layers.Layer):
    """`x` + `change` times a trained number for each channel: called with both in a list.

    NAFNet starts these numbers at 0. An untrained network would then be nothing but its first
    and last convolutions, and the converter would drop the rest: here they start at random.
    """

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """One `scale` a channel, of deviation 0.1."""
        self.scale = self.add_weight(
            shape=(shapes[0][-1],),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
            name="scale",
        )

    def call(self, both: list[Any]) -> Any:
        """Shape of `x`."""
        x, change = both
        return x + change * self.scale


class EnlargeConvolve(keras.layers.Layer):
    """Twice the size, bilinear, then a 3x3 convolution to `width` channels."""

    def __init__(self, width: int, *, friendly: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.friendly = width, friendly

    def build(self, shape: tuple[int | None, ...]) -> None:
        """A `kernel` (3, 3, channels, width) and a `bias` (width,) of zeros."""
        self.kernel = self.add_weight(
            shape=(3, 3, shape[-1], self.width), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(self.width,), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        """(N, H, W, C) -> (N, 2H, 2W, width)."""
        if self.friendly:
            return friendly.enlarge_convolve(x, self.kernel, self.bias)
        _, height, width, _ = x.shape
        large = tf.image.resize(x, (2 * height, 2 * width), "bilinear")
        return tf.nn.conv2d(large, self.kernel, 1, "SAME") + self.bias


def mean_of_pixels(x: Any, is_friendly: bool) -> Any:
    """(1, H, W, C) -> (1, 1, 1, C)."""
    if is_friendly:
        return blocks.apply(friendly.mean, x, axes=(1, 2))
    return blocks.apply(ops.mean, x, axis=(1, 2), keepdims=True)
