"""The zoo beside the printed table: predictions, whether they agree, and why."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bokehbench import zoo
from bokehbench.model.describe import read_structure
from bokehbench.model.predict import Forecast, Judged, forecast
from bokehbench.model.structure import ModelStructure
from bokehbench.profile import DeviceProfile, builtin_folder, load_folders
from bokehbench.report.markdown import render
from bokehbench.zoo.convert import convert
from bokehbench.zoo.table import (
    NOW,
    THEN,
    Predicted,
    Row,
    _reasons,
    build_table,
    document,
    predict,
)

pytestmark = [
    pytest.mark.usefixtures("tensorflow"),
    # TensorFlow and Keras warn of each other's code.
    pytest.mark.filterwarnings("ignore"),
]

SMALL = ["antins_cv", "enerzai", "miaigo", "zjut_vision"]


@pytest.fixture(scope="module")
def kirin() -> DeviceProfile:
    """The challenge's phone."""
    return load_folders([builtin_folder()])["kirin9000"].profile


@pytest.fixture(scope="module")
def structures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelStructure]:
    """The four small models at 32x64, converted in this process."""
    folder = tmp_path_factory.mktemp("zoo")
    found = {}
    for name in SMALL:
        part = folder / f"{name}.tflite"
        asked: dict[str, Any] = {"name": name, "height": 32, "width": 64, "seed": 0}
        rest = {"friendly": False, "precision": "fp32", "weights": None, "calibration": None}
        convert(asked | rest | {"part": str(part), "output": str(part)})
        found[name] = read_structure(part)
    return found


def row(name: str, outcome: str, *, cpu_ms: float | None = 5.0) -> Row:
    """A row whose delegate says so."""
    said = Predicted(THEN, outcome, ("1 x GELU refused: too new",), None)  # type: ignore[arg-type]
    return Row(zoo.find(name), None, said, said, cpu_ms, None)


def test_files_have_the_sizes_and_operators_of_the_table(
    structures: dict[str, ModelStructure],
) -> None:
    operators = {name: {op.name for op in one.graph.ops} for name, one in structures.items()}
    unet = {"CONV_2D", "CONCATENATION", "TRANSPOSE_CONV"}
    assert operators["antins_cv"] == {"CONV_2D", "DEPTH_TO_SPACE", "ADD"}
    assert operators["enerzai"] == unet | {
        "DEPTH_TO_SPACE",
        "SPACE_TO_DEPTH",
        "LEAKY_RELU",
        "MAX_POOL_2D",
    }
    assert operators["miaigo"] == {"CONV_2D", "ADD", "RESIZE_BILINEAR", "CONCATENATION", "TANH"}
    assert operators["zjut_vision"] >= unet | {
        "MEAN",
        "SQUARED_DIFFERENCE",
        "RSQRT",
        "MUL",
        "SUB",
        "REDUCE_MAX",
        "LOGISTIC",
        "TANH",
    }
    means = [op for op in structures["zjut_vision"].graph.ops if op.name == "MEAN"]
    assert len(means) == 103
    for name, one in structures.items():
        entry = zoo.find(name)
        low, high = 0.97 * entry.size_mib, 1.03 * entry.size_mib
        if name == "antins_cv":
            low, high = 0.055, 0.065
        assert low <= one.size_mib <= high, name


def test_the_delegate_of_2022_takes_the_small_ones_whole(
    structures: dict[str, ModelStructure], kirin: DeviceProfile
) -> None:
    for name, one in structures.items():
        said = predict(one, THEN, kirin)
        assert said.outcome == "runs", (name, said.reasons)
        assert said.bound_ms is not None
        assert said.bound_ms > 0
        assert forecast(one, THEN).prediction.outcome == "whole"


def test_a_model_that_does_not_fit_in_the_memory_is_an_error(
    structures: dict[str, ModelStructure], kirin: DeviceProfile
) -> None:
    import msgspec

    tiny = msgspec.structs.replace(
        kirin, memory=msgspec.structs.replace(kirin.memory, bytes=1 << 20)
    )
    said = predict(structures["enerzai"], THEN, tiny)
    assert said.outcome == "Error"
    assert said.reasons[0].endswith("MiB of memory, and the device has less")


@pytest.mark.parametrize(
    ("name", "outcome", "agrees", "words"),
    [
        ("antins_cv", "runs", True, "every operator is taken; at risk: 1 x GELU"),
        ("antins_cv", "Error", False, "but 28.1 ms is printed: 1 x GELU refused: too new"),
        ("sensebrain", "Error", True, "as printed: 1 x GELU refused: too new"),
        ("sensebrain", "runs", False, "in no rule and in no public source"),
        ("zjut_vision", "runs", False, "printed CPU cell says Error as well.* here, in 5.0 ms"),
        ("vic", "not known", None, "the rules do not know: 1 x GELU"),
    ],
)
def test_each_row_says_whether_and_why(
    name: str, outcome: str, agrees: bool | None, words: str
) -> None:
    one = row(name, outcome)
    assert one.agrees is agrees
    (told,) = document([one])
    assert told["agrees"] is agrees
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(told["explanation"])


def test_a_rewritten_form_is_held_against_no_printed_cell() -> None:
    one = replace(row("sensebrain", "runs"), friendly=True)
    assert one.agrees is None
    assert one.explanation.startswith("rewritten for GPU delegates: every operator is taken")
    refused = replace(row("vic", "Error"), friendly=True)
    assert refused.explanation == "rewritten for GPU delegates: refused: 1 x GELU refused: too new"
    caption = build_table([one], "64x64", "a machine").caption
    assert caption[-1].startswith("Forms rewritten for GPU delegates")


def test_a_printed_time_below_the_bound_does_not_agree() -> None:
    one = row("enerzai", "runs")
    assert one.then is not None
    slow = replace(one, then=replace(one.then, bound_ms=150.0))
    assert (slow.agrees, replace(slow, then=replace(one.then, bound_ms=80.0)).agrees) == (
        False,
        True,
    )
    assert slow.explanation.startswith("89.3 ms is printed, less than the 150.0 ms that")


def test_another_size_is_held_against_no_printed_cell() -> None:
    one = replace(row("antins_cv", "runs"), size=(32, 32))
    assert one.agrees is None
    assert one.explanation.startswith("the printed cell is of 1024x1024: every operator is taken")
    refused = replace(row("vic", "Error"), size=(32, 32))
    assert refused.explanation.startswith("the printed cell is of 1024x1024: refused: 1 x GELU")
    caption = build_table([one, refused], "32x32", "a machine").caption
    assert caption[-1].startswith("Another size than the printed one")
    assert replace(one, size=(1024, 1024)).agrees is True


def test_what_nobody_ran_is_not_an_error() -> None:
    table = build_table([row("antins_cv", "runs", cpu_ms=None)], "1024x1024", None)
    ours = [column.key for column in table.columns].index("cpu")
    assert table.rows[0][ours].text == "N.A."
    assert "1024x1024; the CPU was left out" in table.caption[1]


def test_a_model_that_failed_has_a_row_all_the_same() -> None:
    failed = Row(zoo.find("vic"), None, None, None, None, "more than 12 GiB of memory is needed")
    table = build_table([row("antins_cv", "runs"), failed], "64x64", "a machine")
    text = render(table)
    assert "Error<sup>" in text
    assert "more than 12 GiB of memory is needed" in text
    assert "agrees with 1 of 2 printed GPU cells" in text
    assert table.footnotes[1] == "more than 12 GiB of memory is needed"
    assert document([failed])[0]["explanation"].startswith("not predicted: more than 12 GiB")


def test_refusals_come_before_risks() -> None:
    said = [("SOFTMAX", "risky", "large"), ("GELU", "refused", "new"), ("ADD", "delegated", "")]
    judged = [Judged(n, name, _rule(v, why)) for n, (name, v, why) in enumerate(said * 2)]
    told = Forecast(THEN, tuple(judged), None)  # type: ignore[arg-type]
    assert _reasons(told) == ("2 x GELU refused: new", "2 x SOFTMAX risky: large")


def _rule(verdict: str, reason: str) -> Any:
    return SimpleNamespace(verdict=verdict, reason=reason)


def test_the_two_delegates_are_of_their_years() -> None:
    assert (THEN.version, NOW.version) == ("2.8", "2.16.1")
    assert Path(zoo.__file__).is_file()
