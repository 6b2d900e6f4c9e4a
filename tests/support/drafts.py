"""Models for the reader of .tflite files, as Builders: a test may spoil them before `data()`."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.support.builder import OPEN, Builder, Ops

IMAGE = (1, 8, 8, 3)


def conv_model(side: int = 8, *, signature: bool = False) -> Builder:
    """float32 image -> one 3x3 convolution -> float32 image."""
    made = Builder()
    source = made.tensor("image", (1, side, side, 3))
    weights = made.constant("weights", np.zeros((3, 3, 3, 3)))
    bias = made.constant("bias", np.zeros(3))
    target = made.tensor("bokeh", (1, side, side, 3))
    made.conv2d(source, weights, bias, target)
    made.ends([source], [target])
    if signature:
        made.signature("serving_default", [("x", source)], [("y", target)])
    return made


def dynamic_model() -> Builder:
    """Height and width are free, and there is a signature."""
    return conv_model(OPEN, signature=True)


def quantised_model() -> Builder:
    """int8 throughout: per tensor at the ends, per channel in the weights."""
    made = Builder()
    source = made.tensor("image", IMAGE, np.int8, scale=1 / 255, zero=-128)
    weights = made.constant("weights", np.zeros((3, 3, 3, 3)), np.int8, scale=[0.1, 0.2, 0.3])
    bias = made.constant("bias", np.zeros(3), np.int32, scale=[0.1 / 255] * 3)
    target = made.tensor("bokeh", IMAGE, np.int8, scale=0.5, zero=3)
    made.conv2d(source, weights, bias, target)
    made.ends([source], [target])
    return made


def half_model() -> Builder:
    """float16 weights that reach the convolution through DEQUANTIZE."""
    made = Builder()
    source = made.tensor("image", IMAGE)
    packed = made.constant("packed", np.zeros((3, 3, 3, 3)), np.float16)
    weights = made.tensor("weights", (3, 3, 3, 3))
    bias = made.constant("bias", np.zeros(3))
    target = made.tensor("bokeh", IMAGE)
    made.op(Ops.DEQUANTIZE, [packed], [weights], schema.DequantizeOptionsT())
    made.conv2d(source, weights, bias, target)
    made.ends([source], [target])
    return made


def two_input_model(*, signature: bool = True) -> Builder:
    """Image plus depth; the signature lists them in an order of its own."""
    made = Builder()
    image = made.tensor("image", IMAGE)
    depth = made.tensor("depth", (1, 8, 8, 1))
    total = made.tensor("sum", IMAGE)
    again = made.tensor("again", IMAGE)
    made.add(image, depth, total)
    made.add(total, depth, again)
    made.ends([image, depth], [total, again])
    if signature:
        made.signature("first", [("z", depth), ("a", image)], [("q", again), ("p", total)])
        made.signature("second", [("i", image), ("d", depth)], [("o", total), ("n", again)])
    return made


def custom_model() -> Builder:
    """Two custom operators, one of them of TensorFlow's Flex delegate."""
    made = Builder()
    source = made.tensor("image", IMAGE)
    middle = made.tensor("middle", IMAGE)
    target = made.tensor("bokeh", IMAGE)
    made.op(Ops.CUSTOM, [source], [middle], custom="Blur")
    made.op(Ops.CUSTOM, [middle], [target], custom="FlexErf")
    made.ends([source], [target])
    return made


def long_model(adds: int) -> Builder:
    """A chain of ADD operators, and a GELU."""
    made = Builder()
    source = last = made.tensor("image", IMAGE)
    for index in range(adds):
        target = made.tensor(f"step{index}", IMAGE)
        made.add(last, source, target)
        last = target
    bokeh = made.tensor("bokeh", IMAGE)
    made.op(Ops.GELU, [last], [bokeh], schema.GeluOptionsT())
    made.ends([source], [bokeh])
    return made
