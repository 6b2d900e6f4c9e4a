"""The weights of LPIPS-Alex -> a .tflite of its five convolutions, built in memory.

The network ends where features do: norms, differences and means are taken outside, in float64 where
many values are summed. The input is the pair of images as a batch of two, scaled, with the first
convolution's border of zeros around it, in blocks of 4x4 pixels: what was a kernel of 11x11 with
steps of 4 is then one of 3x3 blocks with steps of 1. That takes a tenth of a second less to begin
with and 90 MB less at 1024x1536, where the engine keeps a pointer for each of a kernel's places.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WEIGHTS: Final = Path(__file__).resolve().parent / "weights" / "lpips_alex_v0.1_fp32.npz"
LAYERS: Final = 5
BORDER: Final = 2
"""Zeros around the first convolution's input."""

KERNEL: Final = 11
STRIDE: Final = 4
BLOCK: Final = STRIDE * STRIDE * 3
"""Values of a block of pixels."""

# The scaling layer of LPIPS: (x - shift) / scale of an image in [-1, 1].
SHIFT: Final = (-0.030, -0.088, -0.188)
SCALE: Final = (0.458, 0.448, 0.450)

_POOLED_LAYERS = (0, 1)
_MIN_SIDE = 64


@cache
def weights() -> Mapping[str, NDArray[np.float32]]:
    """`conv0_w` (height, width, input, output), `conv0_b`, `lin0_w` ... `lin4_w`."""
    with np.load(WEIGHTS, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def feature_rows(rows: int) -> tuple[int, int, int]:
    """Rows of the features of layer 0, of layer 1, and of the other three, from an image's rows."""
    first = (rows + 2 * BORDER - KERNEL) // STRIDE + 1
    second = (first - 3) // 2 + 1
    return first, second, (second - 3) // 2 + 1


def blocks(rows: int) -> int:
    """Rows of blocks that the first convolution reads for an image of so many rows."""
    return feature_rows(rows)[0] + 2


def into_blocks(
    image: NDArray[np.float32], corner: tuple[int, int], out: NDArray[np.float32]
) -> None:
    """An image into (rows, columns, 48), blocks of 4x4 pixels, with zeros around it."""
    rows, columns = out.shape[:2]
    top, left = corner
    height, width = image.shape[:2]
    padded = np.zeros((4 * rows, 4 * columns, 3), np.float32)
    padded[top : top + height, left : left + width] = image
    blocks = padded.reshape(rows, 4, columns, 4, 3).transpose(0, 2, 1, 3, 4)
    out.reshape(rows, columns, 4, 4, 3)[:] = blocks


def _first_kernel() -> NDArray[np.float32]:
    """The first convolution's kernel for blocks; its twelfth row and column are zeros."""
    kernel = np.pad(weights()["conv0_w"], ((0, 1), (0, 1), (0, 0), (0, 0)))
    split = kernel.reshape(3, STRIDE, 3, STRIDE, 3, -1).transpose(0, 2, 1, 3, 4, 5)
    return np.ascontiguousarray(split).reshape(3, 3, BLOCK, -1)


def build_model() -> bytes:
    """The .tflite. Height and width of its input are those of a small image, to be resized."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators = "lpips_alex", [], []
    model = schema.ModelT()
    model.version, model.subgraphs = 3, [graph]
    model.description = "LPIPS v0.1, AlexNet, features"
    model.buffers, model.operatorCodes = [schema.BufferT()], []
    for code in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.MAX_POOL_2D):
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = 1
        model.operatorCodes.append(entry)

    def tensor(name: str, shape: tuple[int, ...], values: Any = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.hasRank = name, list(shape), True
        made.type, made.buffer = schema.TensorType.FLOAT32, 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(index: int, inputs: list[int], output: int, options: Any, kind: int) -> None:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = index, inputs, [output]
        made.builtinOptions, made.builtinOptionsType = options, kind
        graph.operators.append(made)

    def convolution(layer: int, source: int, rows: int) -> int:
        kernel = _first_kernel() if layer == 0 else weights()[f"conv{layer}_w"]
        kernel = kernel.transpose(3, 0, 1, 2)
        bias = weights()[f"conv{layer}_b"]
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = 1
        # The first one's border is in its input; the others' zeros are what SAME means.
        options.padding = schema.Padding.VALID if layer == 0 else schema.Padding.SAME
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        inputs = [
            source,
            tensor(f"conv{layer}_w", kernel.shape, kernel),
            tensor(f"conv{layer}_b", bias.shape, bias),
        ]
        output = tensor(f"features{layer}", (2, rows, rows, len(bias)))
        operator(0, inputs, output, options, schema.BuiltinOptions.Conv2DOptions)
        return output

    def pool(source: int, rows: int) -> int:
        channels = graph.tensors[source].shape[3]
        options = schema.Pool2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideH = options.strideW = 2
        options.filterHeight = options.filterWidth = 3
        output = tensor(f"pooled{source}", (2, rows, rows, channels))
        operator(1, [source], output, options, schema.BuiltinOptions.Pool2DOptions)
        return output

    side = blocks(_MIN_SIDE)
    current = tensor("images", (2, side, side, BLOCK))
    graph.inputs, graph.outputs = [current], []
    rows = feature_rows(_MIN_SIDE)
    for layer in range(LAYERS):
        current = convolution(layer, current, rows[min(layer, 2)])
        graph.outputs.append(current)
        if layer in _POOLED_LAYERS:
            current = pool(current, rows[layer + 1])
    packer = flatbuffers.Builder(12 << 20)
    packer.Finish(model.Pack(packer), b"TFL3")
    return bytes(packer.Output())
