"""PSNR, SSIM and MS-SSIM against scikit-image and known values, at every size, on all kernels."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bokehbench.errors import UsageError
from bokehbench.facts import SsimRules
from bokehbench.fidelity import native, portable
from bokehbench.fidelity.metrics import (
    GAUSSIAN,
    MS_SSIM_WEIGHTS,
    UNIFORM,
    Kernels,
    best_kernels,
    ms_ssim,
    psnr,
    ssim,
)

Image = NDArray[Any]


def _kernels() -> dict[str, Kernels]:
    """Every kernel that this machine can run: the portable ones, and each level of those in C."""
    found: dict[str, Kernels] = {"portable": portable.load()}
    for level, name in enumerate(native.LEVELS):
        made = native.load(level)
        assert made is not None, "the kernels are not built: run scripts/setup --dev"
        if made.level == level:
            found[name] = made
    return found


KERNELS = _kernels()


@pytest.fixture(params=KERNELS)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """One after the other."""
    return KERNELS[request.param]


def reference_ssim(a: Image, b: Image, rules: SsimRules = GAUSSIAN) -> float:
    """scikit-image's."""
    words: dict[str, Any] = {"win_size": rules.size}
    if rules.window == "gaussian":
        words = {"gaussian_weights": True, "sigma": rules.sigma}
    return float(
        structural_similarity(
            a,
            b,
            channel_axis=2,
            data_range=255 if a.dtype == np.uint8 else 1.0,
            use_sample_covariance=rules.covariance == "sample",
            **words,
        )
    )


def _pair(height: int, width: int, seed: int = 0) -> tuple[Image, Image]:
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 200, height * width * 3).reshape(height, width, 3)
    a = (ramp + rng.integers(0, 56, ramp.shape)).astype(np.uint8)
    b = np.clip(a + rng.integers(-20, 21, a.shape), 0, 255).astype(np.uint8)
    return a, b


def test_the_kernels_in_c_are_what_is_used() -> None:
    assert isinstance(best_kernels(), native.Native)


# Tiles are 128 columns (native) or 64 x 256 positions (portable), chunks 128 rows.
SIZES = [
    (11, 11),
    (11, 12),
    (12, 11),
    (13, 301),
    (74, 266),
    (75, 267),
    (73, 265),
    (138, 138),
    (139, 139),
    (140, 137),
    (139, 11),
    (11, 523),
    (201, 333),
    (267, 32),
]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_any_size_equals_scikit_image(kernels: Kernels, height: int, width: int) -> None:
    a, b = _pair(height, width, seed=height * width)
    for rules in (GAUSSIAN, UNIFORM):
        found = ssim(a, b, rules=rules, kernels=kernels)
        assert found == pytest.approx(reference_ssim(a, b, rules), abs=1e-12)
        found = ssim(a / 255, b / 255, rules=rules, kernels=kernels)
        assert found == pytest.approx(reference_ssim(a / 255, b / 255, rules), abs=1e-12)
    expected = peak_signal_noise_ratio(b, a, data_range=255)
    assert psnr(a, b, kernels=kernels) == pytest.approx(expected, abs=1e-11)
    assert psnr(a / 255, b / 255, kernels=kernels) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(("height", "width"), [(7, 7), (7, 8), (9, 7), (10, 40)])
def test_the_smallest_sizes_of_the_uniform_window(
    kernels: Kernels, height: int, width: int
) -> None:
    a, b = _pair(height, width)
    found = ssim(a, b, rules=UNIFORM, kernels=kernels)
    assert found == pytest.approx(reference_ssim(a, b, UNIFORM), abs=1e-12)


@pytest.mark.parametrize(
    ("size", "sigma"), [(3, None), (5, None), (31, None), (15, 2.0), (65, 9.0)]
)
def test_other_windows(kernels: Kernels, size: int, sigma: float | None) -> None:
    a, b = _pair(90, 150)
    if sigma is None:
        rules = SsimRules(window="uniform", size=size, covariance="population")
        assert ssim(a, b, rules=rules, kernels=kernels) == pytest.approx(
            reference_ssim(a, b, rules), abs=1e-12
        )
        return
    rules = SsimRules(window="gaussian", size=size, sigma=sigma, covariance="population")
    # scikit-image cuts a Gaussian at 3.5 sigma: 15 for sigma 2 and 65 for sigma 9.
    assert 2 * int(3.5 * sigma + 0.5) + 1 == size
    found = ssim(a, b, rules=rules, kernels=kernels)
    assert found == pytest.approx(reference_ssim(a, b, rules), abs=1e-12)


@pytest.mark.parametrize(("left", "right"), [(0, 0), (0, 255), (255, 254), (7, 7), (100, 130)])
def test_constant_images(kernels: Kernels, left: int, right: int) -> None:
    a = np.full((40, 50, 3), left, np.uint8)
    b = np.full((40, 50, 3), right, np.uint8)
    for rules in (GAUSSIAN, UNIFORM):
        found = ssim(a, b, rules=rules, kernels=kernels)
        assert found == pytest.approx(reference_ssim(a, b, rules), abs=1e-9)
    c1 = (0.01 * 255) ** 2
    luminance = (2 * left * right + c1) / (left**2 + right**2 + c1)
    assert ssim(a, b, kernels=kernels) == pytest.approx(luminance, abs=1e-12)
    if left != right:
        expected = 20 * math.log10(255 / abs(left - right))
        assert psnr(a, b, kernels=kernels) == pytest.approx(expected, abs=1e-12)


def test_identical_images(kernels: Kernels) -> None:
    a, _ = _pair(160, 170)
    for image in (a, a / 255):
        assert psnr(image, image.copy(), kernels=kernels) == math.inf
        assert ssim(image, image.copy(), kernels=kernels) == 1.0
        assert ssim(image, image.copy(), rules=UNIFORM, kernels=kernels) == 1.0
    assert ms_ssim(np.tile(a, (2, 2, 1)), np.tile(a, (2, 2, 1)), kernels=kernels) == 1.0


def test_extreme_noise_and_inversion(kernels: Kernels) -> None:
    rng = np.random.default_rng(3)
    a = rng.choice(np.array([0, 255], np.uint8), (90, 300, 3))
    found = ssim(a, 255 - a, kernels=kernels)
    assert found == pytest.approx(reference_ssim(a, 255 - a), abs=1e-12)
    assert found < 0


def test_psnr_sums_are_exact_integers(kernels: Kernels) -> None:
    black = np.zeros((3000, 2100, 3), np.uint8)
    assert psnr(black, np.full_like(black, 255), kernels=kernels) == 0.0
    rng = np.random.default_rng(11)
    a, b = rng.integers(0, 256, (2, 301, 451, 3), dtype=np.uint8)
    squared = int(((a.astype(int) - b) ** 2).sum())
    assert psnr(a, b, kernels=kernels) == 10 * math.log10(255**2 * a.size / squared)
    one = black.copy()
    one[2999, 2099, 2] = 1
    assert psnr(black, one, kernels=kernels) == 10 * math.log10(255**2 * black.size)
    # A row longer than what one 32-bit sum takes.
    wide = np.zeros((2, 30_000, 3), np.uint8)
    assert psnr(wide, np.full_like(wide, 255), kernels=kernels) == 0.0


def test_views(kernels: Kernels) -> None:
    a, b = _pair(150, 400)

    def both(change: Callable[[Image], Image]) -> None:
        views = change(a), change(b)
        copies = views[0].copy(), views[1].copy()
        assert psnr(*views, kernels=kernels) == psnr(*copies, kernels=kernels)
        assert ssim(*views, kernels=kernels) == ssim(*copies, kernels=kernels)

    both(lambda image: image[5:-5, 5:-5])
    both(lambda image: image[::-1, ::-1])
    both(lambda image: image[::2, ::3])
    both(lambda image: image[..., ::-1])
    both(lambda image: np.asfortranarray(image))
    both(lambda image: (image / 255)[7:-9, 3:-20])


def test_single_precision_is_computed_in_double(kernels: Kernels) -> None:
    a, b = (image.astype(np.float32) / np.float32(255) for image in _pair(80, 90))
    expected = reference_ssim(a.astype(np.float64), b.astype(np.float64))
    assert ssim(a, b, kernels=kernels) == pytest.approx(expected, abs=1e-12)


def test_threads_change_no_bit(kernels: Kernels) -> None:
    a, b = _pair(700, 500)
    alone = ssim(a, b, threads=1, kernels=kernels)
    assert ssim(a, b, threads=2, kernels=kernels) == alone
    assert ssim(a, b, threads=7, kernels=kernels) == alone
    pairs = [_pair(100, 300, seed) for seed in range(8)]
    expected = [ssim(*pair, threads=1, kernels=kernels) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda pair: ssim(*pair, threads=2, kernels=kernels), pairs * 3)
        assert list(found) == expected * 3


def test_large_images_lose_no_digits(kernels: Kernels) -> None:
    """A float32 mean of a map of this size is wrong in its third digit."""
    a = np.full((1024, 1536, 3), 100, np.uint8)
    b = np.full((1024, 1536, 3), 130, np.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 130 + c1) / (100**2 + 130**2 + c1)
    assert ssim(a, b, kernels=kernels) == pytest.approx(expected, abs=1e-12)


def _slow_ms_ssim(a: Image, b: Image) -> float:
    """MS-SSIM from scikit-image's maps: contrast-structure is SSIM over luminance."""
    from scipy.ndimage import gaussian_filter

    def blur(x: Image) -> Image:
        return np.stack([gaussian_filter(x[..., c], 1.5, truncate=3.5) for c in range(3)], axis=2)

    def maps(x: Image, y: Image) -> tuple[Image, Image]:
        mx, my = blur(x), blur(y)
        vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
        c1, c2 = 2.55**2, 7.65**2
        contrast = (2 * vxy + c2) / (vx + vy + c2)
        luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
        inner = (slice(5, -5), slice(5, -5))
        return (luminance * contrast)[inner], contrast[inner]

    x, y = a.astype(np.float64), b.astype(np.float64)
    values = np.ones(3)
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        whole, contrast = maps(x, y)
        chosen = whole if scale == 4 else contrast
        values *= np.maximum(chosen.mean(axis=(0, 1)), 0) ** weight

        def halve(image: Image) -> Image:
            rows = np.concatenate([image, image[-1:]]) if image.shape[0] % 2 else image
            both = np.concatenate([rows, rows[:, -1:]], axis=1) if rows.shape[1] % 2 else rows
            total = both[::2, ::2] + both[1::2, ::2] + both[::2, 1::2] + both[1::2, 1::2]
            return np.asarray(total / 4)

        x, y = halve(x), halve(y)
    return float(values.mean())


@pytest.mark.parametrize(("height", "width"), [(161, 161), (176, 208), (163, 250), (301, 162)])
def test_ms_ssim_by_its_definition(kernels: Kernels, height: int, width: int) -> None:
    a, b = _pair(height, width)
    expected = _slow_ms_ssim(a, b)
    assert ms_ssim(a, b, kernels=kernels) == pytest.approx(expected, abs=1e-10)
    assert ms_ssim(a / 255, b / 255, kernels=kernels) == pytest.approx(expected, abs=1e-10)


def test_ms_ssim_of_images_that_have_nothing_in_common() -> None:
    rng = np.random.default_rng(3)
    a = rng.choice(np.array([0, 255], np.uint8), (170, 200, 3))
    assert ms_ssim(a, 255 - a) == 0.0


@pytest.mark.parametrize("size", [(160, 400), (400, 160)])
def test_too_small_for_ms_ssim(size: tuple[int, int]) -> None:
    a = np.zeros((*size, 3), np.uint8)
    with pytest.raises(UsageError, match="use images of at least 161x161"):
        ms_ssim(a, a)


@pytest.mark.parametrize("size", [(10, 50), (50, 10), (1, 1)])
def test_too_small_for_ssim(size: tuple[int, int]) -> None:
    a = np.zeros((*size, 3), np.uint8)
    with pytest.raises(UsageError, match="smaller than SSIM's window"):
        ssim(a, a)


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        (np.zeros((20, 20, 3), np.float32), np.zeros((20, 20, 3), np.uint8)),
        (np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)),
        (np.zeros((20, 20, 4), np.uint8), np.zeros((20, 20, 4), np.uint8)),
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8)),
        (np.zeros((0, 20, 3), np.uint8), np.zeros((0, 20, 3), np.uint8)),
        (np.zeros((20, 20, 3), np.uint16), np.zeros((20, 20, 3), np.uint16)),
        (np.full((20, 20, 3), np.nan), np.zeros((20, 20, 3))),
        (np.zeros((20, 20, 3)), np.full((20, 20, 3), np.inf)),
    ],
)
def test_other_arrays_are_refused(prediction: Image, reference: Image) -> None:
    for metric in (psnr, ssim, ms_ssim):
        with pytest.raises(UsageError):
            metric(prediction, reference)
