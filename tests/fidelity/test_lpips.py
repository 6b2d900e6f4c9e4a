"""LPIPS: sizes, strips, kinds of values, buffers that are used again, and the network's file."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bokehbench.errors import UsageError
from bokehbench.fidelity import lpips, lpips_model, portable
from bokehbench.fidelity.lpips import Lpips, shared_lpips

Image = NDArray[Any]


def _pair(height: int, width: int, seed: int = 0) -> tuple[Image, Image]:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return a, np.clip(a + rng.integers(-60, 61, a.shape), 0, 255).astype(np.uint8)


def _convolved(image: Image, kernel: Image, bias: Image, stride: int, border: int) -> Image:
    """A convolution with ReLU as a sum over the kernel's places, in float64."""
    padded = np.pad(image, ((border, border), (border, border), (0, 0)))
    size = kernel.shape[0]
    rows, columns = ((side - size) // stride + 1 for side in padded.shape[:2])
    total = np.zeros((rows, columns, kernel.shape[3])) + bias
    for y in range(size):
        for x in range(size):
            rows_of, columns_of = (
                slice(y, y + stride * rows, stride),
                slice(x, x + stride * columns, stride),
            )
            total += padded[rows_of, columns_of] @ kernel[y, x]
    return np.asarray(np.maximum(total, 0))


def _pooled(image: Image) -> Image:
    rows, columns = ((side - 3) // 2 + 1 for side in image.shape[:2])
    views = [
        image[y : y + 2 * rows - 1 : 2, x : x + 2 * columns - 1 : 2]
        for y in range(3)
        for x in range(3)
    ]
    return np.asarray(np.max(views, axis=0))


def slow_lpips(a: Image, b: Image) -> float:
    """LPIPS by its definition, in float64, from the weights alone."""
    weights = {name: value.astype(np.float64) for name, value in lpips_model.weights().items()}

    def features(image: Image) -> list[Image]:
        scaled = (image / 127.5 - 1 - np.array([-0.030, -0.088, -0.188])) / [0.458, 0.448, 0.450]
        found = []
        current = scaled
        for layer, (stride, border) in enumerate(((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))):
            kernel, bias = weights[f"conv{layer}_w"], weights[f"conv{layer}_b"]
            current = _convolved(current, kernel, bias, stride, border)
            found.append(current / (np.linalg.norm(current, axis=2, keepdims=True) + 1e-10))
            if layer < 2:
                current = _pooled(current)
        return found

    pairs = zip(features(a), features(b), strict=True)
    return sum(
        float((np.square(x - y) @ weights[f"lin{layer}_w"]).mean())
        for layer, (x, y) in enumerate(pairs)
    )


@pytest.mark.parametrize(
    ("height", "width"),
    [(32, 32), (32, 33), (33, 32), (35, 46), (47, 61), (63, 64), (67, 131), (101, 38)],
)
def test_any_size_by_its_definition(height: int, width: int) -> None:
    a, b = _pair(height, width, seed=height)
    assert shared_lpips().distance(a, b) == pytest.approx(slow_lpips(a, b), abs=1e-6)


def test_identical_images_and_the_order_of_a_pair() -> None:
    a, b = _pair(70, 80)
    assert shared_lpips().distance(a, a.copy()) == 0.0
    assert shared_lpips().distance(a, b) == pytest.approx(shared_lpips().distance(b, a), abs=1e-9)
    flat = np.full_like(a, 127)
    assert shared_lpips().distance(flat, flat) == 0.0
    assert np.isfinite(shared_lpips().distance(flat, a))


def test_floats_views_and_other_kernels_give_the_same() -> None:
    a, b = _pair(90, 100)
    expected = shared_lpips().distance(a, b)
    assert shared_lpips().distance(a / 255, b / 255) == pytest.approx(expected, abs=1e-7)
    in_two = shared_lpips().distance(a / 255 * 2, b / 255 * 2, data_range=2.0)
    assert in_two == pytest.approx(expected, abs=1e-7)
    other = Lpips(kernels=portable.load())
    assert other.distance(a, b) == pytest.approx(expected, abs=1e-7)
    large = tuple(np.pad(image, ((3, 5), (7, 2), (0, 0))) for image in (a, b))
    views = tuple(image[3:-5, 7:-2] for image in large)
    assert shared_lpips().distance(*views) == expected
    assert shared_lpips().distance(a[::-1], b[::-1]) == shared_lpips().distance(
        a[::-1].copy(), b[::-1].copy()
    )


def test_a_network_is_used_again_for_other_sizes() -> None:
    network = Lpips(threads=1)
    pairs = [_pair(40 + 7 * n, 90 - 5 * n, seed=n) for n in range(4)]
    first = [network.distance(*pair) for pair in pairs]
    again = [network.distance(*pair) for pair in reversed(pairs)]
    assert again == first[::-1]
    # Threads share the work of a layer, not the order of its sums.
    assert [Lpips(threads=3).distance(*pair) for pair in pairs] == pytest.approx(first, abs=1e-7)


def test_one_network_serves_threads_one_after_the_other() -> None:
    pairs = [_pair(64 + 8 * n, 72, seed=n) for n in range(6)]
    expected = [shared_lpips().distance(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: shared_lpips().distance(*pair), pairs * 3))
    assert found == expected * 3


@pytest.mark.parametrize(("height", "width"), [(700, 400), (711, 401), (1100, 350)])
def test_strips_of_a_large_image_are_the_whole(
    monkeypatch: pytest.MonkeyPatch, height: int, width: int
) -> None:
    a, b = _pair(height, width)
    whole = shared_lpips().distance(a, b)
    strips = lpips._strips
    for pixels in (1, 120_000, 200_000):
        cut = list(strips(height, width, pixels))
        assert len(cut) > 1
        monkeypatch.setattr(lpips, "_strips", lambda h, w, pixels=pixels: strips(h, w, pixels))
        assert shared_lpips().distance(a, b) == pytest.approx(whole, abs=1e-9)
    # Each layer's kept rows, moved to where the strip begins, are the layer's rows, once.
    for layer in range(lpips_model.LAYERS):
        grain = (4, 2, 1, 1, 1)[layer]
        rows = [
            (strip.top // 16 * grain + first, strip.top // 16 * grain + last)
            for strip in cut
            for first, last in [strip.keep[layer]]
        ]
        assert rows[0][0] == 0
        assert all(left[1] == right[0] for left, right in pairwise(rows))
        assert rows[-1][1] == lpips_model.feature_rows(height)[min(layer, 2)]


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (11, 11)])
def test_too_small(size: tuple[int, int]) -> None:
    a = np.zeros((*size, 3), np.uint8)
    with pytest.raises(UsageError, match="too small for LPIPS: use images of at least 32x32"):
        shared_lpips().distance(a, a)


def test_other_arrays_are_refused() -> None:
    a, b = _pair(40, 40)
    with pytest.raises(UsageError, match="give images of one size"):
        shared_lpips().distance(a, b[:39])
    with pytest.raises(UsageError, match="NaN"):
        shared_lpips().distance(np.full((40, 40, 3), np.nan), np.zeros((40, 40, 3)))


def test_the_weights_are_those_of_the_notice() -> None:
    found = lpips_model.weights()
    assert sum(value.size for value in found.values()) == 2_470_848
    assert {value.dtype for value in found.values()} == {np.dtype(np.float32)}
    notice = (lpips_model.WEIGHTS.parent / "NOTICE").read_text(encoding="utf-8")
    assert "2,470,848" in notice
    assert lpips_model.WEIGHTS.name in notice
