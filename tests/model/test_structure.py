"""A model in full: shapes, options, work and memory, against sums by hand and the engine's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bokehbench.errors import ModelError, UsageError
from bokehbench.model.cost import macs_of
from bokehbench.model.describe import read_structure
from bokehbench.model.liveness import memory_use
from bokehbench.model.structure import OpEntry, TensorEntry
from tests.support.builder import OPEN, Builder, Ops

TINY = Path(__file__).parents[2] / "examples" / "tiny_unet.tflite"


def engine_shapes(path: Path, shape: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Shapes of all tensors when the first input has this shape."""
    engine = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    first = engine.get_input_details()[0]["index"]
    engine.resize_tensor_input(first, shape)
    engine.allocate_tensors()
    engine.set_tensor(first, np.zeros(shape, np.float32))
    engine.invoke()
    # Kernels add temporary tensors of their own, without a name.
    return {
        e["index"]: tuple(map(int, e["shape"])) for e in engine.get_tensor_details() if e["name"]
    }


@pytest.mark.parametrize("shape", [(1, 64, 96, 3), (1, 136, 72, 3)])
def test_a_free_size_is_followed_as_the_engine_does(shape: tuple[int, ...]) -> None:
    structure = read_structure(TINY, [shape])
    told = engine_shapes(TINY, shape)
    assert {i: t.shape for i, t in enumerate(structure.graph.tensors)} == told


def resizing(tmp_path: Path) -> Path:
    """x2 by RESIZE_BILINEAR, its size computed from the input's own shape; then more."""
    b = Builder()
    image = b.tensor("image", [1, OPEN, OPEN, 3])
    whole = b.tensor("whole", [4], np.int32)
    integers = schema.ShapeOptionsT()
    integers.outType = schema.TensorType.INT32
    b.op(Ops.SHAPE, [image], [whole], integers)
    part = b.tensor("part", [2], np.int32)
    ends = [b.constant(f"c{n}", v, np.int32) for n, v in enumerate(([1], [3], [1]))]
    b.op(Ops.STRIDED_SLICE, [whole, *ends], [part], schema.StridedSliceOptionsT())
    size = b.tensor("size", [2], np.int32)
    b.op(Ops.MUL, [part, b.constant("two", [2], np.int32)], [size], schema.MulOptionsT())
    large = b.tensor("large", [1, OPEN, OPEN, 3])
    b.op(Ops.RESIZE_BILINEAR, [image, size], [large], schema.ResizeBilinearOptionsT(), version=3)
    turned = b.tensor("turned", [1, OPEN, OPEN, 3])
    b.op(
        Ops.TRANSPOSE,
        [large, b.constant("perm", [0, 2, 1, 3], np.int32)],
        [turned],
        schema.TransposeOptionsT(),
    )
    padded = b.tensor("padded", [1, OPEN, OPEN, 3])
    pads = b.constant("pads", [[0, 0], [1, 2], [3, 4], [0, 0]], np.int32)
    b.op(Ops.PAD, [turned, pads], [padded], schema.PadOptionsT())
    pooled = b.tensor("pooled", [1, OPEN, OPEN, 3])
    pool = schema.Pool2DOptionsT()
    pool.strideH, pool.strideW, pool.filterHeight, pool.filterWidth = 2, 3, 3, 2
    pool.padding = schema.Padding.VALID
    b.op(Ops.MAX_POOL_2D, [padded], [pooled], pool)
    means = b.tensor("means", [1, 3])
    b.op(
        Ops.MEAN,
        [pooled, b.constant("axes", [1, 2], np.int32)],
        [means],
        schema.ReducerOptionsT(),
    )
    path = tmp_path / "resizing.tflite"
    path.write_bytes(b.finish([image], [means]))
    return path


def test_shapes_computed_from_shapes_are_followed(tmp_path: Path) -> None:
    path = resizing(tmp_path)
    structure = read_structure(path, [(1, 10, 14, 3)])
    told = engine_shapes(path, (1, 10, 14, 3))
    assert {i: t.shape for i, t in enumerate(structure.graph.tensors)} == told


def test_what_a_free_size_leaves_open_stays_unknown() -> None:
    structure = read_structure(TINY)
    assert structure.graph.tensors[structure.graph.inputs[0]].shape == (1, -1, -1, 3)
    assert structure.macs is None
    assert structure.memory.peak_fp32_bytes is None
    assert structure.macs_unknown == ("CONV_2D",)


def test_macs_and_memory_of_the_tiny_unet() -> None:
    structure = read_structure(TINY, free=(64, 64))
    # Sides 32, 16, 8, 8 (48 channels), 16 (48), 32 (12): outputs x 9 x channels in.
    expected = 9 * (
        32 * 32 * 12 * 3
        + 16 * 16 * 12 * 12
        + 8 * 8 * 12 * 12
        + 8 * 8 * 48 * 12
        + 16 * 16 * 48 * 12
        + 32 * 32 * 12 * 12
    )
    assert structure.macs == expected
    assert structure.parameters == 14724
    assert {k: v.size_bytes for k, v in structure.weights.items()} == {"float32": 4 * 14724}
    # The input (64x64x3) always; at the second pixel shuffle 16x16x48 before it, 32x32x12 after
    # it, and 32x32x12 kept for the skip.
    assert structure.memory.peak_fp32_bytes == 4 * (64 * 64 * 3 + 3 * 32 * 32 * 12)
    assert structure.memory.peak_fp16_bytes == structure.memory.peak_fp32_bytes // 2
    assert structure.graph.ops[structure.memory.peak_op or 0].name in ("DEPTH_TO_SPACE", "ADD")


@pytest.mark.parametrize(
    ("name", "inputs", "output", "options", "macs"),
    [
        ("CONV_2D", [(1, 8, 8, 4), (16, 3, 5, 4)], (1, 8, 8, 16), {}, 8 * 8 * 16 * 3 * 5 * 4),
        ("CONV_2D", [(1, 8, 8, 4), (16, 3, 3, 2)], (1, 8, 8, 16), {}, 8 * 8 * 16 * 9 * 2),
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 3, 5, 8)], (1, 4, 4, 8), {}, 4 * 4 * 8 * 15),
        ("TRANSPOSE_CONV", [(4,), (6, 2, 2, 4), (1, 8, 8, 4)], (1, 16, 16, 6), {}, 64 * 4 * 4 * 6),
        ("FULLY_CONNECTED", [(2, 10), (7, 10)], (2, 7), {}, 140),
        ("BATCH_MATMUL", [(2, 3, 4, 5), (2, 3, 5, 6)], (2, 3, 4, 6), {}, 6 * 4 * 6 * 5),
        ("BATCH_MATMUL", [(3, 5, 4), (3, 5, 6)], (3, 4, 6), {"adj_x": True}, 3 * 4 * 6 * 5),
        ("CONV_3D", [(1, 4, 8, 8, 2), (3, 3, 3, 2, 5)], (1, 4, 8, 8, 5), {}, 4 * 64 * 5 * 27 * 2),
        ("ADD", [(1, 8), (1, 8)], (1, 8), {}, 0),
        ("CONV_2D", [(1, -1, 8, 4), (16, 3, 5, 4)], (1, -1, 8, 16), {}, None),
        ("CUSTOM:Anything", [(1, 8)], (1, 8), {}, None),
        ("SVDF", [(1, 8)], (1, 8), {}, None),
        # Two steps of three batches, gates of 4 units: four 4x5 for the input, four 4x4 for before.
        (
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            [(2, 3, 5), *[(4, 5)] * 4, *[(4, 4)] * 4, *[None] * 3, *[(4,)] * 4],
            (2, 3, 4),
            {},
            2 * 3 * (4 * 20 + 4 * 16),
        ),
        # Without an input gate, with peepholes, and a projection of 4 units to 3.
        (
            "LSTM",
            [(2, 5), None, *[(4, 5)] * 3, None, *[(4, 3)] * 3, *[(4,)] * 7, (3, 4), None],
            (2, 3),
            {},
            2 * (3 * 20 + 3 * 12 + 12),
        ),
        ("LSTM", [(2, 5), (2, 4), (16, 9), (16,), (2, 4)], (2, 4), {}, 2 * 16 * 9),
        ("RNN", [(2, 5), (4, 5), (4, 4), (4,), (2, 4)], (2, 4), {}, 2 * (20 + 16)),
        (
            "BIDIRECTIONAL_SEQUENCE_RNN",
            [(6, 2, 5), *[(4, 5), (4, 4), (4,), (2, 4)] * 2, None, None, None],
            (6, 2, 8),
            {},
            6 * 2 * 2 * (20 + 16),
        ),
        ("SVDF", [(2, 5), (8, 5), (8, 10), (4,), (2, 80)], (2, 4), {}, 2 * (8 * 5 + 8 * 10)),
        ("RNN", [(2, -1), (4, 5), (4, 4), (4,), (2, 4)], (2, 4), {}, None),
        ("CONV_2D", [(1, 8, 8, 4)], (1, 8, 8, 16), {}, None),
    ],
)
def test_work_of_an_operator(
    name: str, inputs: Any, output: tuple[int, ...], options: Any, macs: int | None
) -> None:
    assert macs_of(name, inputs, [output], options) == macs


def entry(*shape: int, constant: bool = False, dtype: str = "float32") -> TensorEntry:
    return TensorEntry(name="t", shape=shape, dtype=dtype, constant=constant)


def step(inputs: tuple[int, ...], outputs: tuple[int, ...], name: str = "ADD") -> OpEntry:
    return OpEntry(name=name, version=1, inputs=inputs, outputs=outputs)


def test_a_tensor_lives_from_its_writer_to_its_last_reader() -> None:
    tensors = [entry(1), entry(100), entry(10), entry(10), entry(1)]
    ops = [step((0,), (1,)), step((1,), (2,)), step((2,), (3,)), step((3, 2), (4,))]
    use = memory_use(tensors, ops, [0], [4])
    assert use.peak_fp32_bytes == 4 * (1 + 100 + 10)
    assert use.peak_op == 1
    assert use.total_fp32_bytes == 4 * (1 + 100 + 10 + 10 + 1)
    assert use.largest_bytes == 400


def test_integers_stay_as_large_in_fp16() -> None:
    use = memory_use([entry(8), entry(8, dtype="int8")], [step((0,), (1,), "QUANTIZE")], [0], [1])
    assert (use.peak_fp32_bytes, use.peak_fp16_bytes) == (40, 24)


def test_weights_that_are_unpacked_are_no_activations() -> None:
    tensors = [entry(8), entry(1000, constant=True, dtype="float16"), entry(1000), entry(8)]
    ops = [step((1,), (2,), "DEQUANTIZE"), step((0, 2), (3,))]
    assert memory_use(tensors, ops, [0], [3]).peak_fp32_bytes == 64


def test_half_and_shaping_constants_are_counted_apart(tmp_path: Path) -> None:
    b = Builder()
    x = b.tensor("x", [1, 4])
    half, full = b.constant("h", np.ones((4, 4)), np.float16), b.tensor("f", [4, 4])
    b.op(Ops.DEQUANTIZE, [half], [full])
    y, z = b.tensor("y", [1, 4]), b.tensor("z", [4, 1])
    b.op(Ops.FULLY_CONNECTED, [x, full, -1], [y], schema.FullyConnectedOptionsT())
    b.op(Ops.RESHAPE, [y, b.constant("s", [4, 1], np.int32)], [z], schema.ReshapeOptionsT())
    path = tmp_path / "half.tflite"
    path.write_bytes(b.finish([x], [z]))
    structure = read_structure(path)
    assert {k: v.parameters for k, v in structure.weights.items()} == {"float16": 16}
    assert structure.macs == 16
    assert structure.graph.tensors[structure.graph.ops[2].inputs[1]].values == (4, 1)


def test_a_shape_that_does_not_go_with_the_model_is_refused() -> None:
    with pytest.raises(UsageError, match=r"its inputs are \[\(1, -1, -1, 3\)\]"):
        read_structure(TINY, [(1, 8, 8)])


def test_metadata_outside_the_file_is_refused(tmp_path: Path) -> None:
    b = Builder()
    x = b.tensor("x", [1])
    y = b.tensor("y", [1])
    b.op(Ops.ABS, [x], [y])
    meta = schema.MetadataT()
    meta.name, meta.buffer = "min_runtime_version", 99
    b.model.metadata = [meta]
    path = tmp_path / "meta.tflite"
    path.write_bytes(b.finish([x], [y]))
    with pytest.raises(ModelError, match="uses buffer 99 of 1"):
        read_structure(path)
