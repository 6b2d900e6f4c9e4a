"""The valid models that mutants are made of: small, and together with all parts of the schema."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.support import drafts, models
from tests.support.builder import Builder, Ops

EXAMPLES = Path(__file__).parents[2] / "examples"
SHAPE = (1, 4, 4, 3)


@cache
def corpus() -> dict[str, bytes]:
    """Names and bytes of the models, always the same and in the same order."""
    made: dict[str, Callable[[], bytes]] = {
        "signed": lambda: drafts.conv_model(signature=True).data(),
        "quantised": lambda: drafts.quantised_model().data(),
        "half": lambda: drafts.half_model().data(),
        "two_inputs": lambda: drafts.two_input_model().data(),
        "custom": lambda: drafts.custom_model().data(),
        "dynamic": lambda: drafts.dynamic_model().data(),
        "long": lambda: drafts.long_model(5).data(),
        "conv": models.conv,
        "conv_int8": models.conv_int8,
        "normalisation": models.with_normalisation,
        "rgbd_double": models.rgbd_double,
        "transposed": models.transposed_convolution,
        "resize": models.resize_bilinear,
        "cast": models.cast_uint8,
        "shaped": _shaped,
        "branches": _branches,
        "loop": _loop,
        "sparse": _sparse,
        "composite": _composite,
        "annotated": _annotated,
        "outside": _outside,
        "tiny_unet": (EXAMPLES / "tiny_unet.tflite").read_bytes,
    }
    return {name: make() for name, make in made.items()}


def _shaped() -> bytes:
    """Operators whose results are as large as a constant says."""
    made = Builder()
    source = made.tensor("image", SHAPE)
    padded = made.tensor("padded", (1, 6, 6, 3))
    flat = made.tensor("flat", (1, 108))
    back = made.tensor("back", (1, 6, 6, 3))
    tiled = made.tensor("tiled", (1, 12, 6, 3))
    target = made.tensor("bokeh", (1, 4, 4, 3))
    pads = made.constant("pads", [[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    wide = made.constant("wide", [1, 108], np.int32)
    high = made.constant("high", [1, 6, -1, 3], np.int32)
    times = made.constant("times", [1, 2, 1, 1], np.int32)
    begin = made.constant("begin", [0, 1, 1, 0], np.int32)
    size = made.constant("size", [1, 4, 4, 3], np.int32)
    options = schema.ReshapeOptionsT()
    options.newShape = [1, 108]
    made.op(Ops.PAD, [source, pads], [padded], schema.PadOptionsT())
    made.op(Ops.RESHAPE, [padded, wide], [flat], options)
    made.op(Ops.RESHAPE, [flat, high], [back])
    made.op(Ops.TILE, [back, times], [tiled], schema.TileOptionsT())
    made.op(Ops.SLICE, [tiled, begin, size], [target], schema.SliceOptionsT())
    return made.finish([source], [target])


def _subgraph(name: str, code: int) -> Any:
    """A further subgraph of one operator, whose code is the `code`th of the model."""
    made = Builder()
    source = made.tensor("in", SHAPE)
    target = made.tensor("out", SHAPE)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [source], [target]
    made.graph.operators = [operator]
    made.graph.inputs, made.graph.outputs = [source], [target]
    made.graph.name = name
    return made.graph


def _branches() -> bytes:
    """IF with a subgraph for each case."""
    made = Builder()
    source = made.tensor("image", SHAPE)
    condition = made.constant("condition", [1], np.uint8)
    made.graph.tensors[condition].type = schema.TensorType.BOOL
    made.graph.tensors[condition].shape = []
    target = made.tensor("bokeh", SHAPE)
    options = schema.IfOptionsT()
    options.thenSubgraphIndex, options.elseSubgraphIndex = 1, 2
    made.op(Ops.IF, [condition, source], [target], options)
    for code in (Ops.RELU, Ops.TANH):
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = 1
        made.model.operatorCodes.append(entry)
    made.model.subgraphs += [_subgraph("then", 1), _subgraph("else", 2)]
    return made.finish([source], [target])


def _loop() -> bytes:
    """WHILE whose condition is a reduction that becomes false at once."""
    made = Builder()
    source = made.tensor("image", SHAPE)
    target = made.tensor("bokeh", SHAPE)
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    made.op(Ops.WHILE, [source], [target], options)
    condition = Builder()
    state = condition.tensor("state", SHAPE)
    axes = condition.constant("axes", [0, 1, 2, 3], np.int32)
    sharp = condition.tensor("sharp", ())
    limit = condition.constant("limit", -1.0)
    less = condition.tensor("less", ())
    condition.graph.tensors[less].type = schema.TensorType.BOOL
    condition.op(Ops.MEAN, [state, axes], [sharp], schema.ReducerOptionsT())
    condition.op(Ops.LESS, [sharp, limit], [less], schema.LessOptionsT())
    condition.ends([state], [less])
    condition.graph.name = "condition"
    shift = len(made.model.operatorCodes)
    for operator in condition.graph.operators:
        operator.opcodeIndex += shift
    for tensor in condition.graph.tensors:
        tensor.buffer += (len(made.model.buffers) - 1) * (tensor.buffer > 0)
    made.model.operatorCodes += condition.model.operatorCodes
    made.model.buffers += condition.model.buffers[1:]
    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = Ops.NEG
    entry.version = 1
    made.model.operatorCodes.append(entry)
    body = _subgraph("body", len(made.model.operatorCodes) - 1)
    made.model.subgraphs += [condition.graph, body]
    return made.finish([source], [target])


def _level(size: int, segments: list[int] | None = None, indices: list[int] | None = None) -> Any:
    level = schema.DimensionMetadataT()
    level.format, level.denseSize = int(segments is not None), size
    if segments is not None:
        level.arraySegmentsType = schema.SparseIndexVector.Int32Vector
        level.arraySegments = schema.Int32VectorT()
        level.arraySegments.values = segments
        level.arrayIndicesType = schema.SparseIndexVector.Uint8Vector
        level.arrayIndices = schema.Uint8VectorT()
        level.arrayIndices.values = indices
    return level


def sparse_builder() -> Builder:
    """A fully connected layer whose 4x4 weights hold six values: rows of 2, 1, 0 and 3."""
    made = Builder()
    source = made.tensor("image", (1, 4))
    packed = made.constant("packed", np.arange(1, 7))
    weights = made.tensor("weights", (4, 4))
    target = made.tensor("bokeh", (1, 4))
    tensor = made.graph.tensors[packed]
    tensor.shape = [4, 4]
    tensor.sparsity = schema.SparsityParametersT()
    tensor.sparsity.traversalOrder = [0, 1]
    tensor.sparsity.dimMetadata = [_level(4), _level(0, [0, 2, 3, 3, 6], [0, 2, 1, 0, 1, 3])]
    made.op(Ops.DENSIFY, [packed], [weights], schema.DensifyOptionsT())
    made.op(Ops.FULLY_CONNECTED, [source, weights, -1], [target], schema.FullyConnectedOptionsT())
    made.ends([source], [target])
    return made


def _sparse() -> bytes:
    return sparse_builder().data()


def _composite() -> bytes:
    """An operator of StableHLO that names a subgraph to be made of."""
    made = Builder()
    source = made.tensor("image", SHAPE)
    target = made.tensor("bokeh", SHAPE)
    made.op(Ops.STABLEHLO_COMPOSITE, [source], [target])
    operator = made.graph.operators[0]
    options = schema.StableHLOCompositeOptionsT()
    options.name, options.decompositionSubgraphIndex = "odml.detector", 1
    options.compositeAttributes = np.zeros(4, np.uint8)
    operator.builtinOptions2Type = schema.BuiltinOptions2.StableHLOCompositeOptions
    operator.builtinOptions2 = options
    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = Ops.RELU
    entry.version = 1
    made.model.operatorCodes.append(entry)
    made.model.subgraphs.append(_subgraph("detector", 1))
    return made.finish([source], [target])


def _annotated() -> bytes:
    """Metadata, a constant of strings, a custom operator with options, intermediates."""
    made = drafts.two_input_model()
    notes, words = schema.BufferT(), schema.BufferT()
    notes.data = np.frombuffer(b"1.14.0\0\0", np.uint8)
    header = np.array([2, 16, 19, 22], "<i4").tobytes() + b"redsky"
    words.data = np.frombuffer(header, np.uint8)
    made.model.buffers += [notes, words]
    entry = schema.MetadataT()
    entry.name, entry.buffer = "min_runtime_version", len(made.model.buffers) - 2
    made.model.metadata = [entry]
    made.model.metadataBuffer = [entry.buffer]
    labels = made.tensor("labels", (2,), buffer=len(made.model.buffers) - 1)
    made.graph.tensors[labels].type = schema.TensorType.STRING
    made.op(Ops.CUSTOM, [0], [made.tensor("marked", drafts.IMAGE)], custom="Mark")
    operator = made.graph.operators[-1]
    operator.customOptions = np.frombuffer(b"\x01\x02\x03\x04", np.uint8)
    operator.intermediates = [0]
    operator.mutatingVariableInputs = [False]
    return made.data()


def _outside() -> bytes:
    """Weights after the flatbuffer, as files of more than 2 GB have them."""
    made = drafts.conv_model()
    weights = made.model.buffers[1]
    size = len(weights.data)
    weights.data, weights.offset, weights.size = None, 4096, size
    return made.data().ljust(4096, b"\0") + bytes(size)
