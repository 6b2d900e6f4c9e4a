"""Registration of photos warped by known homographies, and of what is no pair."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bokehbench.dataset.geometry import grid_error, largest_box, overlap
from bokehbench.dataset.registration import Registration, register
from bokehbench.dataset.settings import AlignSettings
from tests.support.warped import RADII, frame, plain_homography, warped_pair

HEIGHT = 480
PHOTOS = ("astronaut.png", "coffee.png", "rocket.jpg", "gravel.png")
SETTINGS = AlignSettings(height=HEIGHT)

Gray = NDArray[np.uint8]


def gray(rgb: NDArray[np.uint8]) -> Gray:
    found: Gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return found


@pytest.mark.parametrize("radius", RADII)
def test_twice_as_accurate_as_plain_sift_and_ransac(radius: int) -> None:
    ours, plain = [], []
    for seed, name in enumerate(PHOTOS):
        pair = warped_pair(name, radius, seed, HEIGHT)
        rows, columns = pair.narrow.shape[:2]
        size = (columns, rows)
        box = largest_box(overlap(pair.matrix, size, size), size)
        found = register(gray(pair.narrow), gray(pair.wide), SETTINGS)
        peer = plain_homography(pair.narrow, pair.wide)
        assert box is not None
        assert found.matrix is not None, found.reason
        assert peer is not None
        ours.append(grid_error(found.matrix, pair.matrix, box))
        plain.append(grid_error(peer, pair.matrix, box))
        assert found.exposure_ev == pytest.approx(0.24, abs=0.08)
    assert np.mean(ours) <= 0.5 * np.mean(plain), (ours, plain)
    assert np.mean(ours) <= 0.03


def verdict(narrow: Gray, wide: Gray) -> Registration:
    found = register(narrow, wide, SETTINGS)
    assert found.verdict != "aligned"
    assert found.matrix is None
    assert found.reason
    return found


def test_photos_of_different_things() -> None:
    one, other = gray(frame("astronaut.png", HEIGHT)), gray(frame("coffee.png", HEIGHT))
    assert verdict(one, other).verdict == "no_match"


def test_a_mirrored_photo_is_called_so() -> None:
    pair = warped_pair("coffee.png", 8, 0, HEIGHT)
    found = verdict(gray(pair.narrow), np.ascontiguousarray(gray(pair.wide)[:, ::-1]))
    assert "mirrored" in found.reason


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_photo_is_called_so(quarters: int) -> None:
    pair = warped_pair("coffee.png", 8, 0, HEIGHT)
    found = verdict(gray(pair.narrow), np.ascontiguousarray(np.rot90(gray(pair.wide), quarters)))
    assert found.verdict == "turned"
    assert "EXIF" in found.reason


def test_a_photo_of_half_the_scene() -> None:
    photo = gray(frame("coffee.png", HEIGHT))
    half = photo.shape[1] // 2
    found = verdict(np.ascontiguousarray(photo[:, : half + 40]), photo[:, half - 40 :].copy())
    assert found.verdict in ("little_overlap", "no_match")


def test_a_photo_from_much_nearer() -> None:
    photo = gray(frame("coffee.png", HEIGHT))
    rows, columns = photo.shape
    part = photo[rows // 4 : -rows // 4, columns // 4 : -columns // 4]
    nearer = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_CUBIC)
    assert verdict(photo, nearer).verdict == "zoomed"


def test_identical_photos() -> None:
    photo = gray(frame("coffee.png", HEIGHT))
    assert verdict(photo, photo.copy()).verdict == "identical"


def test_black_frames_and_lens_caps() -> None:
    photo = gray(frame("coffee.png", HEIGHT))
    rng = np.random.default_rng(0)
    cap = np.clip(rng.normal(2, 1, photo.shape), 0, 255).astype(np.uint8)
    for dark in (np.zeros_like(photo), cap):
        assert verdict(photo, dark).verdict == "blank"
        assert verdict(dark, photo).verdict == "blank"
        assert verdict(dark, dark.copy()).verdict == "blank"


def test_noise_alone() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 256, (HEIGHT, 640), dtype=np.uint8) for _ in range(2))
    assert verdict(one, other).verdict == "no_match"


def test_a_pattern_that_repeats_itself_is_no_match_by_chance() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:640]
    board = (((x // 20 + y // 20) % 2) * 200 + 20).astype(np.uint8)
    rng = np.random.default_rng(1)
    shifted = np.clip(np.roll(board, 11, axis=1) + rng.normal(0, 2, board.shape), 0, 255)
    found = register(board, shifted.astype(np.uint8), SETTINGS)
    assert found.verdict == "no_match"


def test_a_real_texture_is_aligned() -> None:
    pair = warped_pair("gravel.png", 0, 3, HEIGHT)
    assert register(gray(pair.narrow), gray(pair.wide), SETTINGS).verdict == "aligned"


def test_textures_of_two_places() -> None:
    photo = gray(frame("gravel.png", 2 * HEIGHT))
    one, other = photo[:HEIGHT, :HEIGHT].copy(), photo[HEIGHT:, HEIGHT : 2 * HEIGHT].copy()
    assert verdict(one, other).verdict == "no_match"


def test_a_photo_wholly_out_of_focus_is_not_guessed() -> None:
    photo = gray(frame("coffee.png", HEIGHT))
    soft = cv2.blur(cv2.blur(photo, (41, 41)), (41, 41))
    assert verdict(photo, soft).verdict in ("no_match", "no_focus", "uncertain")


def test_exposures_far_apart() -> None:
    pair = warped_pair("coffee.png", 8, 0, HEIGHT)
    dark = (gray(pair.wide) * 0.55).astype(np.uint8)
    found = verdict(gray(pair.narrow), dark)
    assert found.verdict == "exposure"
    assert found.exposure_ev is not None
    assert found.exposure_ev < -1.0


def test_something_that_moves_does_not_carry_the_rest_away() -> None:
    pair = warped_pair("coffee.png", 0, 0, HEIGHT)
    wide = gray(pair.wide)
    rows, columns = wide.shape
    part = wide[rows // 4 : rows // 2, columns // 4 : columns // 2].copy()
    wide[rows // 4 + 3 : rows // 2 + 3, columns // 4 + 5 : columns // 2 + 5] = part
    found = register(gray(pair.narrow), wide, SETTINGS)
    box = largest_box(overlap(pair.matrix, (columns, rows), (columns, rows)), (columns, rows))
    assert found.matrix is not None
    assert box is not None
    assert grid_error(found.matrix, pair.matrix, box) < 0.05


def test_much_sky_is_no_reason_to_doubt() -> None:
    pair = warped_pair("rocket.jpg", 8, 0, HEIGHT)
    rng = np.random.default_rng(0)
    photos = []
    for photo, matrix in ((pair.narrow, np.eye(3)), (pair.wide, pair.matrix)):
        rows, columns = photo.shape[:2]
        # All but a quarter of the frame is sky, the same quarter in both.
        part = np.zeros((rows, columns), np.float32)
        part[rows // 3 : rows * 5 // 6, columns // 3 : columns * 5 // 6] = 1.0
        part = cv2.GaussianBlur(cv2.warpPerspective(part, matrix, (columns, rows)), (0, 0), 3)
        sky = 90.0 + rng.normal(0, 2, (rows, columns))
        photos.append((gray(photo) * part + sky * (1 - part)).astype(np.uint8))
    found = register(photos[0], photos[1], SETTINGS)
    assert found.verdict == "aligned", found.reason
    assert found.correlation is not None
    assert found.correlation > 0.9
