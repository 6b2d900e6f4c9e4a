"""Small files that would grow: in names, ends, operands, shapes, pictures, or under the reader."""

import hashlib
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokehbench.cli.inspect import document, screen
from bokehbench.cli.output import to_json
from bokehbench.errors import ModelError
from bokehbench.model import flatbuffer
from bokehbench.model.describe import read_structure
from bokehbench.model.liveness import memory_use
from bokehbench.model.partition import partitions
from bokehbench.model.picture import MAX_ENDS, MAX_LINES, draw
from bokehbench.model.reader import read_model
from bokehbench.model.structure import OpEntry, SubGraphEntry, TensorEntry
from tests.support import drafts
from tests.support.builder import OPEN, Builder, Ops

SHAPE = (1, 4)


def written(folder: Path, builder: Builder) -> Path:
    path = folder / "net.tflite"
    path.write_bytes(builder.data())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_structure(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    return str(caught.value)


def one_operator(custom: str) -> Builder:
    made = Builder()
    source, target = made.tensor("x", SHAPE), made.tensor("y", SHAPE)
    made.op(Ops.CUSTOM, [source], [target], custom=custom)
    made.ends([source], [target])
    return made


def test_an_operators_name_is_bounded(tmp_path: Path) -> None:
    """Every operator, line and column of a table repeats it."""
    assert read_structure(written(tmp_path, one_operator("N" * 256))).graph.ops
    told = refusal(written(tmp_path, one_operator("N" * 257)))
    assert "a custom operator's name has 257 characters; at most 256" in told


def test_ends_of_a_subgraph_are_bounded(tmp_path: Path) -> None:
    made = one_operator("C")
    made.graph.inputs = [0] * 5000
    assert "has 5000 inputs and 1 outputs; at most 4096" in refusal(written(tmp_path, made))


def test_one_list_of_operands_for_thousands_of_operators(tmp_path: Path) -> None:
    made = Builder()
    source = made.tensor("x", SHAPE)
    targets = [made.tensor("y", SHAPE) for _ in range(100)]
    for target in targets:
        made.op(Ops.ADD_N, [source] * 4000, [target])
    made.ends([source], targets)
    assert "its structure is larger than" in refusal(written(tmp_path, made))


@pytest.mark.parametrize("count", [5, 300])
def test_free_sides_that_multiply_on_and_on_become_unknown(tmp_path: Path, count: int) -> None:
    made = Builder()
    last = source = made.tensor("x", (1, OPEN))
    times = made.constant("times", [1, 1 << 30], np.int32)
    for _ in range(count):
        target = made.tensor("t", (1, OPEN))
        made.op(Ops.TILE, [last, times], [target], schema.TileOptionsT())
        last = target
    made.ends([source], [last])
    path = written(tmp_path, made)
    structure = read_structure(path, free=(8, 8))
    assert structure.graph.tensors[2].shape == (1, 1 << 30)
    assert structure.graph.tensors[last].shape == (1, -1)
    assert structure.memory.peak_fp32_bytes is None
    assert screen(structure)
    assert to_json(document(structure))


def test_buffer_0_holds_nothing_whatever_lies_in_it(tmp_path: Path) -> None:
    """Engines look at no bytes of it; a tensor would be a constant here and nothing there."""
    made = Builder()
    made.model.buffers[0].data = np.ones(16, np.uint8)
    source, target = made.tensor("x", SHAPE), made.tensor("y", SHAPE)
    made.op(Ops.ABS, [source], [target])
    made.ends([source], [target])
    assert read_structure(written(tmp_path, made)).parameters == 0
    other = made.tensor("other", SHAPE)
    made.graph.operators.clear()
    made.add(source, other, target)
    assert "reads tensor 'other', which nothing writes" in refusal(written(tmp_path, made))


def test_zero_points_without_scales_are_no_quantisation(tmp_path: Path) -> None:
    """LiteRT 2.3.0 runs such a model."""
    made = one_operator("C")
    made.graph.tensors[0].quantization = schema.QuantizationParametersT()
    made.graph.tensors[0].quantization.zeroPoint = [0]
    path = written(tmp_path, made)
    assert read_structure(path).graph.tensors[0].scales == 0
    assert read_model(path).inputs[0].scale == 0.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_a_bad_scale_among_many_is_found(tmp_path: Path, bad: float) -> None:
    made = one_operator("C")
    made.graph.tensors[0].quantization = schema.QuantizationParametersT()
    made.graph.tensors[0].quantization.scale = [1.0, 1.0, bad, 1.0]
    made.graph.tensors[0].quantization.zeroPoint = [0, 0, 7, 0]
    made.graph.tensors[0].quantization.quantizedDimension = 1
    assert f"has scale {bad} and zero point 7" in refusal(written(tmp_path, made))


def test_scales_of_a_language_model_fit_the_budget(tmp_path: Path) -> None:
    """Two million scales with their zero points: 2 B parameters, per channel, two signatures."""
    count = 2_000_000
    made = Builder()
    source, target = made.tensor("x", (1, count)), made.tensor("y", (1, count))
    made.op(Ops.ABS, [source], [target])
    made.graph.tensors[0].quantization = schema.QuantizationParametersT()
    made.graph.tensors[0].quantization.scale = np.full(count, 0.5, np.float32)
    made.graph.tensors[0].quantization.zeroPoint = np.zeros(count, np.int64)
    made.graph.tensors[0].quantization.quantizedDimension = 1
    made.ends([source], [target])
    assert read_structure(written(tmp_path, made)).graph.tensors[0].scales == count


def test_a_file_that_shrinks_while_it_is_read_ends_no_process(tmp_path: Path) -> None:
    """Under a map the kernel answers the next byte with SIGBUS, which nothing in Python catches."""
    path = written(tmp_path, drafts.long_model(500))
    code = (
        "import os, sys; from pathlib import Path\n"
        "from bokehbench.model.flatbuffer import open_source\n"
        "from bokehbench.model.graph import read_graph\n"
        "with open_source(Path(sys.argv[1])) as source:\n"
        "    os.truncate(sys.argv[1], 16)\n"
        "    print(len(read_graph(source).subgraphs[0].operators), source.sha256())\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    digest = hashlib.sha256(drafts.long_model(500).data()).hexdigest()
    assert (told.returncode, told.stdout) == (0, f"501 {digest}\n")


def test_a_large_file_is_mapped_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, drafts.conv_model())
    monkeypatch.setattr(flatbuffer, "MAX_COPIED_BYTES", 100)
    with flatbuffer.open_source(path) as source:
        assert not isinstance(source.data, bytes)
        mapped = source.sha256()
    monkeypatch.undo()
    with flatbuffer.open_source(path) as source:
        assert source.sha256() == mapped


def step(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> OpEntry:
    return OpEntry(name="ADD", version=1, inputs=inputs, outputs=outputs)


def entry(*shape: int, variable: bool = False) -> TensorEntry:
    return TensorEntry(name="t", shape=shape, dtype="float32", variable=variable)


def test_an_operand_left_out_joins_no_operators() -> None:
    """The first reads no bias, the second has one output less: neither waits for the other."""
    ops = [step((0, -1), (1,)), step((1,), (2, -1))]
    assert partitions(ops, {0, 1}) == [[0, 1]]
    graph = SubGraphEntry(
        name="", tensors=(entry(1),) * 4, inputs=(0,), outputs=(3,), ops=(
            step((0,), (1, -1)), step((0, -1), (2,)), step((1, 2), (3,)),
        ),
    )  # fmt: skip
    # One from the input to each of the first two, one from each of them, one to the output; the
    # first path is the background.
    assert draw(graph, "t").count("<path") == 1 + 5


def test_a_variable_lives_all_the_time() -> None:
    tensors = [entry(1), entry(100, variable=True), entry(1), entry(50), entry(1)]
    ops = [step((0, 1), (2,)), step((2,), (3,)), step((3,), (4,))]
    use = memory_use(tensors, ops, [0], [4])
    assert use.peak_fp32_bytes == 4 * (1 + 100 + 1 + 50)


def test_a_picture_is_bounded() -> None:
    ops = [step(tuple(range(place + 1)), (place + 1,)) for place in range(150)]
    graph = SubGraphEntry(
        name="",
        tensors=(entry(1),) * 2000,
        inputs=tuple(range(1000, 1300)),
        outputs=(150,),
        ops=tuple(ops),
    )
    drawn = draw(graph, "t")
    ElementTree.fromstring(drawn)
    assert f"({300 - MAX_ENDS} inputs and outputs are not drawn)" in drawn
    lines = 150 * 149 // 2 + 1
    assert f"({lines - MAX_LINES} lines are not drawn)" in drawn
    assert drawn.count("<path") == 1 + MAX_LINES


def test_one_screen_stays_one_screen(tmp_path: Path) -> None:
    made = Builder()
    sources = [made.tensor("n" * 5000, SHAPE) for _ in range(60)]
    target = made.tensor("y" * (1 << 20), SHAPE)
    made.op(Ops.ADD_N, sources, [target])
    made.ends(sources, [target])
    for number in range(50):
        key = f"{number}" + "k" * 3000
        made.signature(key, [(f"i{place}", i) for place, i in enumerate(sources)], [("o", target)])
    lines = screen(read_structure(written(tmp_path, made)))
    assert len(lines) < 100
    assert max(map(len, lines)) < 300
    assert "20 more; --json has them" in " ".join(lines)
