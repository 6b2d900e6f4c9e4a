"""Broken and hostile files: ModelError or facts, one line, in bounded time, nothing else."""

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as generated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bokehbench.errors import ModelError
from bokehbench.facts import ModelFacts, canonical_json
from bokehbench.model import read_model
from tests.support import drafts
from tests.support.builder import Builder, Ops

VALID = {
    "signed": drafts.conv_model(signature=True).data(),
    "quantised": drafts.quantised_model().data(),
    "custom": drafts.custom_model().data(),
}
SECONDS = 5.0
GENEROUS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def survives(path: Path, data: bytes) -> ModelFacts | None:
    """Reads `data`; checks that only the allowed things happen."""
    path.write_bytes(data)
    started = time.monotonic()
    facts, words = None, f"{path}: "
    try:
        facts = read_model(path)
    except ModelError as error:
        words = str(error)
    assert words.startswith(f"{path}: ")
    assert "\n" not in words
    assert time.monotonic() - started < SECONDS
    if facts is not None:
        canonical_json(facts).encode()
    return facts


@GENEROUS
@given(data=st.binary(max_size=400))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    survives(tmp_path / "net.tflite", data)


@GENEROUS
@given(data=st.binary(max_size=400), root=st.integers(0, 400))
def test_any_bytes_after_a_header(tmp_path: Path, data: bytes, root: int) -> None:
    survives(tmp_path / "net.tflite", struct.pack("<I4s", root, b"TFL3") + data)


@GENEROUS
@given(
    name=st.sampled_from(sorted(VALID)),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=12),
)
def test_changed_bytes(tmp_path: Path, name: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(VALID[name])
    for place, value in changes:
        data[place % len(data)] = value
    survives(tmp_path / "net.tflite", bytes(data))


@pytest.mark.parametrize("value", [0x00, 0x01, 0x7F, 0x80, 0xFF])
def test_every_byte_replaced(tmp_path: Path, value: int) -> None:
    whole = VALID["signed"]
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] = value
        survives(tmp_path / "net.tflite", bytes(data))


@pytest.mark.parametrize("value", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000])
def test_every_word_replaced(tmp_path: Path, value: int) -> None:
    whole = VALID["signed"]
    for place in range(0, len(whole) - 4, 4):
        data = bytearray(whole)
        data[place : place + 4] = struct.pack("<I", value)
        survives(tmp_path / "net.tflite", bytes(data))


@pytest.mark.parametrize("name", VALID)
def test_every_length(tmp_path: Path, name: str) -> None:
    whole = VALID[name]
    for length in range(len(whole)):
        survives(tmp_path / "net.tflite", whole[:length])
    assert survives(tmp_path / "net.tflite", whole) is not None


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"TFL3", "only 4 bytes"),
        (b"\x18\0\0\0TFL3", "outside its 8 bytes"),
        (b"PK\3\4 zip file", "not a .tflite: bytes 4-8 are b' zip' instead of TFL3"),
        (bytes(100), "instead of TFL3"),
        (b"\0\0\0\0TFL3" + bytes(100), "impossible length"),
        (b"\xff\xff\xff\xffTFL3" + bytes(100), "outside its 108 bytes"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refused(tmp_path / "net.tflite", data)


def _version(made: Builder) -> None:
    made.model.version = 4


def _no_subgraphs(made: Builder) -> None:
    made.model.subgraphs = []


def _no_inputs(made: Builder) -> None:
    made.graph.inputs, made.graph.outputs, made.graph.operators = [], [1], []


def _forgotten_input(made: Builder) -> None:
    made.graph.inputs = []


def _no_outputs(made: Builder) -> None:
    made.graph.outputs = []


def _end(made: Builder) -> None:
    made.graph.outputs = [99]


def _operand(made: Builder) -> None:
    made.graph.operators[0].inputs = [0, 1, 4]


def _negative_operand(made: Builder) -> None:
    made.graph.operators[0].outputs = [-2]


def _code(made: Builder) -> None:
    made.graph.operators[0].opcodeIndex = 1


def _buffer(made: Builder) -> None:
    made.graph.tensors[1].buffer = 3


def _small_buffer(made: Builder) -> None:
    made.graph.tensors[1].shape = [3, 3, 3, 4]


def _past_the_end(made: Builder) -> None:
    buffer = made.model.buffers[1]
    buffer.data, buffer.offset, buffer.size = None, 64, 1 << 40


def _wrapping_buffer(made: Builder) -> None:
    buffer = made.model.buffers[1]
    buffer.data, buffer.offset, buffer.size = None, (1 << 64) - 8, 16


def _huge(made: Builder) -> None:
    made.graph.tensors[0].shape = [1, 1 << 20, 1 << 20, 3]


def _two_to_31(made: Builder) -> None:
    made.graph.tensors[0].shape = [1, 1 << 15, 1 << 16, 1]


def _overflowing(made: Builder) -> None:
    made.graph.tensors[0].shape = [1 << 16, 1 << 16, 1 << 16, 1 << 16]


def _largest(made: Builder) -> None:
    made.graph.tensors[0].shape = [(1 << 31) - 1] * 4


def _negative(made: Builder) -> None:
    made.graph.tensors[0].shape = [1, -(1 << 31), 8, 3]


def _rank(made: Builder) -> None:
    made.graph.tensors[0].shape = [1] * 33


def _other_rank(made: Builder) -> None:
    made.graph.tensors[0].shapeSignature = [-1, -1]


def _type(made: Builder) -> None:
    made.graph.tensors[0].type = 77


def _scale(made: Builder) -> None:
    made.graph.tensors[0].quantization = generated.QuantizationParametersT()
    made.graph.tensors[0].quantization.scale = [float("nan")]
    made.graph.tensors[0].quantization.zeroPoint = [0]


def _custom(made: Builder) -> None:
    made.model.operatorCodes[0].builtinCode = Ops.CUSTOM


def _negative_code(made: Builder) -> None:
    made.model.operatorCodes[0].builtinCode = -5
    made.model.operatorCodes[0].deprecatedBuiltinCode = -6


def _called_subgraph(made: Builder) -> None:
    options = generated.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 0, 5
    made.op(Ops.WHILE, [0], [3], options)


def _signature_subgraph(made: Builder) -> None:
    made.signature("s", [("x", 0)], [("y", 3)], subgraph=1)


def _signature_tensor(made: Builder) -> None:
    made.signature("s", [("x", 40)], [("y", 3)])


def _signature_ends(made: Builder) -> None:
    made.signature("s", [("x", 0), ("w", 1)], [("y", 3)])


def _external(made: Builder) -> None:
    made.graph.tensors[1].externalBuffer = 5


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_version, "schema version 4"),
        (_no_subgraphs, "no subgraphs"),
        (_no_inputs, "no inputs"),
        (_forgotten_input, "operator 0 (CONV_2D) reads tensor 'image', which nothing writes"),
        (_no_outputs, "no outputs"),
        (_end, "tensor 99 of 4"),
        (_operand, "'CONV_2D' uses tensor 4 of 4"),
        (_negative_operand, "uses tensor -2"),
        (_code, "code 1 of 1"),
        (_buffer, "buffer 3 of 3"),
        (_small_buffer, "needs 432 bytes, its buffer has 324"),
        (_past_the_end, "ends outside"),
        (_wrapping_buffer, "ends outside"),
        (_two_to_31, "of 1x32768x65536x1 float32 has 2147483648 elements, and engines count"),
        (_huge, "of 1x1048576x1048576x3 float32 has 3298534883328 elements"),
        (_overflowing, "has 18446744073709551616 elements"),
        (_largest, "and engines count them in 31 bits"),
        (_negative, "negative dimension"),
        (_rank, "33 and 0 dimensions"),
        (_other_rank, "4 and 2 dimensions"),
        (_type, "element type 77"),
        (_scale, "scale nan"),
        (_custom, "no name"),
        (_negative_code, "-5 is negative"),
        (_called_subgraph, "WHILE runs subgraph 5 of 1"),
        (_signature_subgraph, "subgraph 1 of 1"),
        (_signature_tensor, "tensor 40"),
        (_signature_ends, "names 2 tensors"),
        (_external, "external buffer 5"),
    ],
)
def test_models_that_contradict_themselves(
    tmp_path: Path, spoil: Callable[[Builder], None], words: str
) -> None:
    made = drafts.conv_model()
    spoil(made)
    assert words in refused(tmp_path / "net.tflite", made.data())


def test_tensors_that_share_one_long_vector_are_not_read_for_ever(tmp_path: Path) -> None:
    """20 kB of offsets to one table, each of which asks for a vector of a million elements."""
    count, elements = 5000, 1_000_000
    vtable = struct.pack("<HHHH", 8, 8, 0, 4)  # a table with slot 1 only
    body = bytearray(b"\0\0\0\0TFL3")

    def place(data: bytes) -> int:
        body.extend(bytes(-len(body) % 4))
        body.extend(data)
        return len(body) - len(data)

    root_vtable = place(struct.pack("<HHHHH", 10, 12, 4, 0, 8))
    root = place(struct.pack("<iII", 0, 3, 0))
    struct.pack_into("<i", body, root, root - root_vtable)
    subgraphs = place(struct.pack("<I", count) + bytes(4 * count))
    struct.pack_into("<I", body, root + 8, subgraphs - (root + 8))
    where = place(vtable)
    subgraph = place(struct.pack("<iI", 0, 4))
    struct.pack_into("<i", body, subgraph, subgraph - where)
    place(struct.pack("<I", elements) + bytes(4 * elements))
    for index in range(count):
        at = subgraphs + 4 + 4 * index
        struct.pack_into("<I", body, at, subgraph - at)
    struct.pack_into("<I", body, 0, root)
    assert survives(tmp_path / "net.tflite", bytes(body)) is None


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_model(tmp_path / "none.tflite")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a directory"):
        read_model(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="no regular file"):
        read_model(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["a\0b.tflite", "x" * 300, "net.tflite/below"])
def test_paths_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "net.tflite").write_bytes(b"")
    with pytest.raises(ModelError, match="not readable"):
        read_model(tmp_path / name)


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(ModelError, match=r"not readable \(Permission denied\)"):
        read_model(tmp_path / "net.tflite")
