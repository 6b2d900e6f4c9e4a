"""What `zoo train` measures on was not trained on: no copy, and nothing alike unsaid."""

from pathlib import Path

import pytest
from PIL import Image

from bokehbench.cli.zoo_pairs import choose_pairs
from bokehbench.errors import UsageError
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
