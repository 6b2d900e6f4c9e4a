"""`bokehbench lint` as a user meets it, and what a run keeps of its prediction."""

from pathlib import Path

import pytest

from tests.support import models
from tests.support.command import Command

TINY = Path(__file__).parents[2] / "examples" / "tiny_unet.tflite"
FAST = ("run", "--device", "local", "--quick", "--warmups", 0, "--runs", 1)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A convolution and an L2 normalisation, which no delegate takes."""
    path = tmp_path / "mixed.tflite"
    path.write_bytes(models.with_normalisation())
    return path


def test_all_delegates_at_one_glance(bokehbench: Command) -> None:
    ended = bokehbench("lint", TINY, "--profile", "kirin9000")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "tiny_unet.tflite at 1x1024x1024x3: 12 operators"
    assert [line.split()[0] for line in lines[1:4]] == ["tflite-gpu", "litert-gpu", "xnnpack"]
    assert all("takes all of it: 12 of 12 in 1 part" in line for line in lines[1:4])
    assert "at least 0.287 ms on tflite-gpu of Mali-G78 MP24 (roofline)" in ended.out


def test_what_is_refused_has_its_reason_its_rule_and_its_source(
    bokehbench: Command, mixed: Path
) -> None:
    ended = bokehbench("lint", mixed, "--target", "tflite-gpu:2.8")
    assert "takes a part of it: 1 of 2 in 1 part  (tflite 2.8)" in ended.out
    assert "1 x L2_NORMALIZATION: refused: the delegate has no such operator" in ended.out
    assert "[not-listed] TensorFlow, tensorflow/lite/delegates/gpu" in ended.out
    assert "CONV_2D" not in ended.out
    assert "CONV_2D" in bokehbench("lint", mixed, "--all").out


def test_json_has_every_operator(bokehbench: Command, mixed: Path) -> None:
    document = bokehbench("lint", mixed, "--target", "xnnpack:tflite:2.9", "--json").json()
    (target,) = document["targets"]
    assert (target["engine"], target["version"]) == ("tflite", "2.9")
    assert [node["taken"] for node in target["nodes"]] == [True, False]
    assert {"verdict", "rule", "reason", "source", "provenance"} <= set(target["nodes"][1])
    assert document["memory"]["peak_fp32_bytes"] > 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "give a MODEL, or --learned"),
        ([TINY, "--target", "npu"], "no such delegate; known: tflite-gpu, litert-gpu, xnnpack"),
        ([TINY, "--target", "tflite-gpu:litert"], "tflite-gpu belongs to tflite"),
        ([TINY, "--target", "xnnpack:new"], "give DELEGATE, DELEGATE:VERSION or"),
        ([TINY, "--profile", "none"], "no such profile; known are:"),
        ([TINY, "--device", "x"], "--device goes with --learned"),
        (["missing.tflite"], "no such file"),
    ],
)
def test_wrong_words_are_refused(bokehbench: Command, words: list[object], complaint: str) -> None:
    ended = bokehbench("lint", *words)
    assert ended.code == 2
    assert complaint in ended.complaint


def test_a_run_keeps_its_prediction_and_they_are_compared(bokehbench: Command, mixed: Path) -> None:
    (record,) = bokehbench(*FAST, TINY.with_name("tiny_unet.tflite"), "--json", "-").json()[
        "records"
    ]
    prediction = record["prediction"]
    assert prediction["delegate"] == "xnnpack"
    assert prediction["outcome"] == "whole"
    assert prediction["delegated_low"] == prediction["total_nodes"] == 12
    assert record["trials"][0]["report"]["fully_accelerated"] is True
    (second,) = bokehbench(*FAST, mixed, "--json", "-").json()["records"]
    assert second["prediction"]["outcome"] == "partly"
    assert second["prediction"]["operators"][0].startswith("1 x L2_NORMALIZATION: refused")
    ended = bokehbench("lint", "--learned")
    assert ended.out == "0 of 2 records contradict their prediction\n"
    document = bokehbench("lint", mixed, "--learned", "--json").json()
    assert document["records"] == 2
    assert document["differences"] == []


def test_a_store_without_records_is_told(bokehbench: Command) -> None:
    bokehbench(*FAST, "--backend", "cpu", TINY)
    ended = bokehbench("lint", "--learned")
    assert ended.out == "0 of 0 records contradict their prediction\n"
    assert ended.err == "none of 1 has a prediction; run a model on gpu or xnnpack first\n"
    other = bokehbench("lint", "--learned", "--device", "nope")
    assert other.code == 2
    assert "--device nope: no records of it; there are " in other.complaint
