"""`bokehbench zoo` as people run it."""

from pathlib import Path

import pytest

from tests.support.command import Command


@pytest.fixture
def bokehbench(tmp_path: Path) -> Command:
    """The command line with a home of its own."""
    return Command(tmp_path)


def test_list_has_all_seven_and_needs_no_tensorflow(bokehbench: Command) -> None:
    bokehbench.environment["KERAS_BACKEND"] = "none"
    ended = bokehbench("zoo", "list")
    assert (ended.code, ended.err) == (0, "")
    assert "antins_cv    0.06 MiB" in ended.out
    assert "printed: CPU 12879 ms, GPU Error" in ended.out
    models = bokehbench("zoo", "list", "--json").json()["models"]
    assert [len(models), models[-1]["name"]] == [7, "pynet"]


@pytest.mark.usefixtures("tensorflow")
def test_export_and_table_make_the_same_file_and_say_what_it_is(
    bokehbench: Command, tmp_path: Path
) -> None:
    ended = bokehbench("zoo", "export", "Antins-CV", "--size", "64x96", "--json")
    assert (ended.code, ended.err) == (0, "")
    told = ended.json()
    exported = tmp_path / "antins_cv.tflite"
    assert told["file"] == "antins_cv.tflite"
    assert told["size_bytes"] == exported.stat().st_size
    assert told["parameters"] == 14_724
    assert "1x64x96x3 float32" in bokehbench("inspect", "antins_cv.tflite").out

    words = ["--size", "64x96", "--keep", "kept", "--json", "-", "--markdown", "table.md"]
    ended = bokehbench("zoo", "table", "antins_cv", *words)
    assert ended.code == 0, ended.err
    (model,) = ended.json()["models"]
    assert (model["cpu_ms_printed"], model["gpu_ms_printed"]) == (125, 28.1)
    assert model["cpu_ms"] > 0
    assert model["gpu"]["outcome"] == "runs"
    # The printed cell is of 1024x1024.
    assert model["agrees"] is None
    assert model["operators"] == {"CONV_2D": 6, "DEPTH_TO_SPACE": 3, "ADD": 3}
    assert "| Antins\\_cv | 0.06 | 0.06 | 125 |" in (tmp_path / "table.md").read_text()
    # The same seed, the same bytes.
    assert (tmp_path / "kept" / "antins_cv.tflite").read_bytes() == exported.read_bytes()
    assert "zoo antins_cv" in bokehbench("records", "list").out

    ended = bokehbench("zoo", "table", "antins_cv", "--size", "64x96", "--no-run")
    assert ended.code == 0, ended.err
    assert "Error" not in ended.out
    assert "the CPU was left out" in ended.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["export", "unet"], "unet: no such model in the zoo; known are antins_cv, "),
        (["export", "vic", "--size", "100x100"], "vic can't be built for 100x100: both sides have"),
        (["export", "vic", "--size", "big"], "is no size; give HEIGHTxWIDTH"),
        (["export", "vic", "--precision", "int8"], "give --calibration DIR"),
        (["export", "vic", "-o", "none/a.tflite"], "can't be written: No such file or directory"),
        (["table", "unet"], "no such model in the zoo"),
        (["table", "vic", "--size", "100x100"], "vic can't be built for 100x100"),
        (["table", "--json", "-", "--markdown", "-"], "both want standard output"),
        (["table", "vic", "--keep", "/dev/null"], "--keep /dev/null: can't be made a folder"),
        (["table", "vic", "--protocol", "none"], "none"),
    ],
)
def test_bad_words_are_refused_before_tensorflow_starts(
    bokehbench: Command, words: list[str], complaint: str
) -> None:
    ended = bokehbench("zoo", *words)
    assert ended.code == 2
    assert complaint in ended.complaint


def test_without_tensorflow_the_extra_is_named(bokehbench: Command, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "keras.py").write_text("raise ModuleNotFoundError('no keras', name='keras')\n")
    bokehbench.environment["PYTHONPATH"] = str(hidden)
    for words in (["export", "antins_cv"], ["table", "antins_cv"]):
        ended = bokehbench("zoo", *words, "--size", "64x64")
        assert ended.code == 4
        assert "keras is not installed: pip install '.[zoo]'" in ended.complaint
