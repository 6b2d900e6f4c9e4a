"""Small .tflite models made from nothing but flatbuffers and LiteRT's schema classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

OPEN = -1  # a side whose length is left open

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int8): schema.TensorType.INT8,
}


@dataclass
class Builder:
    """One subgraph that grows tensor by tensor; `finish` gives the file's bytes."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    operators: list[Any] = field(default_factory=list)
    codes: list[Any] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: Any = np.float32,
        *,
        values: Any = None,
        scale: float | Sequence[float] = 0.0,
        zero: int = 0,
        quantised_dimension: int = 0,
    ) -> int:
        """Add a tensor, constant when it has values; -1 in the shape is an open side."""
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = [1 if side == OPEN else side for side in shape]
        if OPEN in shape:
            tensor.shapeSignature = list(shape)
        tensor.type = _TYPES[np.dtype(dtype)]
        tensor.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            array = np.ascontiguousarray(values, dtype=dtype)
            assert array.shape == tuple(shape)
            buffer.data = np.frombuffer(array.tobytes(), dtype=np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        scales = np.atleast_1d(np.asarray(scale, dtype=np.float32))
        if scales.any():
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.full(scales.shape, zero, dtype=np.int64)
            tensor.quantization.quantizedDimension = quantised_dimension
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(
        self,
        code: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options_type: int = 0,
        options: Any = None,
        *,
        version: int = 1,
        custom: str | None = None,
    ) -> None:
        """Add one operator; operators of the same kind share a code."""
        entry = schema.OperatorCodeT()
        entry.builtinCode = code
        entry.deprecatedBuiltinCode = min(code, 127)
        entry.version = version
        entry.customCode = custom
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes)
        for place, known in enumerate(self.codes):
            if (known.builtinCode, known.version, known.customCode) == (code, version, custom):
                operator.opcodeIndex = place
        if operator.opcodeIndex == len(self.codes):
            self.codes.append(entry)
        operator.inputs = list(inputs)
        operator.outputs = list(outputs)
        operator.builtinOptionsType = options_type
        operator.builtinOptions = options
        self.operators.append(operator)

    def conv2d(
        self,
        source: int,
        target: int,
        weights: int,
        bias: int,
        *,
        stride: int = 1,
        relu: bool = False,
    ) -> None:
        """A 2-D convolution with SAME padding."""
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        if relu:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        self.operator(
            schema.BuiltinOperator.CONV_2D,
            [source, weights, bias],
            [target],
            schema.BuiltinOptions.Conv2DOptions,
            options,
            version=3 if self.tensors[source].type == schema.TensorType.INT8 else 1,
        )

    def finish(
        self, inputs: Sequence[int], outputs: Sequence[int], *, signature: bool = True
    ) -> bytes:
        """The model file, with a signature named serving_default unless told otherwise."""
        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors = self.tensors
        graph.inputs = list(inputs)
        graph.outputs = list(outputs)
        graph.operators = self.operators
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes = self.codes
        model.subgraphs = [graph]
        model.buffers = self.buffers
        if signature:
            definition = schema.SignatureDefT()
            definition.signatureKey = "serving_default"
            definition.subgraphIndex = 0
            definition.inputs = [self._named(index) for index in inputs]
            definition.outputs = [self._named(index) for index in outputs]
            model.signatureDefs = [definition]
        packer = flatbuffers.Builder(1024)
        packer.Finish(model.Pack(packer), b"TFL3")
        return bytes(packer.Output())

    def _named(self, index: int) -> Any:
        entry = schema.TensorMapT()
        entry.name = self.tensors[index].name
        entry.tensorIndex = index
        return entry


def conv(
    height: int = 8, width: int = 8, *, open_sides: bool = False, signature: bool = True
) -> bytes:
    """Two float convolutions, 3 -> 8 -> 3 channels, with results around 0 to 1."""
    random = np.random.default_rng(7)
    builder = Builder()
    shape = (1, OPEN, OPEN, 3) if open_sides else (1, height, width, 3)
    middle = (*shape[:3], 8)
    source = builder.tensor("image", shape)
    hidden = builder.tensor("hidden", middle)
    target = builder.tensor("bokeh", shape)
    first = builder.tensor("w1", (8, 3, 3, 3), values=random.normal(0.1, 0.1, (8, 3, 3, 3)))
    first_bias = builder.tensor("b1", (8,), values=random.normal(0, 0.1, 8))
    second = builder.tensor("w2", (3, 3, 3, 8), values=random.normal(0.01, 0.03, (3, 3, 3, 8)))
    second_bias = builder.tensor("b2", (3,), values=np.full(3, 0.1))
    builder.conv2d(source, hidden, first, first_bias, relu=True)
    builder.conv2d(hidden, target, second, second_bias)
    return builder.finish([source], [target], signature=signature)


def add(height: int = 4, width: int = 4) -> bytes:
    """The sum of two float images."""
    builder = Builder()
    shape = (1, height, width, 3)
    left = builder.tensor("left", shape)
    right = builder.tensor("right", shape)
    total = builder.tensor("sum", shape)
    options = schema.AddOptionsT()
    builder.operator(
        schema.BuiltinOperator.ADD,
        [left, right],
        [total],
        schema.BuiltinOptions.AddOptions,
        options,
    )
    return builder.finish([left, right], [total])


INT8_INPUT = (1 / 255, -128)
INT8_OUTPUT = (1 / 128, -100)


def conv_int8(height: int = 8, width: int = 8) -> bytes:
    """One int8 convolution, quantised a channel; its ranges are INT8_INPUT and INT8_OUTPUT."""
    random = np.random.default_rng(8)
    builder = Builder()
    shape = (1, height, width, 3)
    scales = np.array([0.002, 0.003, 0.004], dtype=np.float32)
    source = builder.tensor("image", shape, np.int8, scale=INT8_INPUT[0], zero=INT8_INPUT[1])
    target = builder.tensor("bokeh", shape, np.int8, scale=INT8_OUTPUT[0], zero=INT8_OUTPUT[1])
    weights = builder.tensor(
        "w",
        (3, 3, 3, 3),
        np.int8,
        values=random.integers(-60, 127, (3, 3, 3, 3)),
        scale=[float(scale) for scale in scales],
    )
    bias = builder.tensor(
        "b",
        (3,),
        np.int32,
        values=random.integers(-50, 50, 3),
        scale=[float(scale) for scale in scales * np.float32(INT8_INPUT[0])],
    )
    builder.conv2d(source, target, weights, bias)
    return builder.finish([source], [target])


def cast_uint8(height: int = 4, width: int = 4) -> bytes:
    """uint8 in, cast to float, doubled, cast to uint8 out: no quantisation anywhere."""
    builder = Builder()
    shape = (1, height, width, 3)
    source = builder.tensor("image", shape, np.uint8)
    real = builder.tensor("real", shape)
    half = builder.tensor("half", (1,), values=np.array([0.5]))
    halved = builder.tensor("halved", shape)
    target = builder.tensor("bokeh", shape, np.uint8)
    cast = schema.BuiltinOptions.CastOptions
    builder.operator(
        schema.BuiltinOperator.CAST, [source], [real], cast, _cast(schema.TensorType.UINT8, 0)
    )
    builder.operator(
        schema.BuiltinOperator.MUL,
        [real, half],
        [halved],
        schema.BuiltinOptions.MulOptions,
        schema.MulOptionsT(),
    )
    builder.operator(
        schema.BuiltinOperator.CAST, [halved], [target], cast, _cast(0, schema.TensorType.UINT8)
    )
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
    builder.operator(
        schema.BuiltinOperator.ADD,
        [source, source],
        [target],
        schema.BuiltinOptions.AddOptions,
        schema.AddOptionsT(),
    )
    return builder.finish([source], [target])


def custom_op() -> bytes:
    """An operator that no engine knows."""
    builder = Builder()
    source = builder.tensor("image", (1, 4, 4, 3))
    target = builder.tensor("bokeh", (1, 4, 4, 3))
    builder.operator(schema.BuiltinOperator.CUSTOM, [source], [target], custom="NobodyHasThis")
    return builder.finish([source], [target])


def divide(height: int = 4, width: int = 4) -> bytes:
    """left / right: zeros in `right` give infinities, 0 / 0 gives NaN."""
    builder = Builder()
    shape = (1, height, width, 3)
    left = builder.tensor("left", shape)
    right = builder.tensor("right", shape)
    ratio = builder.tensor("ratio", shape)
    builder.operator(
        schema.BuiltinOperator.DIV,
        [left, right],
        [ratio],
        schema.BuiltinOptions.DivOptions,
        schema.DivOptionsT(),
    )
    return builder.finish([left, right], [ratio])


def with_normalisation(height: int = 8, width: int = 8) -> bytes:
    """A convolution and an L2 normalisation over channels, which no GPU delegate takes."""
    random = np.random.default_rng(10)
    builder = Builder()
    shape = (1, height, width, 3)
    source = builder.tensor("image", shape)
    hidden = builder.tensor("hidden", shape)
    target = builder.tensor("bokeh", shape)
    weights = builder.tensor("w", (3, 3, 3, 3), values=random.normal(0.1, 0.1, (3, 3, 3, 3)))
    bias = builder.tensor("b", (3,), values=np.full(3, 0.1))
    builder.conv2d(source, hidden, weights, bias)
    builder.operator(
        schema.BuiltinOperator.L2_NORMALIZATION,
        [hidden],
        [target],
        schema.BuiltinOptions.L2NormOptions,
        schema.L2NormOptionsT(),
    )
    return builder.finish([source], [target])


def unet(side: int = 1024, channels: int = 8) -> bytes:
    """A small U-Net: two stride-2 levels, bilinear upsampling, skips by concatenation."""
    random = np.random.default_rng(9)
    builder = Builder()

    def convolve(source: int, size: int, inputs: int, outputs: int, stride: int = 1) -> int:
        name = str(len(builder.tensors))
        weights = random.normal(0, (2 / (9 * inputs)) ** 0.5, (outputs, 3, 3, inputs))
        kernel = builder.tensor(f"w{name}", (outputs, 3, 3, inputs), values=weights)
        bias = builder.tensor(f"b{name}", (outputs,), values=np.full(outputs, 0.01))
        target = builder.tensor(f"t{name}", (1, size, size, outputs))
        builder.conv2d(source, target, kernel, bias, stride=stride, relu=outputs != 3)
        return target

    def enlarge(source: int, skip: int, size: int, inputs: int, extra: int) -> int:
        name = str(len(builder.tensors))
        sides = builder.tensor(f"s{name}", (2,), np.int32, values=np.array([size, size]))
        larger = builder.tensor(f"u{name}", (1, size, size, inputs))
        options = schema.ResizeBilinearOptionsT()
        options.halfPixelCenters = True
        builder.operator(
            schema.BuiltinOperator.RESIZE_BILINEAR,
            [source, sides],
            [larger],
            schema.BuiltinOptions.ResizeBilinearOptions,
            options,
            version=3,
        )
        joined = builder.tensor(f"c{name}", (1, size, size, inputs + extra))
        concatenation = schema.ConcatenationOptionsT()
        concatenation.axis = 3
        builder.operator(
            schema.BuiltinOperator.CONCATENATION,
            [larger, skip],
            [joined],
            schema.BuiltinOptions.ConcatenationOptions,
            concatenation,
        )
        return joined

    image = builder.tensor("image", (1, side, side, 3))
    top = convolve(image, side // 2, 3, channels, 2)
    low = convolve(top, side // 4, channels, 2 * channels, 2)
    low = convolve(low, side // 4, 2 * channels, 2 * channels)
    middle = enlarge(low, top, side // 2, 2 * channels, channels)
    middle = convolve(middle, side // 2, 3 * channels, channels)
    full = enlarge(middle, image, side, channels, 3)
    return builder.finish([image], [convolve(full, side, channels + 3, 3)])
