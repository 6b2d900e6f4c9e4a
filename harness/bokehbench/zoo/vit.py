"""Vision transformers: an image as 16x16 patches, and transformer blocks over them.

Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv:2010.11929, figure 1 and table 1. Weights
are those of timm's `vit_base_patch16_384`, with which DPT begins; the final norm is left out,
because DPT reads the blocks' outputs.
"""

from collections.abc import Sequence
from typing import Any, Final

import keras
import tensorflow as tf

from bokehbench.zoo import blocks, friendly
from bokehbench.zoo.layers import Linear, Norm

ops = keras.ops

PATCH: Final = 16
GRID: Final = 24
"""Positions a side that are trained: 384 / 16. They are resized to the image's patches."""
EPSILON: Final = 1e-6


class Tokens(keras.layers.Layer):
    """Patches -> a class token and one token each, with their positions.

    (1, H, W, C) -> (1, 1 + H W, C), friendly (1, 1, 1 + H W, C). The positions are resized when
    the model runs, as DPT does it, so that weights fit every size; friendly, when it is
    exported, because a delegate takes no RESIZE_BILINEAR of a constant.
    """

    def __init__(self, *, friendly: bool, **options: Any) -> None:
        super().__init__(**options)
        self.friendly = friendly

    def build(self, shape: tuple[int | None, ...]) -> None:
        """`class_token` (C,) and `positions` (1 + GRID x GRID, C), small random numbers."""
        small = keras.initializers.TruncatedNormal(stddev=0.02)
        self.class_token = self.add_weight(shape=(shape[-1],), initializer=small, name="class")
        self.positions = self.add_weight(
            shape=(1 + GRID * GRID, shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="positions",
        )

    def call(self, x: Any) -> Any:
        """The tokens."""
        _, height, width, channels = x.shape
        grid = self._grid(height, width)
        before = (1, 1) if self.friendly else (1,)
        first = ops.reshape(self.class_token + self.positions[0], (*before, 1, channels))
        rest = ops.reshape(x + grid, (*before, height * width, channels))
        return ops.concatenate([first, rest], axis=-2)

    def _grid(self, height: int, width: int) -> Any:
        """The positions of the patches, (1, height, width, C)."""
        shape = (1, GRID, GRID, self.positions.shape[-1])
        if (height, width) == (GRID, GRID):
            return ops.reshape(self.positions[1:], shape)
        if not self.friendly:
            grid = ops.reshape(self.positions[1:], shape)
            return tf.image.resize(grid, (height, width), "bilinear")
        # Outside of the graph that is traced, which gets the numbers and not how they are made.
        with tf.init_scope():
            grid = ops.reshape(self.positions.value[1:], shape)
            resized = tf.image.resize(grid, (height, width), "bilinear").numpy()
        return tf.constant(resized)


def attend(queries_keys_values: Any, heads: int) -> Any:
    """Softmax attention, all heads at once: (1, tokens, 3 x width) -> (1, tokens, width)."""
    _, tokens, triple = queries_keys_values.shape
    each = triple // 3 // heads
    split = ops.reshape(queries_keys_values, (1, tokens, 3, heads, each))
    query, key, value = ops.unstack(ops.transpose(split, (2, 0, 3, 1, 4)), 3)
    scores = tf.matmul(query * each**-0.5, key, transpose_b=True)
    mixed = ops.matmul(ops.softmax(scores, axis=-1), value)
    return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (1, tokens, triple // 3))


def gelu(x: Any, is_friendly: bool) -> Any:
    """The exact GELU, or `friendly.gelu`."""
    if is_friendly:
        return blocks.apply(friendly.gelu, x)
    return blocks.apply(ops.gelu, x, approximate=False)


def block(x: Any, heads: int, is_friendly: bool) -> Any:
    """A transformer block, norms first: attention, then two layers with GELU between them."""
    width = x.shape[-1]
    y = Norm((-1,), EPSILON, friendly=is_friendly)(x)
    y = Linear(3 * width, friendly=is_friendly)(y)
    y = blocks.apply(friendly.attend if is_friendly else attend, y, heads=heads)
    x = keras.layers.Add()([x, Linear(width, friendly=is_friendly)(y)])

    y = Norm((-1,), EPSILON, friendly=is_friendly)(x)
    y = gelu(Linear(4 * width, friendly=is_friendly)(y), is_friendly)
    return keras.layers.Add()([x, Linear(width, friendly=is_friendly)(y)])


def without_class(tokens: Any, height: int, width: int) -> Any:
    """The patches' tokens as a map, (1, height, width, C)."""

    def cut(tokens: Any) -> Any:
        *before, count, channels = tokens.shape
        start = (*(0 for _ in before), 1, 0)
        patches = ops.slice(tokens, start, (*before, count - 1, channels))
        return ops.reshape(patches, (1, height, width, channels))

    return blocks.apply(cut, tokens)


def vit(image: Any, width: int, heads: int, taps: Sequence[int], is_friendly: bool) -> list[Any]:
    """The outputs of the blocks `taps` as maps, (1, H / 16, W / 16, width) each.

    Args:
        image: (1, H, W, 3), values in -1..1, H and W multiples of 16.
        width: channels of a token; 768 in ViT-B.
        heads: of the attention; 12 in ViT-B.
        taps: numbers of blocks, from 0, rising; blocks after the last are not made.
        is_friendly: rewritten for GPU delegates.
    """
    patches = keras.layers.Conv2D(width, PATCH, PATCH, padding="valid")(image)
    _, rows, columns, _ = patches.shape
    x = Tokens(friendly=is_friendly)(patches)
    maps = []
    for number in range(max(taps) + 1):
        x = block(x, heads, is_friendly)
        if number in taps:
            maps.append(without_class(x, rows, columns))
    return maps
