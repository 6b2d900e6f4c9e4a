"""How images meet tensors: flags over file over default, and what is refused."""

import os
from pathlib import Path

import pytest

from bokehbench.errors import IoSpecError
from bokehbench.facts import InputSpec, IoSpec, ModelFacts, OutputSpec, TensorFacts
from bokehbench.model import IoFlags, read_model, resolve_io
from tests.support import drafts
from tests.support.evidence import make_model

RGB, RGBD, GRAY = (1, 8, 8, 3), (1, 8, 8, 4), (1, 8, 8, 1)


def tensor(
    name: str, shape: tuple[int, ...], dtype: str = "float32", scale: float = 0.0, zero: int = 0
) -> TensorFacts:
    return TensorFacts(name=name, shape=shape, dtype=dtype, scale=scale, zero_point=zero)


def model(
    *inputs: TensorFacts, outputs: tuple[TensorFacts, ...] = (tensor("bokeh", RGB),)
) -> ModelFacts:
    return make_model(
        file_name="net.tflite", inputs=inputs or (tensor("image", RGB),), outputs=outputs
    )


TWO = model(tensor("image", RGB), tensor("depth", GRAY))


def resolve(
    facts: ModelFacts, folder: Path, text: str | None = None, flags: IoFlags | None = None
) -> IoSpec:
    if text is not None:
        (folder / "net.io.toml").write_text(text)
    return resolve_io(facts, folder / "net.tflite", flags=flags)


def refusal(
    facts: ModelFacts, folder: Path, text: str | None = None, flags: IoFlags | None = None
) -> str:
    with pytest.raises(IoSpecError) as caught:
        resolve(facts, folder, text, flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("shape", "channels"), [(RGB, "rgb"), (RGBD, "rgbd")])
def test_default(tmp_path: Path, shape: tuple[int, ...], channels: str) -> None:
    io = resolve(model(tensor("x", shape)), tmp_path)
    assert io.source == "default"
    assert io.inputs[0].channels == channels
    assert io.output == OutputSpec(tensor=0)


def test_default_of_a_real_file(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(drafts.dynamic_model().data())
    assert resolve_io(read_model(path), path) == IoSpec(
        inputs=(InputSpec(tensor=0),), output=OutputSpec(tensor=0), source="default"
    )


def test_the_file_beside_the_model(tmp_path: Path) -> None:
    text = """
        [[inputs]]
        tensor = "depth"
        source = "original_depth"
        range = [-1, 1]

        [[inputs]]
        tensor = 0
        channels = "rgb"
        size = 1.0

        [output]
        range = [-1.0, 1.0]
    """
    assert resolve(TWO, tmp_path, text) == IoSpec(
        inputs=(
            InputSpec(tensor=0),
            InputSpec(tensor=1, source="original_depth", channels="gray", range=(-1.0, 1.0)),
        ),
        output=OutputSpec(tensor=0, range=(-1.0, 1.0)),
        source="net.io.toml",
    )


def test_a_given_file_goes_before_the_one_beside(tmp_path: Path) -> None:
    (tmp_path / "net.io.toml").write_text("nonsense")
    other = tmp_path / "other.toml"
    other.write_text("[output]\nrange = [-1, 1]\n")
    io = resolve_io(model(), tmp_path / "net.tflite", file=other)
    assert io.output.range == (-1.0, 1.0)
    assert io.source == "other.toml"


def test_a_given_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(IoSpecError, match="not readable"):
        resolve_io(model(), tmp_path / "net.tflite", file=tmp_path / "none.toml")


def test_flags_win(tmp_path: Path) -> None:
    flags = IoFlags(input_range="-1,1", output_range="0,255", output="1")
    facts = model(outputs=(tensor("small", RGB), tensor("large", RGB)))
    io = resolve(facts, tmp_path, '[output]\ntensor = "small"\nrange = [0, 2]\n', flags)
    assert io.inputs[0].range == (-1.0, 1.0)
    assert io.output == OutputSpec(tensor=1, range=(0.0, 255.0))
    assert io.source == "flags, net.io.toml"


def test_flags_alone(tmp_path: Path) -> None:
    io = resolve(model(tensor("x", (1, 8, 8, -1))), tmp_path, flags=IoFlags(channels="rgbd"))
    assert (io.source, io.inputs[0].channels) == ("flags", "rgbd")


def test_sizes_that_agree(tmp_path: Path) -> None:
    facts = model(tensor("x", (1, 512, 512, 4)), outputs=(tensor("y", (1, 1024, 1024, 3)),))
    io = resolve(facts, tmp_path, flags=IoFlags(input_size=0.5))
    assert io.inputs[0].size == 0.5


def test_sizes_that_contradict(tmp_path: Path) -> None:
    facts = model(tensor("x", (1, 512, 512, 4)), outputs=(tensor("y", (1, 1024, 1024, 3)),))
    words = refusal(facts, tmp_path)
    assert "'y' is 1x1024x1024x3" in words
    assert "--input-size" in words


def test_inputs_that_contradict_each_other(tmp_path: Path) -> None:
    facts = model(tensor("image", RGB), tensor("depth", (1, 4, 4, 1)))
    text = '[[inputs]]\ntensor = 0\n[[inputs]]\ntensor = 1\nsource = "original_depth"\n'
    assert "'depth' is 1x4x4x1" in refusal(facts, tmp_path, text)
    assert resolve(facts, tmp_path, text + "size = 0.5\n").inputs[1].size == 0.5


def test_two_inputs_without_a_file_show_the_cure(tmp_path: Path) -> None:
    words = refusal(TWO, tmp_path)
    assert "0 'image' 1x8x8x3 float32, 1 'depth' 1x8x8x1 float32" in words
    assert '`[[inputs]]`, `tensor = "depth"`, `source = "original_depth"`' in words
    assert "net.io.toml" in words


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (model(tensor("x", (1, 8, 8, 5))), "neither 3 (rgb) nor 4 (rgbd)"),
        (model(tensor("x", GRAY)), '`source = "original_depth"`'),
        (model(tensor("x", (1, 8, 8, -1))), "does not say its channels"),
        (model(tensor("x", (8, 8, 3))), "not NHWC"),
        (model(tensor("x", ())), "scalar, not NHWC"),
        (model(tensor("x", (1, 0, 8, 3))), "not NHWC"),
        (model(tensor("x", (2, 8, 8, 3))), "batch of 1"),
        (model(tensor("x", RGB, "float16")), "is float16, not float32, uint8, int8"),
        (model(tensor("x", RGB, "int8")), "without one scale"),
        (model(tensor("x", RGB, "uint8", 1.0)), "--input-range 0,255"),
        (model(outputs=(tensor("y", GRAY),)), "not an image of 3 channels"),
        (model(outputs=(tensor("y", RGB, "int32"),)), "is int32"),
        (model(outputs=(tensor("a", RGB), tensor("b", RGB))), "--output-tensor"),
    ],
)
def test_models_that_the_default_refuses(tmp_path: Path, facts: ModelFacts, words: str) -> None:
    assert words in refusal(facts, tmp_path)


def test_quantised_ends(tmp_path: Path) -> None:
    facts = model(tensor("x", RGB, "uint8"), outputs=(tensor("y", RGB, "int8", 1 / 255, -128),))
    assert resolve(facts, tmp_path).source == "default"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[inputs]]\nchanels = 'rgb'\n", "line 2: inputs.chanels: unknown key; allowed: tensor,"),
        ("[output]\nsource = 'original'\n", "line 2: output.source: unknown key; allowed: tensor"),
        ("speed = 1\n", "line 1: speed: unknown key; allowed: [[inputs]] and [output]"),
        ("[inputs]\ntensor = 0\n", "line 1: inputs: not a list of tables"),
        ("output = 3\n", "output: not a table"),
        ("inputs = [1]\n", "inputs: not a list of tables"),
        ("[[inputs]]\n[[inputs]]\n\nsize = 'big'", "line 4: inputs.size: 'big' is not a number"),
        ("[output]\nsize = 0\n", "line 2: output.size: 0 is not"),
        ("[output]\nsize = nan\n", "line 2: output.size"),
        ("[output]\nsize = true\n", "line 2: output.size"),
        ("[output]\nsize = 1" + "0" * 400, "line 2: output.size"),
        ("[output]\nrange = [1, 0]\n", "[1, 0] is not [LOW, HIGH]"),
        ("[output]\nrange = [0]\n", "is not [LOW, HIGH]"),
        ("[output]\nrange = '0,1'\n", "is not [LOW, HIGH]"),
        ("[output]\nrange = [0, inf]\n", "is not [LOW, HIGH]"),
        ("[output]\nrange = [-4e38, 1]\n", "line 2: output.range: [-4e+38, 1] goes beyond"),
        ("[output]\nrange = [1, 1.00000001]\n", "line 2: output.range: [1, 1.00000001] is one"),
        ("[output]\ntensor = true\n", "neither a name in quotes nor an index"),
        ("[output]\ntensor = 'y'\n", "line 2: output: no tensor 'y'; there are 0 'bokeh' 1x8x8x3"),
        ("[output]\ntensor = -1\n", "no tensor '-1'"),
        ("[[inputs]]\nsource = 'depth'\n", '"original", "original_depth"'),
        ("[[inputs]]\nchannels = 'bgr'\n", '"rgb", "rgbd", "gray"'),
        ("[[inputs]]\nchannels = 'gray'\n", "channels gray are 1"),
        ("[[inputs]]\n[[inputs]]\n", "given twice"),
        ("[[inputs\n", "no valid TOML"),
        ("a = " + "[" * 5000, "no valid TOML"),
        ("# " + "x" * (1 << 20), "larger than"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, words: str) -> None:
    found = refusal(model(), tmp_path, text)
    assert words in found
    assert "net.io.toml" in found or "net.tflite" in found


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "net.io.toml").write_bytes(b"a\xff")
    assert "byte 1 is no UTF-8" in refusal(model(), tmp_path)


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "net.io.toml").mkdir()
    assert "net.io.toml: is a folder; give" in refusal(model(), tmp_path)


def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.io.toml")
    assert "net.io.toml: is a pipe or a device; give" in refusal(model(), tmp_path)


def test_the_widest_ends_of_a_range(tmp_path: Path) -> None:
    flags = IoFlags(input_range="-3.4e38,3.4e38")
    assert resolve(model(), tmp_path, flags=flags).inputs[0].range == (-3.4e38, 3.4e38)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[inputs]]\ntensor = 'image'\n", "nothing is said about input 1 'depth'"),
        ("[[inputs]]\n", "no tensor is named"),
        ("[output]\nsize = 1\n", "2 inputs"),
    ],
)
def test_files_that_leave_an_input_out(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(TWO, tmp_path, text)


def test_rgbd_brings_its_own_depth(tmp_path: Path) -> None:
    text = "[[inputs]]\nsource = 'original_depth'\n"
    assert "takes its depth by itself" in refusal(model(tensor("x", RGBD)), tmp_path, text)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (IoFlags(input_range="0"), "--input-range: '0' is no range"),
        (IoFlags(input_range="1,0"), "--input-range"),
        (IoFlags(output_range="0,nan"), "--output-range"),
        (IoFlags(input_range="-1e300,1e300"), "--input-range: '-1e300,1e300' goes beyond"),
        (IoFlags(output_range="0,3.5e38"), "--output-range: '0,3.5e38' goes beyond"),
        (IoFlags(output_range="0,1e-60"), "one and the same 32-bit float"),
        (IoFlags(channels="bgr"), "--channels: 'bgr' is not one of rgb, rgbd, gray"),
        (IoFlags(input_size=0.0), "--input-size"),
        (IoFlags(output_size=float("nan")), "--output-size"),
        (IoFlags(output="sky"), "--output-tensor: no tensor 'sky'"),
        (IoFlags(output=4), "--output-tensor: no tensor '4'"),
    ],
)
def test_flags_that_are_refused(tmp_path: Path, flags: IoFlags, words: str) -> None:
    assert words in refusal(model(), tmp_path, flags=flags)


def test_input_flags_need_one_input(tmp_path: Path) -> None:
    text = "[[inputs]]\ntensor = 0\n[[inputs]]\ntensor = 1\n"
    assert "--input-range" in refusal(TWO, tmp_path, text, IoFlags(input_range="0,1"))


def test_a_model_with_the_longest_name_needs_no_file(tmp_path: Path) -> None:
    assert resolve_io(model(), tmp_path / ("x" * 248 + ".tflite")).source == "default"
