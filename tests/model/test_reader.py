"""read_model against LiteRT's own reading of the same file."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

from bokehbench.facts import ModelFacts, TensorFacts
from bokehbench.model import read_model, schema
from bokehbench.model.flatbuffer import open_source
from bokehbench.model.graph import read_graph
from tests.support import drafts
from tests.support.builder import Builder

MODELS = {
    "conv": drafts.conv_model(),
    "signed": drafts.conv_model(signature=True),
    "quantised": drafts.quantised_model(),
    "dynamic": drafts.dynamic_model(),
    "two": drafts.two_input_model(),
    "unsigned": drafts.two_input_model(signature=False),
    "half": drafts.half_model(),
    "long": drafts.long_model(300),
}


def written(path: Path, made: Builder) -> Path:
    path.write_bytes(made.data())
    return path


def seen(detail: dict[str, Any]) -> tuple[tuple[int, ...], str, float, int]:
    scale, zero = detail["quantization"]
    return tuple(detail["shape_signature"]), detail["dtype"].__name__, scale, zero


def told(tensor: TensorFacts) -> tuple[tuple[int, ...], str, float, int]:
    return tensor.shape, tensor.dtype, tensor.scale, tensor.zero_point


@pytest.mark.parametrize("name", MODELS)
def test_ends_are_those_of_the_interpreter(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net.tflite", MODELS[name])
    facts = read_model(path)
    interpreter = Interpreter(str(path))
    assert [told(t) for t in facts.inputs] == [seen(d) for d in interpreter.get_input_details()]
    assert [told(t) for t in facts.outputs] == [seen(d) for d in interpreter.get_output_details()]


@pytest.mark.parametrize("name", ["conv", "signed", "two", "unsigned"])
def test_names_and_order_are_those_of_litert(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net.tflite", MODELS[name])
    facts = read_model(path)
    signature = CompiledModel.from_file(str(path)).get_signature_by_index(facts.signature_index)
    assert [tensor.name for tensor in facts.inputs] == signature["inputs"]
    assert [tensor.name for tensor in facts.outputs] == signature["outputs"]
    if facts.signature is not None:
        assert facts.signature == signature["key"]


def test_a_signature_names_ends_in_the_order_of_the_subgraph(tmp_path: Path) -> None:
    facts = read_model(written(tmp_path / "net.tflite", MODELS["two"]))
    assert facts.signature == "first"
    assert [(t.name, t.shape[3]) for t in facts.inputs] == [("a", 3), ("z", 1)]
    assert [t.name for t in facts.outputs] == ["p", "q"]


def test_the_file_is_described(tmp_path: Path) -> None:
    path = written(tmp_path / "net.v2.tflite", MODELS["conv"])
    facts = read_model(str(path))
    assert facts == ModelFacts(
        name="net.v2",
        file_name="net.v2.tflite",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size_bytes=path.stat().st_size,
        signature=None,
        signature_index=0,
        inputs=(TensorFacts(name="image", shape=(1, 8, 8, 3), dtype="float32"),),
        outputs=(TensorFacts(name="bokeh", shape=(1, 8, 8, 3), dtype="float32"),),
        ops={"CONV_2D": 1},
        weights_bytes=4 * (3 * 3 * 3 * 3 + 3),
    )
    assert read_model(path, name="Mine").name == "Mine"


def test_operators_are_counted_by_name(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    assert read_model(written(path, MODELS["half"])).ops == {"CONV_2D": 1, "DEQUANTIZE": 1}
    assert read_model(written(path, MODELS["long"])).ops == {"ADD": 300, "GELU": 1}
    custom = read_model(written(path, drafts.custom_model()))
    assert custom.ops == {"CUSTOM:Blur": 1, "FlexErf": 1}


def test_half_weights_count_as_stored(tmp_path: Path) -> None:
    facts = read_model(written(tmp_path / "net.tflite", MODELS["half"]))
    assert facts.weights_bytes == 2 * 81 + 4 * 3


def test_an_input_quantised_per_channel_has_no_scale(tmp_path: Path) -> None:
    made = drafts.quantised_model()
    made.graph.tensors[0].quantization.scale = [0.1, 0.2, 0.3]
    made.graph.tensors[0].quantization.zeroPoint = [1, 2, 3]
    made.graph.tensors[0].quantization.quantizedDimension = 3
    (tensor,) = read_model(written(tmp_path / "net.tflite", made)).inputs
    assert (tensor.scale, tensor.zero_point) == (0.0, 0)


def test_weights_outside_the_flatbuffer_are_counted(tmp_path: Path) -> None:
    made = drafts.conv_model()
    weights = made.model.buffers[1]
    size = len(weights.data)
    weights.data, weights.offset, weights.size = None, 4096, size
    path = tmp_path / "net.tflite"
    path.write_bytes(made.data().ljust(4096, b"\0") + bytes(size))
    assert read_model(path).weights_bytes == size + 12


def test_weights_in_another_file_are_counted(tmp_path: Path) -> None:
    made = drafts.conv_model()
    made.model.buffers[1].data = None
    made.graph.tensors[1].externalBuffer = 7
    other = generated.ExternalBufferT()
    other.id, other.length = 7, 324
    made.model.externalBuffers = [other]
    made.model.externalBufferGroups = [generated.ExternalBufferGroupT()]
    assert read_model(written(tmp_path / "net.tflite", made)).weights_bytes == 324 + 12


def test_two_buffers_with_the_same_bytes_count_once(tmp_path: Path) -> None:
    made = drafts.conv_model()
    made.constant("twin", np.zeros((3, 3, 3, 3)))
    for buffer in made.model.buffers[1:4:2]:
        buffer.data, buffer.offset, buffer.size = None, 4096, 324
    path = tmp_path / "net.tflite"
    path.write_bytes(made.data().ljust(4096 + 324, b"\0"))
    assert read_model(path).weights_bytes == 324 + 12


def test_strange_file_names_stay_on_one_line(tmp_path: Path) -> None:
    facts = read_model(written(tmp_path / "a\nb.tflite", MODELS["conv"]))
    assert facts.file_name == "a b.tflite"


def test_the_graph_keeps_what_prediction_needs(tmp_path: Path) -> None:
    path = written(tmp_path / "net.tflite", MODELS["quantised"])
    with open_source(path) as source:
        (subgraph,) = read_graph(source).subgraphs
        (operator,) = subgraph.operators
        assert (operator.name, operator.version, operator.inputs) == ("CONV_2D", 1, (0, 1, 2))
        weights = subgraph.tensors[1].quantization
        assert weights is not None
        assert weights.count == 3
        assert operator.options is not None


def test_the_schema_is_the_published_one() -> None:
    codes = {
        value: name
        for name, value in vars(generated.BuiltinOperator).items()
        if isinstance(value, int)
    }
    assert list(schema.BUILTIN_OPERATORS[: len(codes)]) == [codes[code] for code in sorted(codes)]
    types = {
        value: name.lower()
        for name, value in vars(generated.TensorType).items()
        if isinstance(value, int)
    }
    assert [name for name, _ in schema.ELEMENT_TYPES] == [types[code] for code in sorted(types)]


@pytest.mark.parametrize(
    ("old", "new", "custom", "name"),
    [
        (3, 0, None, "CONV_2D"),
        (127, 150, None, "GELU"),
        (32, 32, "Blur", "CUSTOM:Blur"),
        (32, 0, "FlexErf", "FlexErf"),
        (127, 999, None, "BUILTIN_999"),
    ],
)
def test_operator_name(old: int, new: int, custom: str | None, name: str) -> None:
    assert schema.operator_name(old, new, custom) == name
