"""What `zoo train` measures on was not trained on: no copy, and nothing alike unsaid."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bokehbench.cli.zoo_pairs import choose_pairs
from bokehbench.cli.zoo_train import _screen
from bokehbench.errors import UsageError
from bokehbench.zoo.progress import Epoch, Measured, State
from tests.support.command import Command

EXAMPLES = Path(__file__).parents[2] / "examples" / "pairs"


def make_pairs(folder: Path, names: dict[str, str], *, quality: int = 90) -> Path:
    """Pairs in a folder: the name of each, and the example that it is of, at half its size."""
    for role in ("original", "bokeh"):
        (folder / role).mkdir(parents=True)
        for name, example in names.items():
            with Image.open(EXAMPLES / role / f"{example}.jpg") as image:
                image.reduce(2).save(folder / role / f"{name}.jpg", quality=quality)
    return folder


@pytest.fixture
def examples() -> list[str]:
    """Names of the example pairs."""
    return sorted(path.stem for path in (EXAMPLES / "original").iterdir())


def test_photos_that_show_the_same_are_held_out_together(
    tmp_path: Path, examples: list[str]
) -> None:
    first, second = examples[:2]
    folder = make_pairs(tmp_path / "a", {"1": first, "2": second})
    for name, example in (("3", first), ("4", second)):
        for role in ("original", "bokeh"):
            with Image.open(EXAMPLES / role / f"{example}.jpg") as image:
                image.reduce(2).save(folder / role / f"{name}.jpg", quality=60)
    digests = set()
    for seed in range(8):
        chosen = choose_pairs(folder, "2", seed)
        held, train = ({pair.name for pair in pairs} for pairs in (chosen.held, chosen.train))
        assert held in ({"1", "3"}, {"2", "4"})
        assert held | train == {"1", "2", "3", "4"}
        digests.add((min(held), chosen.digest))
    # Another choice is another training, which --resume must tell.
    assert len(digests) == len({digest for _, digest in digests}) == 2
    with pytest.raises(UsageError, match="--validation 3: 2 is as near as one comes"):
        choose_pairs(folder, "3", 0)


def test_a_copy_of_what_is_trained_on_is_refused(tmp_path: Path, examples: list[str]) -> None:
    folder = make_pairs(tmp_path / "a", {"1": examples[0], "2": examples[1]})
    other = make_pairs(tmp_path / "b", {"7": examples[2], "8": examples[1]})
    words = ["zoo", "train", "antins_cv", "--dataset", "a", "--validation", "b"]
    ended = Command(tmp_path)(*words)
    assert ended.code == 2
    assert "b/original/8.jpg is the same file as a/original/2.jpg" in ended.complaint.replace(
        str(tmp_path) + "/", ""
    )
    assert not (tmp_path / "antins_cv-training").exists()
    for role in ("original", "bokeh"):
        (other / role / "8.jpg").unlink()
    assert [pair.name for pair in choose_pairs(folder, str(other), 0).held] == ["7"]


def test_a_photo_saved_again_is_warned_of(
    tmp_path: Path, examples: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_pairs(tmp_path / "a", {"1": examples[0], "2": examples[1]})
    other = make_pairs(tmp_path / "b", {"7": examples[2], "8": examples[1]}, quality=60)
    chosen = choose_pairs(folder, str(other), 0)
    assert [len(chosen.train), len(chosen.held)] == [2, 2]
    said = capsys.readouterr().err
    assert "warning: 1 of 2 validation photos show the same as photos that are trained on" in said
    assert "b/original/8.jpg" in said


def test_equal_pictures_are_told_of_beside_the_mean() -> None:
    best = Epoch(3, 1e-3, 0.5, 25.0, 0.9, 1.0, 2)
    state = State({"validation_pairs": 8}, (best,), Measured(24.0, 0.8, 1), (), (), ())
    lines = _screen("antins_cv", Path("out"), state)
    assert lines[0].startswith("antins_cv: 25.000 dB and SSIM 0.9000 on 8 pairs")
    assert lines[1] == "unchanged photos: 24.000 dB and 0.8000; gain +1.000 dB and +0.1000"
    assert lines[2].endswith("left out of the mean PSNR: 2 outputs, 1 unchanged photos")
    perfect = replace(state, log=(best, replace(best, epoch=4, psnr=None, identical=8)))
    assert perfect.best is perfect.log[1]
    lines = _screen("antins_cv", Path("out"), perfect)
    assert lines[0].startswith("antins_cv: infinite and SSIM")
    assert lines[1].endswith("; gain +0.1000")
    same = replace(state, log=(replace(best, identical=0),), unchanged=Measured(24.0, 0.8, 0))
    assert not any("equal to their reference" in line for line in _screen("a", Path("out"), same))
