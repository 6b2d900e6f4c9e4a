"""Small .tflite models that engines run, as the bytes of their files."""

from itertools import pairwise
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.support.builder import OPEN, Builder, Ops

INT8_INPUT = (1 / 255, -128)
INT8_OUTPUT = (1 / 128, -100)


def conv(
    height: int = 8, width: int = 8, *, open_sides: bool = False, signature: bool = True
) -> bytes:
    """Two float convolutions, 3 -> 8 -> 3 channels, with results around 0 to 1."""
    random = np.random.default_rng(7)
    builder = Builder()
    shape = (1, OPEN, OPEN, 3) if open_sides else (1, height, width, 3)
    source = builder.tensor("image", shape)
    hidden = builder.tensor("hidden", (*shape[:3], 8))
    target = builder.tensor("bokeh", shape)
    first = builder.constant("w1", random.normal(0.1, 0.1, (8, 3, 3, 3)))
    first_bias = builder.constant("b1", random.normal(0, 0.1, 8))
    second = builder.constant("w2", random.normal(0.01, 0.03, (3, 3, 3, 8)))
    second_bias = builder.constant("b2", np.full(3, 0.1))
    builder.conv2d(source, first, first_bias, hidden, relu=True)
    builder.conv2d(hidden, second, second_bias, target)
    return builder.finish([source], [target], signature=signature)


def conv_int8(height: int = 8, width: int = 8) -> bytes:
    """One int8 convolution, quantised a channel; its ranges are INT8_INPUT and INT8_OUTPUT."""
    random = np.random.default_rng(8)
    builder = Builder()
    shape = (1, height, width, 3)
    scales = np.array([0.002, 0.003, 0.004], dtype=np.float32)
    source = builder.tensor("image", shape, np.int8, scale=INT8_INPUT[0], zero=INT8_INPUT[1])
    target = builder.tensor("bokeh", shape, np.int8, scale=INT8_OUTPUT[0], zero=INT8_OUTPUT[1])
    kernel = random.integers(-60, 127, (3, 3, 3, 3))
    weights = builder.constant("w", kernel, np.int8, scale=scales.tolist())
    offsets = random.integers(-50, 50, 3)
    products = scales * np.float32(INT8_INPUT[0])
    bias = builder.constant("b", offsets, np.int32, scale=products.tolist())
    builder.conv2d(source, weights, bias, target, version=3)
    return builder.finish([source], [target])


def with_normalisation(height: int = 8, width: int = 8) -> bytes:
    """A convolution and an L2 normalisation over channels, which no GPU delegate takes."""
    random = np.random.default_rng(10)
    builder = Builder()
    shape = (1, height, width, 3)
    source = builder.tensor("image", shape)
    hidden = builder.tensor("hidden", shape)
    target = builder.tensor("bokeh", shape)
    weights = builder.constant("w", random.normal(0.1, 0.1, (3, 3, 3, 3)))
    bias = builder.constant("b", np.full(3, 0.1))
    builder.conv2d(source, weights, bias, hidden)
    builder.op(Ops.L2_NORMALIZATION, [hidden], [target], schema.L2NormOptionsT())
    return builder.finish([source], [target])


def leaky_relu(height: int = 8, width: int = 8) -> bytes:
    """A convolution whose results have both signs, and a LeakyReLU."""
    random = np.random.default_rng(12)
    builder = Builder()
    shape = (1, height, width, 3)
    source = builder.tensor("image", shape)
    hidden = builder.tensor("hidden", shape)
    target = builder.tensor("bokeh", shape)
    weights = builder.constant("w", random.normal(0, 0.3, (3, 3, 3, 3)))
    bias = builder.constant("b", np.zeros(3))
    builder.conv2d(source, weights, bias, hidden)
    options = schema.LeakyReluOptionsT()
    options.alpha = 0.2
    builder.op(Ops.LEAKY_RELU, [hidden], [target], options)
    return builder.finish([source], [target])


def transposed_convolution(height: int = 8, width: int = 8) -> bytes:
    """A convolution of stride 2 and a transposed one that gives the size back."""
    random = np.random.default_rng(13)
    builder = Builder()
    source = builder.tensor("image", (1, height, width, 3))
    hidden = builder.tensor("hidden", (1, height // 2, width // 2, 8))
    target = builder.tensor("bokeh", (1, height, width, 3))
    weights = builder.constant("w", random.normal(0.1, 0.1, (8, 3, 3, 3)))
    bias = builder.constant("b", np.zeros(8))
    builder.conv2d(source, weights, bias, hidden, stride=2, relu=True)
    sides = builder.constant("sides", [1, height, width, 3], np.int32)
    kernel = builder.constant("k", random.normal(0.05, 0.05, (3, 3, 3, 8)))
    options = schema.TransposeConvOptionsT()
    options.padding = schema.Padding.SAME
    options.strideH = options.strideW = 2
    builder.op(Ops.TRANSPOSE_CONV, [sides, kernel, hidden], [target], options)
    return builder.finish([source], [target])


def resize_bilinear(height: int = 8, width: int = 8) -> bytes:
    """Twice the size by bilinear interpolation, then a convolution of stride 2."""
    random = np.random.default_rng(14)
    builder = Builder()
    source = builder.tensor("image", (1, height, width, 3))
    large = builder.tensor("large", (1, 2 * height, 2 * width, 3))
    target = builder.tensor("bokeh", (1, height, width, 3))
    sides = builder.constant("sides", [2 * height, 2 * width], np.int32)
    options = schema.ResizeBilinearOptionsT()
    options.halfPixelCenters = True
    builder.op(Ops.RESIZE_BILINEAR, [source, sides], [large], options, version=3)
    weights = builder.constant("w", random.normal(0.1, 0.1, (3, 3, 3, 3)))
    bias = builder.constant("b", np.full(3, 0.1))
    builder.conv2d(large, weights, bias, target, stride=2)
    return builder.finish([source], [target])


def too_new(height: int = 4, width: int = 4) -> bytes:
    """A convolution of a version that no engine has yet."""
    builder = Builder()
    shape = (1, height, width, 3)
    source = builder.tensor("image", shape)
    target = builder.tensor("bokeh", shape)
    weights = builder.constant("w", np.zeros((3, 3, 3, 3)))
    bias = builder.constant("b", np.zeros(3))
    builder.conv2d(source, weights, bias, target, version=99)
    return builder.finish([source], [target])


def rgbd_double(height: int = 8, width: int = 8) -> bytes:
    """Four channels in at half size, three out at full: the form of PyNET's input and output."""
    random = np.random.default_rng(11)
    builder = Builder()
    source = builder.tensor("image", (1, height, width, 4))
    hidden = builder.tensor("hidden", (1, height, width, 12))
    target = builder.tensor("bokeh", (1, 2 * height, 2 * width, 3))
    weights = builder.constant("w", random.normal(0.02, 0.02, (12, 3, 3, 4)))
    bias = builder.constant("b", np.full(12, 0.1))
    builder.conv2d(source, weights, bias, hidden)
    options = schema.DepthToSpaceOptionsT()
    options.blockSize = 2
    builder.op(Ops.DEPTH_TO_SPACE, [hidden], [target], options)
    return builder.finish([source], [target])


def add(height: int = 4, width: int = 4) -> bytes:
    """The sum of two float images."""
    return _of_two(Ops.ADD, schema.AddOptionsT(), "sum", height, width)


def divide(height: int = 4, width: int = 4) -> bytes:
    """left / right: zeros in `right` give infinities, 0 / 0 gives NaN."""
    return _of_two(Ops.DIV, schema.DivOptionsT(), "ratio", height, width)


def _of_two(code: int, options: Any, name: str, height: int, width: int) -> bytes:
    """One operator of two float images."""
    builder = Builder()
    shape = (1, height, width, 3)
    left = builder.tensor("left", shape)
    right = builder.tensor("right", shape)
    target = builder.tensor(name, shape)
    builder.op(code, [left, right], [target], options)
    return builder.finish([left, right], [target])


def nan(height: int = 8, width: int = 8) -> bytes:
    """The square root of image - 2: every value of the output is NaN."""
    builder = Builder()
    shape = (1, height, width, 3)
    source = builder.tensor("image", shape)
    two = builder.constant("two", [2.0])
    below = builder.tensor("below", shape)
    target = builder.tensor("bokeh", shape)
    builder.op(Ops.SUB, [source, two], [below], schema.SubOptionsT())
    builder.op(Ops.SQRT, [below], [target])
    return builder.finish([source], [target])


def cast_uint8(height: int = 4, width: int = 4) -> bytes:
    """uint8 in, cast to float, halved, cast to uint8 out: no quantisation anywhere."""
    builder = Builder()
    shape = (1, height, width, 3)
    source = builder.tensor("image", shape, np.uint8)
    real = builder.tensor("real", shape)
    half = builder.constant("half", [0.5])
    halved = builder.tensor("halved", shape)
    target = builder.tensor("bokeh", shape, np.uint8)
    byte, number = schema.TensorType.UINT8, schema.TensorType.FLOAT32
    builder.op(Ops.CAST, [source], [real], _cast(byte, number))
    builder.op(Ops.MUL, [real, half], [halved], schema.MulOptionsT())
    builder.op(Ops.CAST, [halved], [target], _cast(number, byte))
    return builder.finish([source], [target])


def _cast(source: int, target: int) -> Any:
    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = source, target
    return options


def int32_model() -> bytes:
    """An input of a type that images don't come in."""
    builder = Builder()
    source = builder.tensor("numbers", (1, 4), np.int32)
    target = builder.tensor("sum", (1, 4), np.int32)
    builder.add(source, source, target)
    return builder.finish([source], [target])


def custom_op() -> bytes:
    """An operator that no engine knows."""
    builder = Builder()
    source = builder.tensor("image", (1, 4, 4, 3))
    target = builder.tensor("bokeh", (1, 4, 4, 3))
    builder.op(Ops.CUSTOM, [source], [target], custom="NobodyHasThis")
    return builder.finish([source], [target])


def reference_workload() -> bytes:
    """How model/reference.tflite was made: three 3x3 convolutions at 256x256, 207 million MACs."""
    builder = Builder()
    side, width = 256, 16
    source = builder.tensor("image", (1, side, side, 3))
    target = builder.tensor("output", (1, side, side, 3))
    channels = (3, width, width, 3)
    for layer, (inside, outside) in enumerate(pairwise(channels)):
        count = outside * 9 * inside
        waves = np.sin(np.arange(count) * (layer + 1.0)) / (3 * np.sqrt(inside))
        weights = builder.constant(f"w{layer}", waves.reshape(outside, 3, 3, inside))
        bias = builder.constant(f"b{layer}", np.full(outside, 0.1))
        last = layer == len(channels) - 2
        output = target if last else builder.tensor(f"hidden{layer}", (1, side, side, outside))
        builder.conv2d(source, weights, bias, output, relu=not last)
        source = output
    return builder.finish([0], [target])
