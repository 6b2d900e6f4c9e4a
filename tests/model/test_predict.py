"""Rules, conditions and partitions: what a delegate is expected to take, and why not."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokehbench.engines.catalog import catalog
from bokehbench.model.conditions import Asked, parse, relation_of
from bokehbench.model.describe import read_structure
from bokehbench.model.partition import largest, partitions
from bokehbench.model.predict import DEFAULT_TARGETS, Forecast, forecast, target_of
from bokehbench.model.rules import (
    DELEGATES,
    Measured,
    Target,
    load_book,
    load_measured,
    measured_of,
    parse_span,
)
from bokehbench.model.schema import BUILTIN_OPERATORS
from bokehbench.model.structure import OpEntry, TensorEntry
from tests.support.builder import Builder, Ops

XNNPACK = Target("xnnpack", "litert", "2.3.0")
GPU = Target("tflite-gpu", "tflite", "2.16.1")
GPU_2022 = Target("tflite-gpu", "tflite", "2.8")


def entry(*shape: int, dtype: str = "float32", constant: bool = False, **more: Any) -> TensorEntry:
    return TensorEntry(name="t", shape=shape, dtype=dtype, constant=constant, **more)


def asked(*inputs: TensorEntry | None, out: TensorEntry | None = None, **options: Any) -> Asked:
    return Asked(
        version=2,
        inputs=inputs,
        outputs=(out or entry(1, 4),),
        constants=frozenset(n for n, one in enumerate(inputs) if one and one.constant),
        options=options,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version is 2", True),
        ("version is not 1 2", False),
        ("inputs > 2", True),
        ("input[1].constant is true", True),
        ("input[2].present is false", True),
        ("input[2].dtype is float32", False),
        ("input[0].dim[-1] <= 8", True),
        ("input[0].dim[9] > 0", False),
        ("input[1].values is 1,2", True),
        ("runtime.dtypes within float32", True),
        ("runtime.dtypes not within int8 uint8", True),
        ("outputs.dtypes within float32 int8", True),
        ("max_rank >= 5", False),
        ("option.flag is true", True),
        ("option.flag is 1", False),
        ("option.absent is 0", False),
        ("input[3].elements > 4", None),
        ("max_batch > 1", False),
    ],
)
def test_conditions(text: str, expected: bool | None) -> None:
    one = asked(
        entry(1, 8),
        entry(2, dtype="int32", constant=True, values=(1, 2)),
        None,
        entry(-1, 4),
        flag=True,
    )
    assert parse(text).holds(one) is expected


@pytest.mark.parametrize(
    "text",
    [
        "input[0] is 1",
        "nonsense is 1",
        "version",
        "version < x",
        "version < 1 2",
        "input[0].dim is 1",
        "input[0].rank[1] is 1",
        "input[0].colour is red",
        "version is",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"condition|nothing is called|a tensor has no|one number"):
        parse(text)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((1, 4, 4, 8), (1, 4, 4, 8), "same"),
        ((1, 4, 4, 8), (), "scalar"),
        ((1, 4, 4, 8), (8,), "channels"),
        ((1, 4, 4, 8), (1, 1, 1, 8), "channels"),
        ((1, 4, 4, 8), (1, 4, 4, 1), "suffix"),
        ((1, 256, 1), (1, 1, 256), "crossing"),
        ((1, 4, 4, 8), (4, 8), "wide"),
        ((1, 4, 4, 8), (3,), "none"),
        ((1, -1, 4, 8), (8,), None),
    ],
)
def test_how_shapes_go_together(first: Any, second: Any, expected: str | None) -> None:
    assert relation_of(first, second) == expected


def ops_of(*edges: tuple[tuple[int, ...], int]) -> list[OpEntry]:
    return [OpEntry(name="X", version=1, inputs=i, outputs=(o,)) for i, o in edges]


def test_parts_are_made_in_turns_not_in_runs() -> None:
    """TFLite's own example: graph_info.cc groups all that is ready, wherever it stands."""
    # 0 -> 1 (not taken) -> 2; 3 and 4 hang on the input alone.
    ops = ops_of(((100,), 0), ((0,), 1), ((1,), 2), ((100,), 3), ((3,), 4))
    assert partitions(ops, {0, 2, 3, 4}) == [[0, 3, 4], [2]]
    # A run in the order of execution would have been [0], [2, 3, 4].


def test_one_operator_in_between_makes_two_parts_and_one_is_left() -> None:
    ops = ops_of(((9,), 0), ((0,), 1), ((1,), 2), ((2,), 3))
    parts = partitions(ops, {0, 2, 3})
    assert parts == [[0], [2, 3]]
    assert largest(parts, 1) == [2, 3]
    assert largest(parts, None) == [0, 2, 3]


def test_operators_with_effects_keep_their_order() -> None:
    """Two variables, each read, changed and set; the delegate takes no reading and no setting."""
    # 0 reads, 1 changes, 2 sets; 3 reads, 4 changes, 5 sets; nothing but order binds 3 to 2.
    ops = ops_of(((90,), 0), ((0,), 1), ((90, 1), 2), ((91,), 3), ((3,), 4), ((91, 4), 5))
    assert partitions(ops, {1, 4}) == [[1, 4]]
    assert partitions(ops, {1, 4}, ordered=[0, 2, 3, 5]) == [[1], [4]]


def test_an_operator_that_waits_for_itself_ends_nothing() -> None:
    assert partitions(ops_of(((0, 1), 0), ((0,), 1)), {0, 1}) == []


@pytest.mark.parametrize("delegate", DELEGATES)
def test_every_rule_is_sound(delegate: str) -> None:
    book = load_book(delegate)
    known = {*BUILTIN_OPERATORS, "*", "CUSTOM:*", "Flex*"}
    for rule in book.rules:
        assert rule.reason
        assert rule.source
        assert len(rule.conditions) == len(rule.when)
        unknown = {op for op in rule.ops if not op.startswith("CUSTOM:")} - known
        assert not unknown, rule.rule


def test_the_default_targets_are_what_the_catalog_installs() -> None:
    versions = {(one.engine, one.version) for one in DEFAULT_TARGETS}
    assert versions <= {(one.name, one.version) for one in catalog().items}


def test_measured_results_speak_of_rules_that_exist() -> None:
    books = {name: load_book(name) for name in DELEGATES}
    for one in load_measured():
        book = books[one.delegate]
        rules = {rule.rule: rule for rule in (*book.rules, book.default)}
        assert one.rule in rules, one
        assert rules[one.rule].speaks_of(one.op), one


def net(tmp_path: Path, build: Any, *, shape: tuple[int, ...] = (1, 64, 64, 8)) -> Path:
    """A file: `build` gets the builder and the input, and gives the output back."""
    b = Builder()
    source = b.tensor("in", shape)
    target = build(b, source)
    path = tmp_path / "net.tflite"
    path.write_bytes(b.finish([source], [target]))
    return path


class Chain:
    """Operators one after the other; each method appends one and gives its output."""

    def __init__(self, b: Builder) -> None:
        self.b = b

    def op(self, name: str, inputs: list[int], shape: tuple[int, ...], **options: Any) -> int:
        out = self.b.tensor(f"t{len(self.b.graph.tensors)}", shape)
        kinds = {
            "MEAN": schema.ReducerOptionsT,
            "REDUCE_MAX": schema.ReducerOptionsT,
            "SOFTMAX": schema.SoftmaxOptionsT,
            "BATCH_MATMUL": schema.BatchMatMulOptionsT,
            "DEPTH_TO_SPACE": schema.DepthToSpaceOptionsT,
            "SPACE_TO_DEPTH": schema.SpaceToDepthOptionsT,
            "RESIZE_BILINEAR": schema.ResizeBilinearOptionsT,
            "CONCATENATION": schema.ConcatenationOptionsT,
            "MAX_POOL_2D": schema.Pool2DOptionsT,
            "TRANSPOSE_CONV": schema.TransposeConvOptionsT,
            "MUL": schema.MulOptionsT,
            "SUB": schema.SubOptionsT,
            "ADD": schema.AddOptionsT,
            "SPLIT": schema.SplitOptionsT,
            "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptionsT,
        }
        made = kinds[name]() if name in kinds else None
        for key, value in options.items():
            setattr(made, key, value)
        self.b.op(getattr(Ops, name), inputs, [out], made)
        return out

    def conv(self, x: int, ci: int, co: int, shape: tuple[int, ...]) -> int:
        w = self.b.constant("w", np.zeros((co, 3, 3, ci)))
        bias = self.b.constant("b", np.zeros(co))
        out = self.b.tensor(f"t{len(self.b.graph.tensors)}", shape)
        self.b.conv2d(x, w, bias, out)
        return out

    def mean(self, x: int, shape: tuple[int, ...], name: str = "MEAN") -> int:
        axes = self.b.constant("axes", [1, 2], np.int32)
        return self.op(name, [x, axes], shape, keepDims=True)

    def instance_norm(self, x: int, shape: tuple[int, ...]) -> int:
        small = (1, 1, 1, shape[3])
        mean = self.mean(x, small)
        squares = self.op("SQUARED_DIFFERENCE", [x, mean], shape)
        scale = self.op("RSQRT", [self.mean(squares, small)], small)
        return self.op("MUL", [self.op("SUB", [x, mean], shape), scale], shape)


IMAGE = (1, 64, 64, 8)


def antins(b: Builder, x: int) -> int:
    c = Chain(b)
    y = c.op("DEPTH_TO_SPACE", [c.conv(x, 8, 32, (1, 64, 64, 32))], (1, 128, 128, 8), blockSize=2)
    return c.op("ADD", [y, y], (1, 128, 128, 8))


def enerzai(b: Builder, x: int) -> int:
    c = Chain(b)
    y = c.op("SPACE_TO_DEPTH", [x], (1, 32, 32, 32), blockSize=2)
    y = c.op("LEAKY_RELU", [c.conv(y, 32, 8, (1, 32, 32, 8))], (1, 32, 32, 8))
    y = c.op(
        "MAX_POOL_2D", [y], (1, 16, 16, 8), strideH=2, strideW=2, filterHeight=2, filterWidth=2
    )
    size = b.constant("size", [1, 32, 32, 8], np.int32)
    w = b.constant("w", np.zeros((8, 2, 2, 8)))
    y = c.op("TRANSPOSE_CONV", [size, w, y], (1, 32, 32, 8), strideH=2, strideW=2)
    y = c.op("CONCATENATION", [y, y], (1, 32, 32, 16), axis=3)
    return c.op("DEPTH_TO_SPACE", [y], (1, 64, 64, 4), blockSize=2)


def miaigo(b: Builder, x: int) -> int:
    c = Chain(b)
    y = c.conv(x, 8, 8, IMAGE)
    size = b.constant("size", [128, 128], np.int32)
    y = c.op("RESIZE_BILINEAR", [y, size], (1, 128, 128, 8))
    y = c.op("CONCATENATION", [y, y], (1, 128, 128, 16), axis=3)
    return c.op("TANH", [c.op("ADD", [y, y], (1, 128, 128, 16))], (1, 128, 128, 16))


def sensebrain(b: Builder, x: int) -> int:
    c = Chain(b)
    tokens = c.op("RESHAPE", [x, b.constant("s", [1, 4096, 8], np.int32)], (1, 4096, 8))
    turn = b.constant("perm", [0, 2, 1], np.int32)
    turned = c.op("TRANSPOSE", [tokens, turn], (1, 8, 4096))
    scores = c.op("BATCH_MATMUL", [tokens, turned], (1, 4096, 4096))
    scores = c.op("SOFTMAX", [scores], (1, 4096, 4096), beta=1.0)
    y = c.op("BATCH_MATMUL", [scores, tokens], (1, 4096, 8))
    y = c.op("GELU", [y], (1, 4096, 8))
    return c.op("RESHAPE", [y, b.constant("t", [1, 64, 64, 8], np.int32)], IMAGE)


def zjut(b: Builder, x: int) -> int:
    c = Chain(b)
    y = c.instance_norm(c.conv(x, 8, 8, IMAGE), IMAGE)
    weights = c.op("LOGISTIC", [c.mean(y, (1, 1, 1, 8), "REDUCE_MAX")], (1, 1, 1, 8))
    return c.op("TANH", [c.op("MUL", [y, weights], IMAGE)], IMAGE)


def vic(b: Builder, x: int) -> int:
    """MobileViTv2 unfolds an image into patches: the first side becomes 4."""
    c = Chain(b)
    w, bias = b.constant("w", np.zeros((1, 3, 3, 8))), b.constant("b", np.zeros(8))
    y = c.op("DEPTHWISE_CONV_2D", [x, w, bias], IMAGE, strideH=1, strideW=1, depthMultiplier=1)
    y = c.op("RESHAPE", [y, b.constant("s", [4, 1024, 8], np.int32)], (4, 1024, 8))
    scores = c.op("SOFTMAX", [y], (4, 1024, 8), beta=1.0)
    turned = c.op("TRANSPOSE", [scores, b.constant("perm", [0, 2, 1], np.int32)], (4, 8, 1024))
    y = c.op("BATCH_MATMUL", [y, turned], (4, 1024, 1024))
    return c.op("MEAN", [y, b.constant("a", [1], np.int32)], (4, 1, 1024), keepDims=True)


def pynet(b: Builder, x: int) -> int:
    c = Chain(b)
    y = c.instance_norm(c.conv(x, 8, 8, IMAGE), IMAGE)
    y = c.op(
        "MAX_POOL_2D", [y], (1, 32, 32, 8), strideH=2, strideW=2, filterHeight=2, filterWidth=2
    )
    return c.op("TANH", [y], (1, 32, 32, 8))


@pytest.mark.parametrize(
    ("build", "paper", "outcome", "reason"),
    [
        (antins, "28.1", "whole", None),
        (enerzai, "89.3", "whole", None),
        (miaigo, "112", "whole", None),
        (pynet, "3512", "whole", None),
        (sensebrain, "Error", "partly", "GELU: refused: delegates of 2022 have no GELU"),
        (vic, "Error", "risky", "counts as a batch"),
        # Every operator of it is in the delegate's list: the paper has Error on the CPU too, so
        # operators are not what failed.
        (zjut, "Error", "whole", None),
    ],
)
def test_the_papers_column_of_gpu_runtimes(
    tmp_path: Path, build: Any, paper: str, outcome: str, reason: str | None
) -> None:
    told = forecast(read_structure(net(tmp_path, build)), GPU_2022)
    risky = any(one.rule.verdict == "risky" for one in told.judged)
    assert ("risky" if risky else told.prediction.outcome) == outcome
    if reason is None:
        assert told.prediction.operators == ()
    else:
        assert any(reason in line for line in told.prediction.operators)
    assert (outcome == "whole") == (paper != "Error") or build is zjut


def judged_of(told: Forecast, name: str) -> tuple[str, str]:
    one = next(one for one in told.judged if one.name == name)
    return one.rule.verdict, one.rule.rule


def test_later_delegates_have_gelu(tmp_path: Path) -> None:
    structure = read_structure(net(tmp_path, sensebrain))
    assert judged_of(forecast(structure, GPU), "GELU") == ("delegated", "listed")
    old = forecast(structure, Target("tflite-gpu", "tflite", "2.14"), measured=())
    assert judged_of(old, "GELU") == ("unknown", "newer")
    assert old.prediction.outcome == "unknown"
    assert old.prediction.delegated_low < old.prediction.delegated_high


def test_halves_go_with_what_needs_them(tmp_path: Path) -> None:
    def build(b: Builder, x: int) -> int:
        c = Chain(b)
        half = b.constant("h", np.zeros((8, 8)), np.float16)
        full = b.tensor("f", (8, 8))
        b.op(Ops.DEQUANTIZE, [half], [full])
        y = b.tensor("y", (1, 8))
        b.op(Ops.FULLY_CONNECTED, [x, full, -1], [y], schema.FullyConnectedOptionsT())
        return c.op("L2_NORMALIZATION", [y], (1, 8)) if self_refused else y

    self_refused = False
    whole = read_structure(net(tmp_path, build, shape=(1, 8)))
    for target in (XNNPACK, GPU):
        assert forecast(whole, target).prediction.delegated_low == 2
    self_refused = True
    part = read_structure(net(tmp_path, build, shape=(1, 8)))
    assert forecast(part, XNNPACK).prediction.delegated_low == 2
    # The GPU delegate leaves them behind unless it gets everything (delegates/utils.cc).
    assert forecast(part, GPU).prediction.delegated_low == 1


def test_litert_waits_for_halves_that_it_leaves(tmp_path: Path) -> None:
    """Seen on LiteRT 2.3.0: TANH is alone in the first turn, DEQUANTIZE comes in between."""

    def build(b: Builder, x: int) -> int:
        c = Chain(b)
        y = c.op("TANH", [x], (1, 8))
        for turn in range(3):
            full = b.tensor(f"f{turn}", (8, 8))
            b.op(Ops.DEQUANTIZE, [b.constant("h", np.zeros((8, 8)), np.float16)], [full])
            if turn == 2:
                y = c.op("L2_NORMALIZATION", [y], (1, 8))
            made = b.tensor(f"y{turn}", (1, 8))
            b.op(Ops.FULLY_CONNECTED, [y, full, -1], [made], schema.FullyConnectedOptionsT())
            y = made
        return y

    structure = read_structure(net(tmp_path, build, shape=(1, 8)))
    told = forecast(structure, Target("litert-gpu", "litert", "2.3.0")).prediction
    assert (told.delegated_low, told.delegated_high, told.total_nodes) == (2, 2, 8)
    assert forecast(structure, GPU).prediction.delegated_low == 3


def test_weights_that_somebody_else_needs_stay(tmp_path: Path) -> None:
    def build(b: Builder, x: int) -> int:
        c = Chain(b)
        full = b.tensor("f", (1, 8))
        b.op(Ops.DEQUANTIZE, [b.constant("h", np.zeros((1, 8)), np.float16)], [full])
        y = c.op("ADD", [x, full], (1, 8))
        return c.op("ADD", [y, c.op("L2_NORMALIZATION", [full], (1, 8))], (1, 8))

    told = forecast(read_structure(net(tmp_path, build, shape=(1, 8))), XNNPACK).prediction
    assert (told.delegated_low, told.total_nodes) == (2, 4)


def test_a_measurement_overrules_a_rule_on_its_version_alone(tmp_path: Path) -> None:
    structure = read_structure(net(tmp_path, miaigo))
    measured = [Measured("xnnpack", "litert", "2.3.9", "listed", "TANH", 0, 3, "here")]
    told = forecast(structure, XNNPACK, measured=measured)
    assert judged_of(told, "TANH") == ("refused", "listed")
    tanh = next(one for one in told.judged if one.name == "TANH")
    assert tanh.rule.provenance == "measured: litert 2.3.9 (here)"
    other = forecast(structure, Target("xnnpack", "litert", "2.4.0"), measured=measured)
    assert judged_of(other, "TANH") == ("delegated", "listed")
    dead = [msgspec.structs.replace(measured[0], refused=0, failed=1)]
    assert judged_of(forecast(structure, XNNPACK, measured=dead), "TANH")[0] == "risky"
    torn = [msgspec.structs.replace(measured[0], delegated=1)]
    assert judged_of(forecast(structure, XNNPACK, measured=torn), "TANH")[0] == "delegated"
    assert measured_of(measured, XNNPACK)


def test_ranges_of_versions() -> None:
    span = parse_span("tflite >=2.9 <2.13")
    assert span.holds(Target("xnnpack", "tflite", "2.9.0"))
    assert span.holds(Target("xnnpack", "tflite", "2.12.1-rc0"))
    assert not span.holds(Target("xnnpack", "tflite", "2.13.0"))
    assert not span.holds(Target("xnnpack", "litert", "2.9.0"))
    with pytest.raises(ValueError, match="no range"):
        parse_span("tflite ~2")


def test_backends_and_their_delegates() -> None:
    assert target_of("litert", "gpu", "2.3.0") == Target("litert-gpu", "litert", "2.3.0")
    assert target_of("tflite", "xnnpack", "2.9.0") == Target("xnnpack", "tflite", "2.9.0")
    assert target_of("litert", "cpu", "2.3.0") is None
