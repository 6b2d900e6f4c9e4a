"""The picture of the worst pairs: what is drawn where."""

import io
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from bokehbench.fidelity import get_protocol
from bokehbench.fidelity.comparing import compare
from bokehbench.fidelity.folders import pair_paths
from bokehbench.fidelity.montage import PANEL, ROWS, _nice, draw_montage

RULES = replace(get_protocol("mai22"), lpips=None)


def _drawn(tmp_path: Path, pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> Image.Image:
    for number, pair in enumerate(pairs):
        for folder, pixels in zip(("p", "r"), pair, strict=True):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    compared = compare(pair_paths(tmp_path / "p", tmp_path / "r").pairs, RULES)
    picture = Image.open(io.BytesIO(draw_montage("title", compared)))
    picture.load()
    return picture


def test_panels_show_both_images_and_their_error(tmp_path: Path) -> None:
    left = np.full((280, 560, 3), (10, 200, 30), np.uint8)
    right = left.copy()
    right[:, 280:] = (10, 200, 222)
    picture = _drawn(tmp_path, [(left, right)])
    assert picture.mode == "RGB"
    assert picture.getpixel((12 + 140, 30 + 140)) == (10, 200, 30)
    assert picture.getpixel((24 + PANEL + 420, 30 + 140)) == (10, 200, 222)
    # The left half of the error is none, the right half 64 steps, the scale's end.
    assert picture.getpixel((36 + 2 * PANEL + 140, 30 + 140)) == (0, 0, 0)
    assert picture.getpixel((36 + 2 * PANEL + 420, 30 + 140)) == (255, 255, 200)
    bar = 48 + 3 * PANEL + 5
    assert picture.getpixel((bar, 30)) == (255, 255, 200)
    assert picture.getpixel((bar, 30 + 279)) == (0, 0, 0)


def test_rows_are_as_high_as_their_images_and_no_more_than_three(tmp_path: Path) -> None:
    pair = np.zeros((40, 80, 3), np.uint8), np.full((40, 80, 3), 9, np.uint8)
    one = _drawn(tmp_path, [pair])
    many = _drawn(tmp_path, [pair] * 5)
    assert one.width == many.width
    assert many.height - one.height == (ROWS - 1) * (PANEL // 2 + 36)


@pytest.mark.parametrize("shape", [(11, 300), (300, 11), (11, 11)])
def test_any_shape_and_identical_images(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert _drawn(tmp_path, [(pixels, pixels)]).height > 60


@pytest.mark.parametrize(
    ("value", "top"), [(0, 4), (4, 4), (4.1, 8), (64, 64), (65, 128), (130, 255), (255, 255)]
)
def test_the_scale_ends_at_a_round_number(value: float, top: float) -> None:
    assert _nice(value) == top
