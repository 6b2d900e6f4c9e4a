"""`dataset check` finds each kind of fault once, and nothing in a clean dataset."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bokehbench.dataset.check import KINDS
from bokehbench.dataset.likeness import Print, alike, fingerprint, groups
from tests.dataset.photos import save
from tests.support.command import Command
from tests.support.warped import PHOTOS, frame

Rgb = NDArray[np.uint8]
# The retina is round: turned, it is much the same.
ANGULAR = tuple(name for name in PHOTOS if name != "retina.jpg")


def photo(number: int, height: int = 200) -> Rgb:
    """One of 36 pictures that show different things: parts of photos, turned by quarters."""
    whole = frame(ANGULAR[number % len(ANGULAR)], 400)
    turned = np.rot90(whole, number // len(ANGULAR) % 4)
    return np.ascontiguousarray(turned[:height, :300])


def soft(rgb: Rgb) -> Rgb:
    """The same out of focus."""
    found: Rgb = cv2.blur(rgb, (7, 7)).astype(np.uint8)
    return found


def make(root: Path, numbers: range) -> Path:
    for number in numbers:
        save(root / "original" / f"{number}.jpg", photo(number))
        save(root / "bokeh" / f"{number}.jpg", soft(photo(number)))
    return root


def kinds(document: Any) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for problem in document["problems"]:
        assert problem["kind"] in KINDS
        found.setdefault(problem["kind"], []).append(tuple(problem["files"]))
    return found


def test_a_clean_dataset(bokehbench: Command, tmp_path: Path) -> None:
    ended = bokehbench("dataset", "check", make(tmp_path / "d", range(1, 9)), "--jobs", 1)
    assert ended.code == 0, ended.err
    assert "nothing is wrong" in ended.out
    assert "pairs: 8; heights: 200 (8)" in ended.out


def test_every_kind_of_fault(bokehbench: Command, tmp_path: Path) -> None:
    root = tmp_path / "d"
    make(root / "train", range(1, 11))
    make(root / "test", range(11, 14))
    train, test = root / "train", root / "test"
    save(train / "original" / "alone.jpg", photo(30))
    (train / "bokeh" / "x.NEF").write_bytes(b"MM\0*")
    away = save(tmp_path / "away.jpg", photo(31))
    save(train / "original" / "link.jpg", photo(31))
    (train / "bokeh" / "link.jpg").symlink_to(away)
    data = (train / "original" / "2.jpg").read_bytes()
    (train / "original" / "2.jpg").write_bytes(data[: len(data) // 2])
    save(train / "bokeh" / "3.jpg", soft(photo(3))[:, :-8])
    save(train / "original" / "4.jpg", photo(4, 192))
    save(train / "bokeh" / "4.jpg", soft(photo(4, 192)))
    save(train / "bokeh" / "5.jpg", photo(5))
    save(train / "original" / "6.jpg", np.full_like(photo(6), 7))
    save(train / "original_depth" / "7.png", np.zeros((50, 50), np.uint8))
    save(train / "original_depth" / "nobody.png", np.zeros((50, 50), np.uint8))
    # Saved again at another quality and a little lighter, under another name.
    again = np.clip(photo(8) * 1.06 + 3, 0, 255).astype(np.uint8)
    save(train / "original" / "eight.jpg", again, quality=70)
    save(train / "bokeh" / "eight.jpg", soft(again))
    smaller = np.array(Image.fromarray(photo(9)).resize((296, 200)))
    save(test / "original" / "nine.jpg", smaller)
    save(test / "bokeh" / "nine.jpg", soft(smaller))
    ended = bokehbench("dataset", "check", root, "--json", "-", "--jobs", 1)
    assert ended.code == 1, ended.err
    found = kinds(ended.json())
    assert found == {
        "unpaired": [("train/original/alone.jpg",)],
        "raw": [("train/bokeh/x.NEF",)],
        "link": [("train/bokeh/link.jpg",)],
        "corrupt": [("train/original/2.jpg", "train/bokeh/2.jpg")],
        "size": [("train/original/3.jpg", "train/bokeh/3.jpg")],
        "height": [("train/original/4.jpg", "train/bokeh/4.jpg")],
        "same": [("train/original/5.jpg", "train/bokeh/5.jpg")],
        "blank": [("train/original/6.jpg",)],
        "depth": [("train/original_depth/nobody.png",), ("train/original_depth/7.png",)],
        "duplicate": [("train/original/8.jpg", "train/original/eight.jpg")],
        "leakage": [("test/original/nine.jpg", "train/original/9.jpg")],
    }
    assert set(found) == set(KINDS)
    assert ended.json()["pairs"] == {"test": 4, "train": 12}
    words = bokehbench("dataset", "check", root, "--jobs", 1).out
    assert "1 leakage: images that show the same, in two splits" in words


def test_no_dataset(bokehbench: Command, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    ended = bokehbench("dataset", "check", tmp_path / "d")
    assert ended.code == 2
    assert "original/" in ended.complaint


def test_likeness_of_what_was_saved_again_and_of_nothing_else() -> None:
    photos = [photo(number) for number in range(36)]
    small = [cv2.resize(one, (90, 60), interpolation=cv2.INTER_AREA) for one in photos[:10]]
    lighter = [np.clip(one.astype(float) * 1.08, 0, 255).astype(np.uint8) for one in photos[:10]]
    prints = [fingerprint(np.asarray(one, np.uint8)) for one in (*photos, *small, *lighter)]
    assert alike(prints[:36]) == []
    found = set(alike(prints))
    for number in range(10):
        assert (number, 36 + number) in found
        assert (number, 46 + number) in found
    named = [*range(36), *range(10), *range(10)]
    assert all(named[first] == named[second] for first, second in found)


def test_blank_images_are_like_none() -> None:
    assert alike([Print(0, None), Print(0, None)]) == []


def test_groups_are_what_pairs_connect() -> None:
    assert groups(6, [(0, 3), (3, 5), (1, 2)]) == [[0, 3, 5], [1, 2], [4]]
