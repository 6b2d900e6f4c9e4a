"""Rewrites that GPU delegates take, the same as their originals within rounding or a known error.

What is rewritten and why (the rules of `bokehbench lint` name the sources):

- Means over many pixels, and squares of large values, leave fp16, whose largest number is 65504:
  `mean` goes one axis at a time, `standardise` divides by the largest deviation before it squares.
- The erf of GELU is no operator of the delegates of 2022: `gelu` is the usual approximation of it,
  by a logistic function. Largest difference from the exact one: 4.8e-4.
- Attention over a batch of heads needs tensors of five dimensions, flags of BATCH_MATMUL that
  the delegate's parser never reads, and one tensor of heads x tokens x tokens: `attend` takes the
  heads one by one, in four dimensions, with TRANSPOSE spelled out.
- SPLIT has run out of resources on Mali: `halves` slices.
- Patches in the batch's place end in "Batch size mismatch": `attend_separably` keeps the
  pixels of a patch in channels.
- A tensor of 2^26 elements or more is larger than what many phones allow: `enlarge_convolve` and
  `expand_depthwise` make such maps for some channels at a time.

All take and give (1, height, width, channels); tokens are (1, 1, tokens, channels).
"""

import math
from typing import Any, Final

import keras
import tensorflow as tf

ops = keras.ops

LEAST_DEVIATION: Final = 1e-2
"""Deviations are divided by no less, so that epsilon over its square stays in fp16."""

LARGE: Final = 1 << 26
"""Elements of a tensor that `bokehbench lint` calls risky (`large`)."""


def mean(x: Any, axes: tuple[int, ...]) -> Any:
    """The mean over `axes`, kept as sides of 1, one axis at a time: no sum has over 65504 terms."""
    for axis in axes:
        x = ops.mean(x, axis=axis, keepdims=True)
    return x


def standardise(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    """Mean 0 and variance 1 over `axes`: `blocks.standardise` with numbers that fp16 can hold.

    With a the largest deviation, (x - m) / sqrt(var + e) = u / sqrt(mean(u^2) + e / a^2) where
    u = (x - m) / a lies in -1..1.
    """
    deviation = x - mean(x, axes)
    largest = ops.abs(deviation)
    for axis in axes:
        largest = ops.max(largest, axis=axis, keepdims=True)
    root = ops.rsqrt(ops.maximum(largest, LEAST_DEVIATION))
    scale = root * root
    unit = deviation * scale
    return unit * ops.rsqrt(mean(unit * unit, axes) + (epsilon * scale) * scale)


def gelu(x: Any) -> Any:
    """x times a logistic function: GELU's approximation by tanh, as tanh z = 2 logistic(2z) - 1."""
    slope = math.sqrt(8.0 / math.pi)
    return x * ops.sigmoid(x * (slope + (0.044715 * slope) * (x * x)))


def halves(x: Any) -> tuple[Any, Any]:
    """The first and the second half of the channels."""
    shape = list(x.shape)
    half = shape[-1] // 2
    shape[-1] = half
    return ops.slice(x, (0, 0, 0, 0), shape), ops.slice(x, (0, 0, 0, half), shape)


def attend(queries_keys_values: Any, heads: int) -> Any:
    """Softmax attention of each head by itself: (1, 1, tokens, 3 x width) -> (1, 1, tokens, width).

    Channels are queries, keys and values, each of all heads in turn.
    """
    _, _, tokens, triple = queries_keys_values.shape
    width = triple // 3
    each = width // heads
    queries, keys, values = (
        ops.slice(queries_keys_values, (0, 0, 0, which * width), (1, 1, tokens, width))
        for which in range(3)
    )
    # All keys at once: the converter fuses a TRANSPOSE right before BATCH_MATMUL into its adj_y.
    keys = ops.transpose(keys * each**-0.5, (0, 1, 3, 2))
    outputs = []
    for start in range(0, width, each):
        query = ops.slice(queries, (0, 0, 0, start), (1, 1, tokens, each))
        key = ops.slice(keys, (0, 0, start, 0), (1, 1, each, tokens))
        value = ops.slice(values, (0, 0, 0, start), (1, 1, tokens, each))
        weights = ops.softmax(ops.matmul(query, key), axis=-1)
        outputs.append(ops.matmul(weights, value))
    return concatenate(outputs)


def concatenate(maps: list[Any]) -> Any:
    """All channels in turn, four maps at a time: XNNPACK takes no CONCATENATION of more than 5."""
    while len(maps) > 1:
        maps = [ops.concatenate(maps[at : at + 4], axis=-1) for at in range(0, len(maps), 4)]
    return maps[0]


def attend_separably(scores: Any, keys: Any, values: Any, patch: int) -> Any:
    """MobileViTv2's separable attention: pixels at the same place of their patches see each other.

    Args:
        scores: (1, height, width, 1), before the softmax.
        keys: (1, height, width, channels).
        values: the same shape; goes through a ReLU.
        patch: side of the square patches.

    `mobilevit.attend_separably` has the pixels of a patch as a batch. Here they are channels,
    and one product makes the context of each with the scores of each; those of its own are kept.
    """
    _, height, width, channels = keys.shape
    rows, columns, places = height // patch, width // patch, patch * patch
    scores, keys, values = (tf.nn.space_to_depth(x, patch) for x in (scores, keys, values))
    scores = ops.transpose(ops.reshape(scores, (1, 1, rows * columns, places)), (0, 1, 3, 2))
    keys = ops.reshape(keys, (1, 1, rows * columns, places * channels))
    contexts = ops.matmul(ops.softmax(scores, axis=-1), keys)
    own = [
        ops.slice(contexts, (0, 0, place, place * channels), (1, 1, 1, channels))
        for place in range(places)
    ]
    return tf.nn.depth_to_space(ops.relu(values) * concatenate(own), patch)


def groups_of(elements: int, channels: int) -> int:
    """Into how many equal groups of channels a tensor is cut so that each is below `LARGE`."""
    groups = 1
    while elements // groups >= LARGE and channels % (groups * 2) == 0:
        groups *= 2
    return groups


def enlarge_convolve(x: Any, kernel: Any, bias: Any) -> Any:
    """Twice the size, bilinear, then a 3x3 convolution, for some of the input's channels at a time.

    Args:
        x: (1, height, width, channels).
        kernel: (3, 3, channels, outputs).
        bias: (outputs,).
    """
    _, height, width, channels = x.shape
    outputs = kernel.shape[-1]
    groups = groups_of(4 * height * width * channels, channels)
    each = channels // groups
    total = None
    for group in range(groups):
        some = ops.slice(x, (0, 0, 0, group * each), (1, height, width, each))
        some = tf.image.resize(some, (2 * height, 2 * width), "bilinear")
        part = tf.nn.conv2d(
            some, ops.slice(kernel, (0, 0, group * each, 0), (3, 3, each, outputs)), 1, "SAME"
        )
        total = part if total is None else total + part
    return total + bias


def expand_depthwise(
    x: Any, kernel: Any, scale: Any, shift: Any, depthwise: Any, stride: int
) -> Any:
    """A 1x1 convolution to more channels, swish, and a depthwise one, for some of them at a time.

    Args:
        x: (1, height, width, channels).
        kernel: (1, 1, channels, wide).
        scale: (wide,), of the batch norm between convolution and swish.
        shift: (wide,), of the same.
        depthwise: (3, 3, wide, 1).
        stride: of the depthwise convolution.
    """
    _, height, width, channels = x.shape
    wide = kernel.shape[-1]
    each = wide // groups_of(height * width * wide, wide)
    parts = []
    for start in range(0, wide, each):
        some = ops.slice(kernel, (0, 0, 0, start), (1, 1, channels, each))
        y = tf.nn.conv2d(x, some * scale[start : start + each], 1, "SAME")
        y = ops.silu(y + shift[start : start + each])
        some = ops.slice(depthwise, (0, 0, start, 0), (3, 3, each, 1))
        parts.append(tf.nn.depthwise_conv2d(y, some, (1, stride, stride, 1), "SAME"))
    return concatenate(parts)
