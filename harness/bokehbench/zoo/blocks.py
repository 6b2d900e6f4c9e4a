"""What several models of the zoo are made of: seeded weights, convolutions, pixel shuffles."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Layers that are made inside get weights that depend on `seed` alone.

    An initializer of Keras without a seed of its own asks Python's generator for one when its layer
    is made. The generator goes on afterwards as if nothing had been asked.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def image_input(height: int, width: int) -> Any:
    """The input that all models have: (1, height, width, 3) float32 RGB in 0..1."""
    return keras.Input((height, width, 3), batch_size=1, dtype="float32", name="image")


def finish(image: Any, bokeh: Any, name: str) -> keras.Model:
    """The model from `image` to `bokeh`, whose output carries that name.

    The name is one of a layer without effect on the graph that is exported.
    """
    output = keras.layers.Identity(name="bokeh")(bokeh)
    return keras.Model(inputs={"image": image}, outputs={"bokeh": output}, name=name)


def apply(function: Callable[..., Any], x: Any, **options: Any) -> Any:
    """A function of TensorFlow without weights, as a layer: `apply(tf.nn.depth_to_space, x, …)`."""
    return keras.layers.Lambda(function, arguments=options)(x)


def convolve(x: Any, channels: int, kernel: int = 3, stride: int = 1, **options: Any) -> Any:
    """A square convolution that keeps the size at stride 1 (zero padding, as TensorFlow's SAME)."""
    return keras.layers.Conv2D(channels, kernel, stride, padding="same", **options)(x)


def depth_to_space(x: Any, block: int = 2) -> Any:
    """Pixel shuffle: channels become `block` x `block` pixels."""
    return apply(tf.nn.depth_to_space, x, block_size=block)


def space_to_depth(x: Any, block: int = 2) -> Any:
    """`block` x `block` pixels become channels."""
    return apply(tf.nn.space_to_depth, x, block_size=block)


def resize(x: Any, factor: int) -> Any:
    """Bilinear upscaling by a whole factor, pixel centres at halves."""
    height, width = x.shape[1] * factor, x.shape[2] * factor
    return apply(tf.image.resize, x, size=(height, width), method="bilinear")


class ChannelScale(keras.layers.Layer):
    """A scale and a shift of each channel, as normalisations end: x * gamma + beta."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """One `gamma` (ones) and one `beta` (zeros) a channel."""
        channels = (shape[-1],)
        self.gamma = self.add_weight(shape=channels, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta")

    def call(self, x: Any) -> Any:
        """Shape and type of `x`."""
        return x * self.gamma + self.beta


def standardise(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    """Mean 0 and variance 1 over `axes`, from basic operators: mean, squared difference, rsqrt.

    That is what `tf.nn.moments` and papers' code for TensorFlow come to.
    """
    mean = keras.ops.mean(x, axis=axes, keepdims=True)
    variance = keras.ops.mean(apply_two(tf.math.squared_difference, x, mean), axes, keepdims=True)
    return (x - mean) * keras.ops.rsqrt(variance + epsilon)


def apply_two(function: Callable[..., Any], x: Any, y: Any) -> Any:
    """A function of two tensors without weights, as a layer."""
    return keras.layers.Lambda(lambda both: function(both[0], both[1]))([x, y])


def instance_norm(
    x: Any,
    standardise: Callable[[Any, tuple[int, ...], float], Any] = standardise,
    *,
    epsilon: float = 1e-5,
) -> Any:
    """(N, H, W, C) with mean 0 and variance 1 in each image's channels, then scale and shift.

    Args:
        standardise: the plain one, or `zoo.friendly`'s, the same within rounding with no sum that
            leaves fp16.
    """
    return ChannelScale()(standardise(x, (1, 2), epsilon))
