"""Operators that don't hang together: circles, two writers, missing operands, endless calls."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated

from bokehbench.errors import ModelError
from bokehbench.model import read_model
from bokehbench.model.describe import read_structure
from bokehbench.model.layout import UNIONS
from bokehbench.model.operands import REQUIRED
from bokehbench.model.schema import BUILTIN_OPERATORS, OPTIONS
from bokehbench.model.wiring import MAX_DEPTH
from tests.support import drafts
from tests.support.builder import Builder, Ops

SHAPE = (1, 4, 4, 3)


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def chain() -> Builder:
    """image -> RELU -> middle -> NEG -> bokeh."""
    made = Builder()
    source = made.tensor("image", SHAPE)
    middle = made.tensor("middle", SHAPE)
    target = made.tensor("bokeh", SHAPE)
    made.op(Ops.RELU, [source], [middle])
    made.op(Ops.NEG, [middle], [target])
    made.ends([source], [target])
    return made


def _circle(made: Builder) -> None:
    made.graph.operators[0].inputs = [2]


def _out_of_order(made: Builder) -> None:
    made.graph.operators.reverse()


def _itself(made: Builder) -> None:
    made.graph.operators[1].inputs = [2]


def _in_place(made: Builder) -> None:
    made.graph.operators[1].outputs = [1]
    made.graph.outputs = [1]


def _two_writers(made: Builder) -> None:
    made.graph.operators[0].outputs = [2]
    made.graph.operators[1].inputs = [0]


def _writes_the_input(made: Builder) -> None:
    made.graph.operators[1].outputs = [0]


def _writes_a_constant(made: Builder) -> None:
    index = made.constant("fixed", np.zeros(SHAPE))
    made.graph.operators[1].outputs = [index]
    made.graph.outputs = [1]


def _nobody_writes(made: Builder) -> None:
    made.graph.operators[1].inputs = [made.tensor("lost", SHAPE)]


def _output_of_nobody(made: Builder) -> None:
    made.graph.outputs = [made.tensor("lost", SHAPE)]


def _left_out(made: Builder) -> None:
    made.graph.operators[1].inputs = [-1]


def _too_few(made: Builder) -> None:
    made.op(Ops.ADD, [0], [made.tensor("sum", SHAPE)], generated.AddOptionsT())


def _no_output(made: Builder) -> None:
    made.graph.operators[1].outputs = [-1]


def _variable_constant(made: Builder) -> None:
    made.graph.tensors[made.constant("fixed", np.zeros(3))].isVariable = True


def _empty_input(made: Builder) -> None:
    for tensor in made.graph.tensors:
        tensor.shape = [1, 0, 4, 3]


def _intermediate(made: Builder) -> None:
    made.graph.operators[0].intermediates = [9]


def _nameless(made: Builder) -> None:
    made.signature("s", [("x", 0)], [("y", 2)])
    made.model.signatureDefs[0].outputs[0].name = None


def _keyless(made: Builder) -> None:
    made.signature("s", [("x", 0)], [("y", 2)])
    made.model.signatureDefs[0].signatureKey = None


def _custom_name(made: Builder) -> None:
    made.op(Ops.CUSTOM, [0], [made.tensor("more", SHAPE)], custom="FlexErf\0Blur")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_circle, "operator 0 (RELU) reads tensor 'bokeh', which only operator 1 (NEG) writes: "),
        (_out_of_order, "the operators form a circle or are out of order"),
        (_itself, "operator 1 (NEG) reads its own output 'bokeh'"),
        (_in_place, "operator 1 (NEG) reads its own output 'middle'"),
        (_two_writers, "operator 1 (NEG) writes tensor 'bokeh', and so does operator 0 (RELU)"),
        (_writes_the_input, "operator 1 (NEG) writes the input 'image'"),
        (_writes_a_constant, "operator 1 (NEG) writes the constant 'fixed'"),
        (_nobody_writes, "operator 1 (NEG) reads tensor 'lost', which nothing writes"),
        (_output_of_nobody, "output 'lost' is written by no operator"),
        (_left_out, "operator 1 (NEG) leaves out input 0"),
        (_too_few, "operator 2 (ADD) has 1 inputs; it takes 2"),
        (_no_output, "operator 1 (NEG) has no output"),
        (_variable_constant, "tensor 'fixed' is a variable and has a constant value"),
        (_empty_input, "input 'image' of 1x0x4x3 holds nothing"),
        (_intermediate, "'RELU' uses tensor 9 of 3"),
        (_nameless, "signature 's' has a tensor without a name"),
        (_keyless, "a signature has no key"),
        (_custom_name, "a custom operator's name is no text: 'FlexErf\\x00Blur'"),
    ],
)
def test_what_does_not_hang_together(
    tmp_path: Path, spoil: Callable[[Builder], None], words: str
) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(chain().data())
    read_model(path)
    made = chain()
    spoil(made)
    assert words in refused(path, made.data())


def test_a_constant_is_unpacked_into_its_own_shape(tmp_path: Path) -> None:
    made = drafts.half_model()
    made.graph.tensors[2].shape = [3, 16387, 3, 3]
    words = "operator 0 (DEQUANTIZE) makes 3x16387x3x3 of 3x3x3x3"
    assert words in refused(tmp_path / "net.tflite", made.data())


def test_what_needs_no_writer(tmp_path: Path) -> None:
    """An optional operand, an empty constant, a variable and an input that is the output."""
    made = Builder()
    source = made.tensor("image", (1, 4))
    weights = made.constant("weights", np.zeros((4, 4)))
    state = made.tensor("state", (1, 4))
    made.graph.tensors[state].isVariable = True
    scalar = made.tensor("shape", (0,), np.int32)
    target = made.tensor("bokeh", (1, 4))
    total = made.tensor("total", (1, 4))
    made.op(
        Ops.FULLY_CONNECTED, [source, weights, -1], [target], generated.FullyConnectedOptionsT()
    )
    made.op(Ops.ADD, [target, state], [total], generated.AddOptionsT())
    made.op(Ops.RESHAPE, [total, scalar], [made.tensor("again", (1, 4))])
    made.ends([source], [target, source])
    path = tmp_path / "net.tflite"
    path.write_bytes(made.data())
    assert read_model(path).ops == {"ADD": 1, "FULLY_CONNECTED": 1, "RESHAPE": 1}


def _caller(targets: dict[int, tuple[int, int]], count: int) -> bytes:
    """`count` subgraphs, some of which run two others by WHILE."""
    made = Builder()
    made.model.subgraphs = []
    entry = generated.OperatorCodeT()
    entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = Ops.WHILE, Ops.WHILE, 1
    made.model.operatorCodes = [entry]
    for number in range(count):
        part = Builder()
        source, target = part.tensor("in", SHAPE), part.tensor("out", SHAPE)
        part.ends([source], [source])
        if number in targets:
            operator = generated.OperatorT()
            operator.inputs, operator.outputs = [source], [target]
            operator.builtinOptionsType = generated.BuiltinOptions.WhileOptions
            operator.builtinOptions = generated.WhileOptionsT()
            operator.builtinOptions.condSubgraphIndex = targets[number][0]
            operator.builtinOptions.bodySubgraphIndex = targets[number][1]
            part.graph.operators = [operator]
        made.model.subgraphs.append(part.graph)
    return made.data()


@pytest.mark.parametrize(
    ("targets", "circle"),
    [
        ({0: (0, 1)}, "0 -> 0"),
        ({0: (1, 2), 2: (3, 0)}, "0 -> 2 -> 0"),
        ({0: (1, 2), 3: (4, 3)}, "3 -> 3"),
        ({0: (1, 1), 1: (2, 2), 2: (3, 1)}, "1 -> 2 -> 1"),
    ],
)
def test_subgraphs_that_run_each_other(
    tmp_path: Path, targets: dict[int, tuple[int, int]], circle: str
) -> None:
    words = refused(tmp_path / "net.tflite", _caller(targets, 5))
    assert f"subgraphs run each other in a circle: {circle}; " in words


def test_calls_as_deep_as_engines_go(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    below = {number: (number + 1, number + 1) for number in range(MAX_DEPTH - 1)}
    path.write_bytes(_caller(below, MAX_DEPTH))
    assert read_model(path).ops == {"WHILE": MAX_DEPTH - 1}
    deep = {number: (number + 1, number + 1) for number in range(2000)}
    assert "deep" in refused(path, _caller(deep, 2001))
    # Every subgraph is run in two ways by the one above: 2^30 ways, walked once.
    shared = {number: (number + 1, number + 2) for number in range(28)}
    path.write_bytes(_caller(shared, 30))
    assert read_model(path).ops == {"WHILE": 28}


def test_options_of_another_kind_are_none(tmp_path: Path) -> None:
    """Engines take them for none too: WHILE then runs the first subgraph, itself."""
    made = Builder()
    source, target = made.tensor("image", SHAPE), made.tensor("bokeh", SHAPE)
    made.op(Ops.WHILE, [source], [target], generated.Conv2DOptionsT())
    made.ends([source], [target])
    assert "in a circle: 0 -> 0" in refused(tmp_path / "net.tflite", made.data())


def test_options_of_another_kind_are_not_read_as_ones_own(tmp_path: Path) -> None:
    """A RESHAPE's vector would be an addition's activation."""
    made = drafts.two_input_model()
    made.graph.operators[0].builtinOptionsType = generated.BuiltinOptions.ReshapeOptions
    made.graph.operators[0].builtinOptions = generated.ReshapeOptionsT()
    made.graph.operators[0].builtinOptions.newShape = [1, 2]
    path = tmp_path / "net.tflite"
    path.write_bytes(made.data())
    assert read_structure(path).graph.ops[0].options == {"activation": "NONE"}
    # Without its own a convolution has strides of 0, to engines as well.
    made = drafts.conv_model()
    made.graph.operators[0].builtinOptionsType = generated.BuiltinOptions.ReshapeOptions
    made.graph.operators[0].builtinOptions = generated.ReshapeOptionsT()
    assert "has a stride w of 0" in refused(path, made.data())


def test_tables_name_what_there_is() -> None:
    assert set(REQUIRED) <= set(BUILTIN_OPERATORS)
    assert set(OPTIONS) <= set(BUILTIN_OPERATORS)
    members = {name for union in UNIONS.values() for name in union}
    assert set(OPTIONS.values()) <= members
