"""Sizes, buffers, quantisation, sparsity and strings that contradict each other or overflow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated

from bokehbench.errors import ModelError
from bokehbench.model import flatbuffer, read_model
from tests.fuzz.corpus import sparse_builder
from tests.support import drafts
from tests.support.builder import OPEN, Builder, Ops

IMAGE = (1, 4, 4, 3)


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def shaped(
    code: int, values: Any, *, place: int = 1, dtype: Any = np.int32, shape: Any = IMAGE
) -> Builder:
    """One operator of an image and a constant that gives the size of its result."""
    made = Builder()
    source = made.tensor("image", shape)
    size = made.constant("size", values, dtype)
    target = made.tensor("bokeh", (1, 48))
    operands = [source, source]
    operands.insert(place, size)
    made.op(code, operands, [target])
    made.ends([source], [target])
    return made


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            shaped(Ops.RESHAPE, [65536, 65536]),
            "(RESHAPE) asks for the size 65536x65536 of 'bokeh', which overflows 31 bits",
        ),
        (shaped(Ops.RESHAPE, [1 << 16, 1 << 15, -1]), "65536x32768x-1 of 'bokeh', which overflows"),
        (shaped(Ops.RESHAPE, [-1, -1]), "asks for the size -1x-1 of 'bokeh', which is negative"),
        (shaped(Ops.RESHAPE, [-2, 4]), "asks for the size -2x4 of 'bokeh', which is negative"),
        (shaped(Ops.RESHAPE, [7, 7]), "7x7 of 'bokeh', and its input of 1x4x4x3 has 48 elements"),
        (shaped(Ops.RESHAPE, [-1, 7]), "-1x7 of 'bokeh', and its input of 1x4x4x3 has 48 elements"),
        (shaped(Ops.RESHAPE, [1 << 31, 2], dtype=np.int64), "2147483648x2 of 'bokeh', which over"),
        (shaped(Ops.RESHAPE, [1] * 65), "takes its size from 65 numbers; no tensor has more than"),
        (shaped(Ops.FILL, [-1, 4], place=0), "(FILL) asks for the size -1x4"),
        (shaped(Ops.BROADCAST_TO, [1 << 20, 1 << 20]), "(BROADCAST_TO) asks for the size 1048576"),
        (shaped(Ops.TRANSPOSE_CONV, [1, 1 << 30, 4, 3], place=0), "1x1073741824x4x3 of 'bokeh'"),
        (shaped(Ops.RESIZE_BILINEAR, [1 << 15, 1 << 15]), "32768x32768 of 'bokeh', which overfl"),
        (shaped(Ops.RESIZE_NEAREST_NEIGHBOR, [-4, 4]), "-4x4 of 'bokeh', which is negative"),
        (shaped(Ops.TILE, [1, 1 << 15, 1 << 15, 1]), "(TILE) asks for the size 1x32768x32768x1"),
        (
            shaped(Ops.PAD, [[0, 0], [0, 1 << 30], [0, 0], [0, 0]]),
            "(PAD) asks for the size 0x0x0x",
        ),
        (shaped(Ops.PAD, [[0, 0], [-1, 0], [0, 0], [0, 0]]), "which is negative"),
    ],
)
def test_constants_that_ask_for_too_much(tmp_path: Path, made: Builder, words: str) -> None:
    assert words in refused(tmp_path / "net.tflite", made.data())


def test_a_shape_in_the_options_is_looked_at_too(tmp_path: Path) -> None:
    made = Builder()
    source, target = made.tensor("image", IMAGE), made.tensor("bokeh", (48,))
    options = generated.ReshapeOptionsT()
    options.newShape = [1 << 16, 1 << 16]
    made.op(Ops.RESHAPE, [source], [target], options)
    made.ends([source], [target])
    assert "65536x65536 of 'bokeh', which overflows" in refused(tmp_path / "a", made.data())


@pytest.mark.parametrize(
    "made",
    [
        shaped(Ops.RESHAPE, [48]),
        shaped(Ops.RESHAPE, [3, -1]),
        shaped(Ops.RESHAPE, [48], dtype=np.int64),
        shaped(Ops.RESHAPE, [-1, 7], shape=(1, OPEN, OPEN, 3)),
        shaped(Ops.TILE, [1, 2, 2, 1]),
        shaped(Ops.RESIZE_BILINEAR, [1024, 1024]),
        shaped(Ops.PAD, [[0, 0], [1, 1], [1, 1], [0, 0]]),
    ],
)
def test_constants_that_are_sound(tmp_path: Path, made: Builder) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(made.data())
    assert sum(read_model(path).ops.values()) == 1


def _quantization(made: Builder) -> Any:
    return made.graph.tensors[1].quantization


def _axis(made: Builder) -> None:
    _quantization(made).quantizedDimension = 4


def _scales(made: Builder) -> None:
    _quantization(made).scale, _quantization(made).zeroPoint = [0.1, 0.2], [0, 0]


def _zeros(made: Builder) -> None:
    _quantization(made).zeroPoint = [0]


def _no_zeros(made: Builder) -> None:
    _quantization(made).zeroPoint = None


def _later_scale(made: Builder) -> None:
    _quantization(made).scale = [0.1, float("inf"), 0.1]


def _negative_scale(made: Builder) -> None:
    _quantization(made).scale = [0.1, 0.1, -0.5]


def _far_zero(made: Builder) -> None:
    _quantization(made).zeroPoint = [0, 1 << 40, 0]


def _block_scales(made: Builder) -> None:
    details = generated.BlockwiseQuantizationT()
    details.scales = 77
    _quantization(made).detailsType = generated.QuantizationDetails.BlockwiseQuantization
    _quantization(made).details = details


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_axis, "'weights' is quantised along axis 4 of 4"),
        (_scales, "'weights' of 3x3x3x3 has 2 scales along axis 0"),
        (_zeros, "'weights' has 3 scales and 1 zero points"),
        (_no_zeros, "'weights' has 3 scales and 0 zero points"),
        (_later_scale, "'weights' has scale inf and zero point 0"),
        (_negative_scale, "'weights' has scale -0.5 and zero point 0"),
        (_far_zero, "and zero point 1099511627776"),
        (_block_scales, "'weights' has its scales in tensor 77 of 4"),
    ],
)
def test_quantisation(tmp_path: Path, spoil: Callable[[Builder], None], words: str) -> None:
    made = drafts.quantised_model()
    spoil(made)
    assert words in refused(tmp_path / "net.tflite", made.data())


def _levels(made: Builder) -> Any:
    return made.graph.tensors[1].sparsity


def _order(made: Builder) -> None:
    _levels(made).traversalOrder = [0, 0]


def _missing_level(made: Builder) -> None:
    _levels(made).dimMetadata.pop()


def _blocks(made: Builder) -> None:
    _levels(made).blockMap, _levels(made).traversalOrder = [7], [0, 1, 2]
    _levels(made).dimMetadata.append(_levels(made).dimMetadata[0])


def _block_width(made: Builder) -> None:
    _levels(made).blockMap, _levels(made).traversalOrder = [1], [0, 1, 2]
    width = generated.DimensionMetadataT()
    width.denseSize = 3
    _levels(made).dimMetadata.append(width)


def _dense_size(made: Builder) -> None:
    _levels(made).dimMetadata[0].denseSize = 5


def _segments(made: Builder) -> None:
    _levels(made).dimMetadata[1].arraySegments.values = [0, 2, 3, 3, 60]


def _few_segments(made: Builder) -> None:
    _levels(made).dimMetadata[1].arraySegments.values = [0, 6]


def _overlapping(made: Builder) -> None:
    _levels(made).dimMetadata[1].arraySegments.values = [0, 5, 3, 3, 6]


def _index(made: Builder) -> None:
    _levels(made).dimMetadata[1].arrayIndices.values = [0, 2, 1, 0, 1, 200]


def _no_indices(made: Builder) -> None:
    _levels(made).dimMetadata[1].arrayIndicesType = 0
    _levels(made).dimMetadata[1].arrayIndices = None


def _few_values(made: Builder) -> None:
    made.model.buffers[1].data = made.model.buffers[1].data[:20]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_order, "2 dimensions, 0 blocks, 2 levels and the order [0, 0]"),
        (_missing_level, "2 dimensions, 0 blocks, 1 levels"),
        (_blocks, "has blocks along [7] of 2 dimensions"),
        (_block_width, "has blocks of 3 in 4"),
        (_dense_size, "a dense level of 5 where its shape says 4"),
        (_segments, "5 segments and 6 indices below 4 entries"),
        (_few_segments, "2 segments and 6 indices below 4 entries"),
        (_overlapping, "segments overlap"),
        (_index, "an index outside its 4"),
        (_no_indices, "a sparse level without indices"),
        (_few_values, "tensor 'packed' needs 24 bytes, its buffer has 20"),
    ],
)
def test_sparsity(tmp_path: Path, spoil: Callable[[Builder], None], words: str) -> None:
    path = tmp_path / "net.tflite"
    made = sparse_builder()
    path.write_bytes(made.data())
    read_model(path)
    spoil(made)
    assert words in refused(path, made.data())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.array([2, 16, 19, 22], "<i4").tobytes() + b"redsky", ""),
        (np.array([0, 8], "<i4").tobytes(), ""),
        (b"ab", "holds -1 strings in 2 bytes"),
        (np.array([1 << 30, 8], "<i4").tobytes(), "holds 1073741824 strings in 8 bytes"),
        (np.array([-1, 8], "<i4").tobytes(), "holds -1 strings"),
        (np.array([2, 16, 900, 22], "<i4").tobytes() + b"redsky", "lie outside its buffer"),
        (np.array([2, 16, 19, 99], "<i4").tobytes() + b"redsky", "lie outside its buffer"),
        (np.array([2, 2, 19, 22], "<i4").tobytes() + b"redsky", "lie outside its buffer"),
    ],
)
def test_constants_of_strings(tmp_path: Path, content: bytes, words: str) -> None:
    made = drafts.conv_model()
    made.model.buffers.append(generated.BufferT())
    made.model.buffers[-1].data = np.frombuffer(content, np.uint8)
    labels = made.tensor("labels", (2,), buffer=len(made.model.buffers) - 1)
    made.graph.tensors[labels].type = generated.TensorType.STRING
    path = tmp_path / "net.tflite"
    if words:
        assert words in refused(path, made.data())
    else:
        path.write_bytes(made.data())
        read_model(path)


def _external(made: Builder, **changes: Any) -> None:
    made.model.buffers[1].data = None
    made.graph.tensors[1].externalBuffer = 7
    other = generated.ExternalBufferT()
    other.id, other.length = 7, 324
    for name, value in changes.items():
        setattr(other, name, value)
    made.model.externalBuffers = [other]
    made.model.externalBufferGroups = [generated.ExternalBufferGroupT()]


def _outside_group(made: Builder) -> None:
    _external(made, group=3)


def _wrapping_place(made: Builder) -> None:
    _external(made, offset=(1 << 64) - 8)


def _twice(made: Builder) -> None:
    _external(made)
    made.model.externalBuffers *= 2


def _metadata(made: Builder) -> None:
    made.model.metadata = [generated.MetadataT()]
    made.model.metadata[0].name, made.model.metadata[0].buffer = "notes", 90


def _old_metadata(made: Builder) -> None:
    made.model.metadataBuffer = [90]


def _far_options(made: Builder) -> None:
    made.graph.operators[0].largeCustomOptionsOffset = (1 << 64) - 2
    made.graph.operators[0].largeCustomOptionsSize = 16


def _inline_and_outside(made: Builder) -> None:
    made.model.buffers[1].offset, made.model.buffers[1].size = 1 << 40, 16


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_outside_group, "external buffer 7 is in file 3 of 1"),
        (_wrapping_place, "external buffer 7 has 324 bytes at byte 18446744073709551608"),
        (_twice, "two external buffers are number 7"),
        (_metadata, "metadata 'notes' uses buffer 90 of 3"),
        (_old_metadata, "metadata lies in buffer 90 of 3"),
        (_far_options, "end outside the file"),
        (_inline_and_outside, "a buffer of 16 bytes at byte 1099511627776 ends outside"),
    ],
)
def test_buffers(tmp_path: Path, spoil: Callable[[Builder], None], words: str) -> None:
    made = drafts.conv_model()
    spoil(made)
    assert words in refused(tmp_path / "net.tflite", made.data())


def test_a_file_of_absurd_size_is_not_hashed(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    with open(path, "wb") as file:
        file.write(drafts.conv_model().data())
        file.truncate(flatbuffer.MAX_FILE_BYTES + 1)
    with pytest.raises(ModelError, match="at most 17179869184 can be read"):
        read_model(path)
