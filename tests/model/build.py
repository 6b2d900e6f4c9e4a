"""Small .tflite files made by hand: the flatbuffers runtime and the schema's object API."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT32 = schema.TensorType.FLOAT32
FLOAT16 = schema.TensorType.FLOAT16
INT32 = schema.TensorType.INT32
INT8 = schema.TensorType.INT8
UINT8 = schema.TensorType.UINT8
Ops = schema.BuiltinOperator
Options = schema.BuiltinOptions
Pairs = Sequence[tuple[str, int]]


class Builder:
    """One subgraph, grown call by call; `model` is the object API's ModelT, free to be spoiled."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.subgraphs = [self.graph]
        self.model.operatorCodes, self.model.buffers = [], [schema.BufferT()]
        self.model.description = "made by hand"

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: int = FLOAT32,
        *,
        signature: Sequence[int] | None = None,
        scale: Sequence[float] = (),
        zero: Sequence[int] = (),
        axis: int = 0,
        buffer: int = 0,
    ) -> int:
        """Adds a tensor and returns its index. `signature` has -1 where it is dynamic."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), dtype
        tensor.buffer, tensor.hasRank = buffer, True
        if signature is not None:
            tensor.shapeSignature = list(signature)
        if scale:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = list(scale)
            tensor.quantization.zeroPoint = list(zero)
            tensor.quantization.quantizedDimension = axis
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, name: str, array: Any, dtype: int = FLOAT32, **quantised: Any) -> int:
        """Adds a tensor with data and returns its index."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        place = len(self.model.buffers) - 1
        return self.tensor(name, np.shape(array), dtype, buffer=place, **quantised)

    def op(
        self,
        code: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        kind: int = 0,
        custom: str | None = None,
    ) -> None:
        """Adds an operator and, when it is new, its code."""
        codes = self.model.operatorCodes
        key = (code, custom)
        known = [(entry.builtinCode, entry.customCode) for entry in codes]
        if key not in known:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode = code, min(code, 127)
            entry.customCode, entry.version = custom, 1
            codes.append(entry)
            known.append(key)
        operator = schema.OperatorT()
        operator.opcodeIndex = known.index(key)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        operator.builtinOptions, operator.builtinOptionsType = options, kind
        self.graph.operators.append(operator)

    def conv(self, source: int, weights: int, bias: int, target: int) -> None:
        """Adds a stride-1 CONV_2D with SAME padding."""
        options = schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = 0, 1, 1
        options.dilationHFactor = options.dilationWFactor = 1
        self.op(Ops.CONV_2D, [source, weights, bias], [target], options, Options.Conv2DOptions)

    def add(self, left: int, right: int, target: int) -> None:
        """Adds an ADD."""
        self.op(Ops.ADD, [left, right], [target], schema.AddOptionsT(), Options.AddOptions)

    def ends(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Says which tensors are the subgraph's inputs and outputs."""
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)

    def signature(self, key: str, inputs: Pairs, outputs: Pairs, subgraph: int = 0) -> None:
        """Adds a SignatureDef: names and tensor indices, in this order."""
        entry = schema.SignatureDefT()
        entry.signatureKey, entry.subgraphIndex = key, subgraph
        entry.inputs = [_tensor_map(*pair) for pair in inputs]
        entry.outputs = [_tensor_map(*pair) for pair in outputs]
        self.model.signatureDefs = [*(self.model.signatureDefs or []), entry]

    def data(self) -> bytes:
        """The file."""
        packer = flatbuffers.Builder(1024)
        packer.Finish(self.model.Pack(packer), b"TFL3")
        return bytes(packer.Output())


def _tensor_map(name: str, index: int) -> Any:
    pair = schema.TensorMapT()
    pair.name, pair.tensorIndex = name, index
    return pair


def conv_model(
    height: int = 8, width: int = 8, channels: int = 3, *, signature: bool = False
) -> Builder:
    """float32 image -> one 3x3 convolution -> float32 image of three channels."""
    made = Builder()
    source = made.tensor("image", (1, height, width, channels))
    weights = made.constant("weights", np.zeros((3, 3, 3, channels), np.float32))
    bias = made.constant("bias", np.zeros(3, np.float32))
    target = made.tensor("bokeh", (1, height, width, 3))
    made.conv(source, weights, bias, target)
    made.ends([source], [target])
    if signature:
        made.signature("serving_default", [("x", source)], [("y", target)])
    return made


def quantised_model() -> Builder:
    """int8 throughout: per tensor at the ends, per channel in the weights."""
    made = Builder()
    source = made.tensor("image", (1, 8, 8, 3), INT8, scale=[1 / 255], zero=[-128])
    weights = made.constant(
        "weights", np.zeros((3, 3, 3, 3), np.int8), INT8, scale=[0.1, 0.2, 0.3], zero=[0, 0, 0]
    )
    bias = made.constant("bias", np.zeros(3, np.int32), INT32, scale=[0.1 / 255] * 3, zero=[0] * 3)
    target = made.tensor("bokeh", (1, 8, 8, 3), INT8, scale=[0.5], zero=[3])
    made.conv(source, weights, bias, target)
    made.ends([source], [target])
    return made


def dynamic_model() -> Builder:
    """Height and width are free, and there is a signature."""
    made = Builder()
    free = (1, -1, -1, 3)
    source = made.tensor("image", (1, 1, 1, 3), signature=free)
    weights = made.constant("weights", np.zeros((3, 3, 3, 3), np.float32))
    bias = made.constant("bias", np.zeros(3, np.float32))
    target = made.tensor("bokeh", (1, 1, 1, 3), signature=free)
    made.conv(source, weights, bias, target)
    made.ends([source], [target])
    made.signature("serving_default", [("x", source)], [("y", target)])
    return made


def two_input_model(*, signature: bool = True) -> Builder:
    """Image plus depth; the signature lists them in an order of its own."""
    made = Builder()
    image = made.tensor("image", (1, 8, 8, 3))
    depth = made.tensor("depth", (1, 8, 8, 1))
    total = made.tensor("sum", (1, 8, 8, 3))
    again = made.tensor("again", (1, 8, 8, 3))
    made.add(image, depth, total)
    made.add(total, depth, again)
    made.ends([image, depth], [total, again])
    if signature:
        made.signature("first", [("z", depth), ("a", image)], [("q", again), ("p", total)])
        made.signature("second", [("i", image), ("d", depth)], [("o", total), ("n", again)])
    return made


def half_model() -> Builder:
    """float16 weights that reach the convolution through DEQUANTIZE."""
    made = Builder()
    source = made.tensor("image", (1, 8, 8, 3))
    packed = made.constant("packed", np.zeros((3, 3, 3, 3), np.float16), FLOAT16)
    weights = made.tensor("weights", (3, 3, 3, 3))
    bias = made.constant("bias", np.zeros(3, np.float32))
    target = made.tensor("bokeh", (1, 8, 8, 3))
    made.op(
        Ops.DEQUANTIZE, [packed], [weights], schema.DequantizeOptionsT(), Options.DequantizeOptions
    )
    made.conv(source, weights, bias, target)
    made.ends([source], [target])
    return made


def custom_model() -> Builder:
    """Two custom operators, one of them of TensorFlow's Flex delegate."""
    made = Builder()
    source = made.tensor("image", (1, 8, 8, 3))
    middle = made.tensor("middle", (1, 8, 8, 3))
    target = made.tensor("bokeh", (1, 8, 8, 3))
    made.op(Ops.CUSTOM, [source], [middle], custom="Blur")
    made.op(Ops.CUSTOM, [middle], [target], custom="FlexErf")
    made.ends([source], [target])
    return made


def long_model(adds: int) -> Builder:
    """A chain of ADD operators."""
    made = Builder()
    source = last = made.tensor("image", (1, 8, 8, 3))
    for index in range(adds):
        target = made.tensor(f"step{index}", (1, 8, 8, 3))
        made.add(last, source, target)
        last = target
    made.op(Ops.GELU, [last], [source], schema.GeluOptionsT(), Options.GeluOptions)
    made.graph.operators[-1].outputs = [made.tensor("bokeh", (1, 8, 8, 3))]
    made.ends([source], [len(made.graph.tensors) - 1])
    return made
