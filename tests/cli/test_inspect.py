"""`bokehbench inspect` as a user meets it."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.support.builder import Builder, Ops
from tests.support.command import Command

TINY = Path(__file__).parents[2] / "examples" / "tiny_unet.tflite"


def test_one_screen(bokehbench: Command) -> None:
    ended = bokehbench("inspect", str(TINY))
    assert ended.code == 0
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert len(lines) <= 24
    assert lines[0] == "tiny_unet.tflite: 0.06 MiB, 14,724 parameters, 12 operators"
    assert "work         955.51 M MACs" in lines
    assert "1x1024x1024x3 float32" in ended.out
    assert "activations 48.0 MiB in fp32, 24.0 in fp16" in ended.out


def test_json_says_the_same_and_nothing_else(bokehbench: Command) -> None:
    document = bokehbench("inspect", str(TINY), "--size", "512x256", "--json", "-").json()
    assert document["macs"] == 955514880 // 8
    assert document["subgraphs"][0]["ops"][0]["options"]["stride_h"] == 2
    assert document["weights"] == {"float32": {"parameters": 14724, "size_bytes": 58896}}


def test_json_alone_goes_to_standard_output(bokehbench: Command) -> None:
    asked = bokehbench("inspect", str(TINY), "--json", "-").json()
    assert bokehbench("inspect", str(TINY), "--json").json() == asked
    assert bokehbench("inspect", "--json", "-", str(TINY)).json() == asked
    assert bokehbench("inspect", str(TINY), "--json", "--size", "1024x1024").json() == asked


def test_the_picture_goes_to_its_file(bokehbench: Command, tmp_path: Path) -> None:
    target = tmp_path / "net.svg"
    assert bokehbench("inspect", str(TINY), "--graph", str(target)).code == 0
    ElementTree.fromstring(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_an_option_that_is_no_number(bokehbench: Command, tmp_path: Path, value: str) -> None:
    builder = Builder()
    source, target = (builder.tensor(name, (1, 8, 8, 3)) for name in ("image", "bokeh"))
    options = schema.LeakyReluOptionsT()
    options.alpha = float(value)
    builder.op(Ops.LEAKY_RELU, [source], [target], options)
    odd = tmp_path / "odd.tflite"
    odd.write_bytes(builder.finish([source], [target]))
    [graph] = bokehbench("inspect", odd, "--json", "-").json()["subgraphs"]
    assert graph["ops"][0]["options"] == {"alpha": value}
    assert bokehbench("lint", odd, "--json").json()


def test_two_documents_on_one_screen_are_refused(bokehbench: Command) -> None:
    ended = bokehbench("inspect", TINY, "--json", "-", "--graph", "-")
    assert (ended.code, ended.out) == (2, "")
    assert "both want standard output" in ended.complaint
    assert bokehbench("inspect", TINY, "--graph", "-").out.startswith("<svg")


@pytest.mark.parametrize("size", ["512", "0x4", "axb", "70000x4", "1x2x3"])
def test_a_wrong_size_is_refused(bokehbench: Command, size: str) -> None:
    ended = bokehbench("inspect", str(TINY), "--size", size)
    assert ended.code == 2
    assert "is no size; give HEIGHTxWIDTH" in ended.complaint


def test_a_size_that_the_operators_do_not_fit(bokehbench: Command) -> None:
    ended = bokehbench("inspect", str(TINY), "--size", "7x9")
    assert ended.code == 0
    assert "shapes are open from operator" in ended.out
    assert "with an input of 1x7x9x3: give a --size that" in ended.out
    assert "open from" not in bokehbench("inspect", str(TINY)).out


def test_a_wrong_file_is_refused(bokehbench: Command, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tflite"
    wrong.write_bytes(b"\x1b[31mnot a model")
    ended = bokehbench("inspect", str(wrong))
    assert ended.code == 2
    assert "not a .tflite" in ended.complaint
    missing = bokehbench("inspect", str(tmp_path / "none.tflite"))
    assert missing.code == 2
    assert "no such file" in missing.complaint
