"""The lens, layers from disparity, and `dataset synth`."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bokehbench.dataset.layering import IN_FOCUS, central_disparity, layers_of, synthesise
from bokehbench.dataset.lens import (
    Layer,
    composite,
    disk_kernel,
    linear_to_srgb,
    render,
    srgb_to_linear,
)
from bokehbench.fidelity.images import load_gray, load_rgb
from tests.dataset.photos import save, tree
from tests.support.command import Command
from tests.support.warped import frame

HEIGHT = 200


def scene() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A photo, and a map: a near disk in the middle before a far wall."""
    photo = frame("coffee.png", HEIGHT)
    rows, columns = photo.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns]
    near = (x - columns / 2) ** 2 + (y - rows / 2) ** 2 < (rows * 0.35) ** 2
    return photo, np.where(near, 200, 40).astype(np.uint8)


def test_srgb_there_and_back() -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert (linear_to_srgb(srgb_to_linear(codes)) == codes).all()


@pytest.mark.parametrize("radius", [0.0, 0.5, 0.6, 1.0, 7.3, 30.0])
def test_a_disk_keeps_light_and_has_its_radius(radius: float) -> None:
    kernel = disk_kernel(radius)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
    assert kernel == pytest.approx(kernel.T)
    if radius > 5.0:
        half = kernel.shape[0] // 2
        y, x = np.mgrid[-half : half + 1, -half : half + 1]
        # The second moment of a disk is r^2 / 4 on each axis; a pixel adds its own 1/12.
        assert (kernel * x**2).sum() == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.02)
        assert (kernel * y**2).sum() == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.02)


def test_a_negative_radius() -> None:
    with pytest.raises(ValueError, match="-1"):
        disk_kernel(-1.0)


def test_a_flat_map_in_focus_changes_nothing_and_out_of_focus_is_one_disk() -> None:
    photo, _ = scene()
    flat = np.full(photo.shape[:2], 102, np.uint8)
    same = synthesise(photo, flat, focus=0.4, radius_px=20.0)
    assert np.abs(same.astype(int) - photo).max() <= 1
    soft = synthesise(photo, flat, focus=0.0, radius_px=20.0, layers=40)
    disk = disk_kernel(8.0)
    light = cv2.filter2D(srgb_to_linear(photo), -1, disk, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(soft.astype(int) - linear_to_srgb(light.astype(np.float32))).max() <= 2


def test_what_is_in_focus_stays_and_what_is_not_goes_soft() -> None:
    photo, disparity = scene()
    found = synthesise(photo, disparity, focus=central_disparity(disparity), radius_px=16.0)
    near = cv2.erode((disparity == 200).astype(np.uint8), np.ones((9, 9))) > 0
    assert np.abs(found[near].astype(int) - photo[near]).max() <= 1
    far = cv2.erode((disparity == 40).astype(np.uint8), np.ones((31, 31))) > 0
    details = [cv2.Laplacian(one.astype(np.float32), cv2.CV_32F) for one in (photo, found)]
    assert details[1][far].std() < 0.2 * details[0][far].std()


def test_light_does_not_leak_from_the_subject_into_the_background() -> None:
    """A white subject in focus before black: naive blur would give the wall a white halo."""
    disparity = scene()[1]
    photo = np.where(disparity[..., None] == 200, 255, 0).astype(np.uint8).repeat(3, axis=2)
    found = synthesise(photo, disparity, focus=200 / 255, radius_px=30.0)
    ring = cv2.dilate((disparity == 200).astype(np.uint8), np.ones((9, 9))) > 0
    ring &= cv2.dilate((disparity == 200).astype(np.uint8), np.ones((3, 3))) == 0
    assert found[ring].max() <= 8


def test_a_slope_shows_no_seams() -> None:
    photo = np.full((HEIGHT, 300, 3), 180, np.uint8)
    slope = np.tile(np.linspace(0, 255, 300).astype(np.uint8), (HEIGHT, 1))
    found = synthesise(photo, slope, focus=0.2, radius_px=25.0)
    assert np.abs(found.astype(int) - 180).max() <= 1


def test_the_furthest_layer_covers_the_frame() -> None:
    photo, disparity = scene()
    layers = list(layers_of(photo, disparity, 0.5, 20.0, 10))
    disparities = [layer.disparity for layer in layers]
    assert disparities == sorted(disparities)
    assert layers[0].alpha.min() == 1.0
    picture = render(layers[::-1], IN_FOCUS, 1.8)
    assert np.isfinite(picture).all()
    assert (composite(iter(layers), IN_FOCUS, 1.8) == picture).all()


def test_one_layer_is_held_at_a_time() -> None:
    photo, disparity = scene()
    disparity = disparity + (np.arange(disparity.shape[1]) % 50).astype(np.uint8)
    made: list[weakref.ref[Layer]] = []

    def watched() -> Iterator[Layer]:
        for layer in layers_of(photo, disparity, 0.5, 20.0, 24):
            assert all(one() is None for one in made)
            made.append(weakref.ref(layer))
            yield layer
            del layer

    composite(watched(), IN_FOCUS, 1.8)
    assert len(made) > 8


def test_a_folder(bokehbench: Command, tmp_path: Path) -> None:
    photo, disparity = scene()
    root, out = tmp_path / "d", tmp_path / "out"
    for name in ("1", "2"):
        save(root / "original" / f"{name}.jpg", photo)
        save(root / "original_depth" / f"{name}.png", np.ascontiguousarray(disparity[::2, ::2]))
    save(root / "original" / "3.jpg", photo)
    save(root / "original_depth" / "3.png", disparity[:, :120].copy())
    ended = bokehbench("dataset", "synth", root, out, "--radius", 12, "--json", "-", "--jobs", 1)
    assert ended.code == 1, ended.err
    pairs = ended.json()["pairs"]
    assert [pair["name"] for pair in pairs] == ["1", "2", "3"]
    assert pairs[0]["focus"] == pytest.approx(200 / 255, abs=1e-4)
    assert "another shape" in pairs[2]["failure"]
    files = tree(out)
    assert sorted(name for name in files if name.startswith("bokeh")) == [
        "bokeh/1.jpg",
        "bokeh/2.jpg",
    ]
    assert files["bokeh/1.jpg"] == files["bokeh/2.jpg"]
    assert files["original/1.jpg"] == (root / "original" / "1.jpg").read_bytes()
    assert load_rgb(out / "bokeh" / "1.jpg").shape == photo.shape
    assert (load_gray(out / "original_depth" / "1.png") == disparity[::2, ::2]).all()


def test_black_may_be_near(bokehbench: Command, tmp_path: Path) -> None:
    photo, disparity = scene()
    root = tmp_path / "d"
    save(root / "original" / "1.png", photo)
    save(root / "original_depth" / "1.png", disparity)
    save(tmp_path / "e" / "original" / "1.png", photo)
    save(tmp_path / "e" / "original_depth" / "1.png", 255 - disparity)
    words = ("--format", "png", "--focus", "0.1", "--jobs", 1)
    assert bokehbench("dataset", "synth", root, tmp_path / "a", *words).code == 0
    more = ("--near", "black")
    assert bokehbench("dataset", "synth", tmp_path / "e", tmp_path / "b", *words, *more).code == 0
    assert tree(tmp_path / "a")["bokeh/1.png"] == tree(tmp_path / "b")["bokeh/1.png"]


def test_refusals(bokehbench: Command, tmp_path: Path) -> None:
    photo, disparity = scene()
    root = tmp_path / "d"
    save(root / "original" / "1.jpg", photo)
    save(root / "original_depth" / "1.png", disparity)
    for words, told in (
        ((root, tmp_path / "o", "--focus", "2"), "--focus 2"),
        ((root, tmp_path / "o", "--focus", "nan"), "--focus nan"),
        ((root, root / "o"), "lies in the photos' folder"),
        ((root, tmp_path / "home"), "did not write"),
        ((tmp_path / "home", tmp_path / "o"), "original/"),
    ):
        (tmp_path / "home" / "x").touch()
        ended = bokehbench("dataset", "synth", *words)
        assert ended.code == 2
        assert told in ended.complaint
