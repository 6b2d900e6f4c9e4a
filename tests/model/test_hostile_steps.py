"""Options that engines divide by or count with, and names that they can't tell apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated

from bokehbench.errors import ModelError
from bokehbench.model import read_model
from bokehbench.model.steps import CHECKED
from tests.fuzz.engine import EngineBench
from tests.support import drafts
from tests.support.builder import Builder, Ops

SHAPE = (1, 8, 8, 4)

_FLAT = ("strideH", "strideW", "dilationHFactor", "dilationWFactor")
_DEEP = (*_FLAT, "strideD", "dilationDFactor")
_POOL = ("strideH", "strideW", "filterHeight", "filterWidth")

OPTIONS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "CONV_2D": (generated.Conv2DOptionsT, _FLAT),
    "DEPTHWISE_CONV_2D": (generated.DepthwiseConv2DOptionsT, _FLAT),
    "TRANSPOSE_CONV": (generated.TransposeConvOptionsT, ("strideH", "strideW")),
    "CONV_3D": (generated.Conv3DOptionsT, _DEEP),
    "CONV_3D_TRANSPOSE": (generated.Conv3DOptionsT, _DEEP),
    "AVERAGE_POOL_2D": (generated.Pool2DOptionsT, _POOL),
    "MAX_POOL_2D": (generated.Pool2DOptionsT, _POOL),
    "L2_POOL_2D": (generated.Pool2DOptionsT, _POOL),
    "DEPTH_TO_SPACE": (generated.DepthToSpaceOptionsT, ("blockSize",)),
    "SPACE_TO_DEPTH": (generated.SpaceToDepthOptionsT, ("blockSize",)),
}


def made_of(operator: str, **numbers: int) -> bytes:
    """One operator whose steps are all 1 but for those that are said."""
    kind, names = OPTIONS[operator]
    builder = Builder()
    source, target = builder.tensor("image", SHAPE), builder.tensor("out", SHAPE)
    inputs = [source]
    if "CONV" in operator:
        weights = builder.constant("w", np.ones((4, 3, 3, 4)))
        inputs = [source, weights, builder.constant("b", np.zeros(4))]
        if "TRANSPOSE" in operator:
            inputs = [builder.constant("size", SHAPE, np.int32), weights, source]
    options = kind()
    for name in names:
        setattr(options, name, numbers.get(name, 1))
    builder.op(getattr(Ops, operator), inputs, [target], options)
    return builder.finish([source], [target])


def split(parts: int, outputs: int) -> bytes:
    builder = Builder()
    source = builder.tensor("image", SHAPE)
    targets = [builder.tensor(f"o{n}", (1, 8, 8, 2)) for n in range(outputs)]
    options = generated.SplitOptionsT()
    options.numSplits = parts
    axis = builder.constant("axis", [3], np.int32)
    builder.op(Ops.SPLIT, [axis, source], targets, options)
    return builder.finish([source], targets)


def normalisation(radius: int) -> bytes:
    builder = Builder()
    source, target = builder.tensor("image", SHAPE), builder.tensor("out", SHAPE)
    options = generated.LocalResponseNormalizationOptionsT()
    options.radius, options.bias = radius, 1.0
    builder.op(Ops.LOCAL_RESPONSE_NORMALIZATION, [source], [target], options)
    return builder.finish([source], [target])


def named(inputs: tuple[str, str], outputs: tuple[str, str]) -> bytes:
    made = drafts.two_input_model(signature=False)
    firsts, seconds = zip(inputs, (1, 0), strict=True), zip(outputs, (3, 2), strict=True)
    made.signature("s", list(firsts), list(seconds))
    return made.data()


def read(path: Path, data: bytes) -> str:
    """What is said against a file, or nothing."""
    path.write_bytes(data)
    try:
        read_model(path)
    except ModelError as error:
        return str(error)
    return ""


def test_every_operator_that_is_checked_is_tried() -> None:
    assert {*OPTIONS, "SPLIT", "LOCAL_RESPONSE_NORMALIZATION"} == CHECKED


@pytest.mark.parametrize("operator", OPTIONS)
def test_steps_below_one_are_refused(tmp_path: Path, operator: str) -> None:
    path = tmp_path / "net.tflite"
    assert read(path, made_of(operator)) == ""
    for name in OPTIONS[operator][1]:
        for number in (0, -1, -(2**31)):
            said = read(path, made_of(operator, **{name: number}))
            assert f"operator 0 ({operator}) has a " in said
            assert f" of {number}, which has to be 1 or more" in said


@pytest.mark.parametrize(("parts", "outputs"), [(0, 1), (1, 2), (3, 2), (-1, 1)])
def test_a_split_makes_its_outputs(tmp_path: Path, parts: int, outputs: int) -> None:
    said = read(tmp_path / "net.tflite", split(parts, outputs))
    assert f"operator 0 (SPLIT) makes {parts} parts and has {outputs} outputs" in said
    assert read(tmp_path / "net.tflite", split(outputs, outputs)) == ""


def test_a_radius_is_not_negative(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    assert "has a radius of -1, which is negative" in read(path, normalisation(-1))
    assert read(path, normalisation(0)) == ""


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        (("a", "a"), ("x", "y"), "signature 's' gives two tensors one name"),
        (("a", "b"), ("x", "x"), "signature 's' gives two tensors one name"),
        (("a", "a\0b"), ("x", "y"), "signature 's' has a tensor with a NUL in its name"),
        (("a", "b"), ("x", "y\0"), "signature 's' has a tensor with a NUL in its name"),
    ],
)
def test_names_of_a_signature_differ(
    tmp_path: Path, inputs: tuple[str, str], outputs: tuple[str, str], words: str
) -> None:
    assert words in read(tmp_path / "net.tflite", named(inputs, outputs))
    # An input and an output may be called alike.
    assert read(tmp_path / "net.tflite", named(("a", "b"), ("b", "a"))) == ""


def test_the_engine_runs_what_is_let_through(tmp_path: Path) -> None:
    bench = EngineBench(tmp_path)
    files = (made_of("CONV_2D"), made_of("MAX_POOL_2D"), split(2, 2), normalisation(1))
    for data in (*files, named(("a", "b"), ("b", "a"))):
        for backend in ("xnnpack", "cpu"):
            trial = bench.run(data, backend)
            assert trial.status == "ok", trial.failure
