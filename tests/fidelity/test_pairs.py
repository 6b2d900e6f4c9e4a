"""The EBB! layout: pairs, order, what is left over, and refusals."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bokehbench.errors import DatasetError
from bokehbench.fidelity import open_dataset
from bokehbench.fidelity.images import load_rgb


def _write(path: Path, height: int = 4, width: int = 6) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path, format=kind)


def _make(root: Path, original: list[str], bokeh: list[str]) -> Path:
    for folder, names in (("original", original), ("bokeh", bokeh)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            _write(root / folder / name)
    return root


def test_pairs_by_stem_in_natural_order(tmp_path: Path) -> None:
    names = ["10.jpg", "2.jpg", "1.JPG", "b1.png"]
    root = _make(tmp_path / "ebb", names, ["10.png", "2.JPEG", "1.jpg", "b1.png"])
    dataset = open_dataset(root)
    assert dataset.name == "ebb"
    assert [pair.name for pair in dataset.pairs] == ["1", "2", "10", "b1"]
    assert [pair.index for pair in dataset.pairs] == [0, 1, 2, 3]
    assert dataset.pairs[2].paths == {
        "original": root / "original" / "10.jpg",
        "bokeh": root / "bokeh" / "10.png",
    }
    assert dataset.unpaired == ()


def test_train_inside_is_accepted(tmp_path: Path) -> None:
    _make(tmp_path / "train", ["1.jpg"], ["1.jpg"])
    assert open_dataset(tmp_path).root == tmp_path / "train"


def test_unpaired_files_are_reported(tmp_path: Path) -> None:
    root = _make(tmp_path, ["1.jpg", "10.jpg", "9.jpg"], ["1.jpg", "3.png"])
    dataset = open_dataset(root)
    assert dataset.unpaired == ("original/9.jpg", "original/10.jpg", "bokeh/3.png")
    assert len(dataset.pairs) == 1


def test_other_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    root = _make(tmp_path, ["1.jpg", "._1.jpg"], ["1.jpg"])
    (root / "original" / "notes.txt").write_text("")
    (root / "original" / "2.jpg").mkdir()
    dataset = open_dataset(root)
    assert [pair.name for pair in dataset.pairs] == ["1"]
    assert dataset.unpaired == ()


def test_depth_is_a_source_on_request(tmp_path: Path) -> None:
    root = _make(tmp_path, ["1.jpg", "2.jpg"], ["1.jpg", "2.jpg"])
    sources = ("original", "original_depth")
    with pytest.raises(DatasetError, match=r"has no original_depth/"):
        open_dataset(root, sources=sources)
    _write(root / "original_depth" / "1.png", 2, 3)
    dataset = open_dataset(root, sources=sources)
    assert [pair.name for pair in dataset.pairs] == ["1"]
    assert set(dataset.pairs[0].paths) == {"original", "original_depth", "bokeh"}
    assert dataset.unpaired == ("original/2.jpg", "bokeh/2.jpg")
    assert dataset.sizes == ((4, 6),)


def test_another_reference(tmp_path: Path) -> None:
    root = _make(tmp_path, ["1.jpg"], ["1.jpg"])
    (root / "bokeh").rename(root / "wanted")
    assert open_dataset(root, reference="wanted").pairs[0].paths["wanted"].name == "1.jpg"


def test_facts(tmp_path: Path) -> None:
    root = _make(tmp_path / "ebb", ["1.jpg", "2.jpg"], ["1.jpg", "2.jpg", "3.jpg"])
    _write(root / "original" / "2.jpg", 8, 5)
    dataset = open_dataset(root)
    facts = dataset.facts("crop")
    assert (facts.name, facts.pairs, facts.fit) == ("ebb", 2, "crop")
    assert facts.sizes == {"4x6": 1, "8x5": 1}
    assert facts.unpaired == ("bokeh/3.jpg",)
    assert facts.digest == dataset.digest
    assert dataset.problems == {}


def test_the_digest_is_of_names_and_sizes(tmp_path: Path) -> None:
    first = _make(tmp_path / "a", ["1.jpg", "2.jpg"], ["1.jpg", "2.jpg"])
    second = _make(tmp_path / "b", ["1.jpg", "2.jpg"], ["1.jpg", "2.jpg"])
    before = open_dataset(first).digest
    assert open_dataset(second).digest == before
    with (second / "bokeh" / "2.jpg").open("ab") as file:
        file.write(b"\0")
    assert open_dataset(second).digest != before
    (first / "original" / "2.jpg").rename(first / "original" / "2.jpeg")
    assert open_dataset(first).digest != before


def test_one_stem_with_two_extensions_is_refused(tmp_path: Path) -> None:
    root = _make(tmp_path, ["1.jpg", "1.png"], ["1.jpg"])
    with pytest.raises(DatasetError, match=r"both 1\.jpg and 1\.png have one stem: remove one"):
        open_dataset(root)


@pytest.mark.parametrize("case", ["missing", "file", "empty", "half", "train"])
def test_another_layout_is_refused_and_the_layout_shown(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "data"
    if case == "file":
        folder.write_text("")
    elif case != "missing":
        folder.mkdir()
    if case == "half":
        (folder / "original").mkdir()
    if case == "train":
        (folder / "train" / "bokeh").mkdir(parents=True)
    with pytest.raises(DatasetError) as caught:
        open_dataset(folder)
    part = {
        "missing": "no such folder",
        "file": "not a folder",
        "empty": "has no original/, bokeh/",
        "half": "has no bokeh/",
        "train": "train: has no original/",
    }[case]
    assert part in str(caught.value)
    assert "expected FOLDER/original/N.jpg beside FOLDER/bokeh/N.jpg" in str(caught.value)


def test_the_layout_is_that_of_the_folders_asked_for(tmp_path: Path) -> None:
    (tmp_path / "original").mkdir()
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path, reference="original_depth")
    assert "FOLDER/original/N.jpg beside FOLDER/original_depth/N.png (or" in str(caught.value)


def test_no_pairs_at_all(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no pairs \(original has 1 image, bokeh has 2"):
        open_dataset(_make(tmp_path, ["1.jpg"], ["2.jpg", "3.jpg"]))


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    root = _make(tmp_path, ["1.jpg"], ["1.jpg"])
    bad = os.fsencode(root / "original") + b"/\xff.jpg"
    try:
        Path(os.fsdecode(bad)).write_bytes(b"")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    with pytest.raises(DatasetError, match="not UTF-8"):
        open_dataset(root)


def test_control_characters_in_names_stay_out_of_messages(tmp_path: Path) -> None:
    root = _make(tmp_path, ["a\n\x1b.jpg", "a\n\x1b.png"], ["1.jpg"])
    with pytest.raises(DatasetError) as caught:
        open_dataset(root)
    assert "a \ufffd.jpg" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_one_broken_image_spoils_no_other(tmp_path: Path) -> None:
    root = _make(tmp_path, ["1.jpg", "2.jpg"], ["1.jpg", "2.jpg"])
    (root / "original" / "1.jpg").write_bytes(b"\xff\xd8broken")
    dataset = open_dataset(root)
    assert dataset.sizes == (None, (4, 6))
    assert set(dataset.problems) == {0}
    assert "1.jpg: not a JPEG or PNG" in dataset.problems[0]
    facts = dataset.facts()
    assert (facts.pairs, facts.sizes) == (2, {"4x6": 1})
    assert load_rgb(dataset.pairs[0].paths["bokeh"]).shape == (4, 6, 3)
