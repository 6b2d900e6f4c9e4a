"""A case -> the bytes of a .tflite with that one operator."""

import re
from typing import Any, Final

import flatbuffers

from bokehbench.model.options import ACTIVATIONS, PADDINGS
from bokehbench.model.schema import BUILTIN_OPERATORS
from bokehbench.probe.cases import Case

SCALE: Final = 0.05

_SCALES: Final = {
    "LOGISTIC": (1 / 256, -128),
    "TANH": (1 / 128, 0),
    "L2_NORMALIZATION": (1 / 128, 0),
    "LOG_SOFTMAX": (16 / 256, 127),
}
"""Scale and zero point of an int8 output, where TFLite's own kernel asks for these."""

_OPTIONS: Final = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "CONV_3D": "Conv3DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
    "SPLIT_V": "SplitVOptions",
}
"""Where the table of options is not called like the operator."""

_NAMES: Final = {
    "activation": "fusedActivationFunction",
    "dilation_w": "dilationWFactor",
    "dilation_h": "dilationHFactor",
    "filter_w": "filterWidth",
    "filter_h": "filterHeight",
}
_TENSOR: Final = re.compile(r"(\d+(?:x\d+)*)?(?::(\w+))?(=[-\d,.]*)?(?::(\w+))?")


def single(case: Case) -> bytes:
    """The file."""
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.SubGraphT()
    graph.name = "main"
    graph.tensors, graph.inputs = [], []
    model = schema.ModelT()
    model.version, model.description = 3, "made by bokehbench.probe"
    model.buffers = [schema.BufferT()]

    def tensor(text: str, name: str, *, made: bool) -> int:
        match = _TENSOR.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no tensor")
        dtype = match[2] or match[4] or "float32"
        entry = schema.TensorT()
        entry.name, entry.hasRank = name, True
        entry.shape = [int(side) for side in match[1].split("x")] if match[1] else []
        entry.type = getattr(schema.TensorType, dtype.upper())
        if dtype in ("int8", "uint8") or (dtype == "int32" and match[3] == "=" and match[1]):
            entry.quantization = schema.QuantizationParametersT()
            scale, zero = _SCALES.get(case.op, (SCALE, 0)) if made else (SCALE, 0)
            if dtype == "int32":
                scale *= SCALE  # A bias: the scale of the data times that of the weights.
            entry.quantization.scale = np.array([scale], np.float32)
            entry.quantization.zeroPoint = np.array([zero], np.int64)
        if match[3]:
            words = [float(word) for word in match[3][1:].split(",") if word]
            values = np.array(words or 0, dtype=dtype)
            buffer = schema.BufferT()
            shape = tuple(entry.shape)
            full = values.reshape(shape) if words else np.zeros(shape, dtype)
            buffer.data = np.frombuffer(np.ascontiguousarray(full).tobytes(), np.uint8)
            model.buffers.append(buffer)
            entry.buffer = len(model.buffers) - 1
        graph.tensors.append(entry)
        index = len(graph.tensors) - 1
        if not made and not match[3]:
            graph.inputs.append(index)
        return index

    inputs = [
        -1 if text == "-" else tensor(text, f"in{place}", made=False)
        for place, text in enumerate(case.inputs)
    ]
    outputs = [tensor(text, f"out{place}", made=True) for place, text in enumerate(case.outputs)]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, inputs, outputs
    _set_options(schema, operator, case)
    number = BUILTIN_OPERATORS.index(case.op)
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
    code.version = case.version
    graph.operators, graph.outputs = [operator], outputs
    model.subgraphs, model.operatorCodes = [graph], [code]
    packer = flatbuffers.Builder(1024)
    packer.Finish(model.Pack(packer), b"TFL3")
    return bytes(packer.Output())


def _set_options(schema: Any, operator: Any, case: Case) -> None:
    words = case.op.split("_")
    kind = _OPTIONS.get(case.op, "".join(word.capitalize() for word in words) + "Options")
    if not hasattr(schema, f"{kind}T") or not hasattr(schema.BuiltinOptions, kind):
        return
    options = getattr(schema, f"{kind}T")()
    for name, value in case.options.items():
        key = _NAMES.get(name, re.sub(r"_(\w)", lambda match: match[1].upper(), name))
        if name == "activation":
            value = ACTIVATIONS.index(str(value))
        elif name == "padding":
            value = PADDINGS.index(str(value))
        elif name == "count":
            key = "num" if case.op == "UNPACK" else "valuesCount"
        if not hasattr(options, key):
            raise ValueError(f"{case.op} has no option {name}")
        setattr(options, key, value)
    if case.op == "CAST":
        options.inDataType = getattr(schema.TensorType, _type(case.inputs[0]))
        options.outDataType = getattr(schema.TensorType, _type(case.outputs[0]))
    if case.op in ("SHAPE", "ARG_MAX"):
        setattr(options, "outType" if case.op == "SHAPE" else "outputType", schema.TensorType.INT32)
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    operator.builtinOptions = options


def _type(text: str) -> str:
    return (text.partition(":")[2] or "float32").upper()
