"""MobileViTv2: convolutions, and blocks whose attention costs as much as a convolution.

Mehta and Rastegari, Separable Self-attention for Mobile Vision Transformers, arXiv:2206.02680,
figure 4; where widths are multiplied by 0.5 to 2. Its first stages are inverted residuals
of MobileNetV2 (Sandler et al., arXiv:1801.04381, figure 3b).
"""

from typing import Any, Final

import keras

from bokehbench.zoo import blocks, friendly
from bokehbench.zoo.layers import Norm

ops = keras.ops

EXPANSION: Final = 2
PATCH: Final = 2
STAGES: Final = ((256, 128, 2), (384, 192, 4), (512, 256, 3))
"""Channels, width of the attention and number of attention layers of the last three stages, at
width 1."""
EPSILON: Final = 1e-5


def convolve(x: Any, channels: int, kernel: int, stride: int = 1, *, swish: bool = True) -> Any:
    """Convolution, batch norm, and swish where it is asked for."""
    x = blocks.convolve(x, channels, kernel, stride, use_bias=False)
    return _finish(x, swish)


def convolve_depthwise(x: Any) -> Any:
    """3x3 convolution of each channel by itself, batch norm and swish."""
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    return _finish(x, True)


def _finish(x: Any, swish: bool) -> Any:
    x = keras.layers.BatchNormalization(epsilon=EPSILON)(x)
    return keras.layers.Activation("silu")(x) if swish else x


class Widen(keras.layers.Layer):
    """To EXPANSION times the channels by a 1x1 convolution, then a 3x3 one of each by itself.

    Batch norm and swish follow on both.
    """

    def __init__(self, channels: int, stride: int, *, friendly: bool, **options: Any) -> None:
        super().__init__(**options)
        self.stride, self.friendly = stride, friendly
        self.expand = keras.layers.Conv2D(EXPANSION * channels, 1, use_bias=False)
        self.expand_norm = keras.layers.BatchNormalization(epsilon=EPSILON)
        self.depthwise = keras.layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)
        self.depthwise_norm = keras.layers.BatchNormalization(epsilon=EPSILON)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """The weights of the four layers."""
        wide = (*shape[:-1], self.expand.filters)
        self.expand.build(shape)
        self.expand_norm.build(wide)
        self.depthwise.build(wide)
        self.depthwise_norm.build(wide)

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(N, H, W, C) -> (N, H / stride, W / stride, EXPANSION C)."""
        if self.friendly and not training:
            norm = self.expand_norm
            scale = norm.gamma * ops.rsqrt(norm.moving_variance + norm.epsilon)
            shift = norm.beta - norm.moving_mean * scale
            kernels = (self.expand.kernel, scale, shift, self.depthwise.kernel)
            x = friendly.expand_depthwise(x, *kernels, self.stride)
        else:
            x = self.expand_norm(self.expand(x), training=training)
            x = self.depthwise(ops.silu(x))
        return ops.silu(self.depthwise_norm(x, training=training))


def inverted_residual(x: Any, channels: int, stride: int, is_friendly: bool) -> Any:
    """MobileNetV2's block: wider, depthwise, narrower; added to its input where shapes agree."""
    y = Widen(x.shape[-1], stride, friendly=is_friendly)(x)
    y = convolve(y, channels, 1, swish=False)
    return keras.layers.Add()([x, y]) if stride == 1 and x.shape == y.shape else y


def attend_separably(scores: Any, keys: Any, values: Any, patch: int) -> Any:
    """Separable attention: pixels at the same place of their patches see each other.

    Args:
        scores: (1, height, width, 1), before the softmax.
        keys: (1, height, width, channels).
        values: the same shape; goes through a ReLU.
        patch: side of the square patches.

    The places in a patch become a batch: (1, H, W, C) -> (places, patches, C).
    """
    _, height, width, channels = keys.shape
    rows, columns = height // patch, width // patch

    def unfold(x: Any) -> Any:
        x = ops.reshape(x, (rows, patch, columns, patch, x.shape[-1]))
        x = ops.transpose(x, (1, 3, 0, 2, 4))
        return ops.reshape(x, (patch * patch, rows * columns, x.shape[-1]))

    weights = ops.softmax(ops.transpose(unfold(scores), (0, 2, 1)), axis=-1)
    context = ops.matmul(weights, unfold(keys))
    mixed = ops.reshape(ops.relu(unfold(values)) * context, (patch, patch, rows, columns, channels))
    return ops.reshape(ops.transpose(mixed, (2, 0, 3, 1, 4)), (1, height, width, channels))


def attention(x: Any, is_friendly: bool) -> Any:
    """Scores, keys and values by one 1x1 convolution, separable attention, and another one."""
    _, height, width, channels = x.shape
    mixed = blocks.convolve(x, 1 + 2 * channels, 1)

    def attend(mixed: Any) -> Any:
        size = (1, height, width)
        scores = ops.slice(mixed, (0, 0, 0, 0), (*size, 1))
        keys = ops.slice(mixed, (0, 0, 0, 1), (*size, channels))
        values = ops.slice(mixed, (0, 0, 0, 1 + channels), (*size, channels))
        function = friendly.attend_separably if is_friendly else attend_separably
        return function(scores, keys, values, PATCH)

    return blocks.convolve(blocks.apply(attend, mixed), channels, 1)


def norm(x: Any, is_friendly: bool) -> Any:
    """Over all channels and pixels of an image, as cvnets' `layer_norm_2d`."""
    return Norm((1, 2, 3), EPSILON, friendly=is_friendly)(x)


def attention_layer(x: Any, is_friendly: bool) -> Any:
    """Attention, then two 1x1 convolutions; each behind a norm and added to its input."""
    x = keras.layers.Add()([x, attention(norm(x, is_friendly), is_friendly)])
    y = blocks.convolve(norm(x, is_friendly), 2 * x.shape[-1], 1, activation="silu")
    return keras.layers.Add()([x, blocks.convolve(y, x.shape[-1], 1)])


def mobilevit_block(x: Any, width: int, layers: int, is_friendly: bool) -> Any:
    """Local features by a depthwise convolution, global ones by attention, and back."""
    y = blocks.convolve(convolve_depthwise(x), width, 1, use_bias=False)
    for _ in range(layers):
        y = attention_layer(y, is_friendly)
    return convolve(norm(y, is_friendly), x.shape[-1], 1, swish=False)


def mobilevit_v2(image: Any, multiplier: float, is_friendly: bool) -> list[Any]:
    """Four maps, (1, H / s, W / s, m C) for (s, C) of (4, 128), (8, 256), (16, 384), (32, 512).

    Args:
        image: (1, H, W, 3), H and W multiples of 64: patches are 2x2 at stride 32.
        multiplier: m, 2 in the largest network. It leaves all widths multiples of 16.
        is_friendly: rewritten for GPU delegates.
    """

    def wide(channels: int) -> int:
        return int(channels * multiplier)

    x = convolve(image, min(64, max(16, wide(32))), 3, 2)
    x = inverted_residual(x, wide(64), 1, is_friendly)
    x = inverted_residual(x, wide(128), 2, is_friendly)
    x = inverted_residual(x, wide(128), 1, is_friendly)
    maps = [x]
    for channels, width, layers in STAGES:
        x = inverted_residual(x, wide(channels), 2, is_friendly)
        x = mobilevit_block(x, wide(width), layers, is_friendly)
        maps.append(x)
    return maps
