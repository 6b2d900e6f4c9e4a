"""A maker of small .tflite files: nothing but flatbuffers and LiteRT's schema classes."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

OPEN = -1  # a side whose length is left open

Ops = schema.BuiltinOperator
Pairs = Sequence[tuple[str, int]]

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int8): schema.TensorType.INT8,
}


class Builder:
    """One subgraph, grown call by call; `model` is the object API's ModelT, free to be spoiled."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.name = "main"
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
        dtype: Any = np.float32,
        *,
        scale: float | Sequence[float] = 0.0,
        zero: int = 0,
        buffer: int = 0,
    ) -> int:
        """Add a tensor and return its index; OPEN in the shape is an open side."""
        tensor = schema.TensorT()
        tensor.name, tensor.type = name, _TYPES[np.dtype(dtype)]
        tensor.buffer, tensor.hasRank = buffer, True
        tensor.shape = [1 if side == OPEN else side for side in shape]
        if OPEN in shape:
            tensor.shapeSignature = list(shape)
        scales = np.atleast_1d(np.asarray(scale, dtype=np.float32))
        if scales.any():
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.full(scales.shape, zero, dtype=np.int64)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(
        self,
        name: str,
        values: Any,
        dtype: Any = np.float32,
        *,
        scale: float | Sequence[float] = 0.0,
    ) -> int:
        """Add a tensor that holds `values` and return its index."""
        array = np.ascontiguousarray(values, dtype=dtype)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        place = len(self.model.buffers) - 1
        return self.tensor(name, array.shape, dtype, scale=scale, buffer=place)

    def op(
        self,
        code: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        *,
        version: int = 1,
        custom: str | None = None,
    ) -> None:
        """Add an operator; operators of the same kind share a code."""
        codes = self.model.operatorCodes
        key = (code, version, custom)
        known = [(entry.builtinCode, entry.version, entry.customCode) for entry in codes]
        if key not in known:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode = code, min(code, 127)
            entry.version, entry.customCode = version, custom
            codes.append(entry)
            known.append(key)
        operator = schema.OperatorT()
        operator.opcodeIndex = known.index(key)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.graph.operators.append(operator)

    def conv2d(
        self,
        source: int,
        weights: int,
        bias: int,
        target: int,
        *,
        stride: int = 1,
        relu: bool = False,
        version: int = 1,
    ) -> None:
        """Add a 2-D convolution with SAME padding."""
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        if relu:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        self.op(Ops.CONV_2D, [source, weights, bias], [target], options, version=version)

    def add(self, left: int, right: int, target: int) -> None:
        """Add an ADD."""
        self.op(Ops.ADD, [left, right], [target], schema.AddOptionsT())

    def ends(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Say which tensors are the subgraph's inputs and outputs."""
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)

    def signature(self, key: str, inputs: Pairs, outputs: Pairs, subgraph: int = 0) -> None:
        """Add a SignatureDef: names and tensor indices, in this order."""
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

    def finish(
        self, inputs: Sequence[int], outputs: Sequence[int], *, signature: bool = True
    ) -> bytes:
        """The file with these ends; its signature calls them by the names of their tensors."""
        self.ends(inputs, outputs)
        if signature:
            self.signature("serving_default", self._named(inputs), self._named(outputs))
        return self.data()

    def _named(self, indices: Sequence[int]) -> Pairs:
        return [(self.graph.tensors[index].name, index) for index in indices]


def _tensor_map(name: str, index: int) -> Any:
    pair = schema.TensorMapT()
    pair.name, pair.tensorIndex = name, index
    return pair
