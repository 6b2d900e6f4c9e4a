"""PSNR and SSIM against scikit-image and the golden pairs."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bokehbench.errors import UsageError
from bokehbench.fidelity import get_protocol, score_image
from bokehbench.fidelity.images import load_rgb
from bokehbench.fidelity.metrics import SsimWorkspace, psnr, ssim

Image = NDArray[np.uint8]

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())


def _reference_ssim(a: Image, b: Image) -> float:
    return float(
        structural_similarity(
            a,
            b,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=2,
            data_range=255,
        )
    )


def _pair(height: int, width: int, seed: int = 0) -> tuple[Image, Image]:
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 200, height * width * 3).reshape(height, width, 3)
    a = (ramp + rng.integers(0, 56, ramp.shape)).astype(np.uint8)
    b = np.clip(a + rng.integers(-20, 21, a.shape), 0, 255).astype(np.uint8)
    return a, b


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_pairs(name: str) -> None:
    prediction = load_rgb(GOLDEN / f"{name}_prediction.png")
    reference = load_rgb(GOLDEN / f"{name}_reference.png")
    expected = EXPECTED[name]["mai22"]
    decibels, similarity, identical = score_image(get_protocol("mai22"), prediction, reference)
    assert decibels == pytest.approx(expected["psnr"], abs=1e-9)
    assert similarity == pytest.approx(expected["ssim"], abs=1e-9)
    assert not identical


# The tile is 64 x 256 positions, so 74 x 266 pixels fill one exactly.
@pytest.mark.parametrize(
    ("height", "width"),
    [
        (11, 11),
        (11, 12),
        (12, 11),
        (13, 301),
        (74, 266),
        (75, 267),
        (73, 265),
        (139, 11),
        (11, 523),
        (201, 333),
    ],
)
def test_any_size_equals_scikit_image(height: int, width: int) -> None:
    a, b = _pair(height, width, seed=height * width)
    assert ssim(a, b) == pytest.approx(_reference_ssim(a, b), abs=1e-12)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=255), abs=1e-9)


@pytest.mark.parametrize(("left", "right"), [(0, 0), (0, 255), (255, 254), (7, 7), (100, 130)])
def test_constant_images(left: int, right: int) -> None:
    a = np.full((40, 50, 3), left, np.uint8)
    b = np.full((40, 50, 3), right, np.uint8)
    assert ssim(a, b) == pytest.approx(_reference_ssim(a, b), abs=1e-9)
    if left != right:
        assert psnr(a, b) == pytest.approx(20 * math.log10(255 / abs(left - right)), abs=1e-12)


def test_identical_images() -> None:
    a, _ = _pair(60, 70)
    assert psnr(a, a.copy()) == math.inf
    assert ssim(a, a.copy()) == pytest.approx(1.0, abs=1e-12)
    decibels, similarity, identical = score_image(get_protocol("mai22"), a, a.copy())
    assert (decibels, identical) == (None, True)
    assert similarity == pytest.approx(1.0, abs=1e-12)


def test_extreme_noise_and_inversion() -> None:
    rng = np.random.default_rng(3)
    a = rng.choice(np.array([0, 255], np.uint8), (90, 300, 3))
    assert ssim(a, 255 - a) == pytest.approx(_reference_ssim(a, 255 - a), abs=1e-12)
    assert ssim(a, 255 - a) < 0


def test_psnr_sums_are_exact_integers() -> None:
    black = np.zeros((3000, 2100, 3), np.uint8)
    assert psnr(black, np.full_like(black, 255)) == 0.0
    rng = np.random.default_rng(11)
    a, b = rng.integers(0, 256, (2, 301, 451, 3), dtype=np.uint8)
    squared = int(((a.astype(int) - b) ** 2).sum())
    assert psnr(a, b) == 10 * math.log10(255**2 * a.size / squared)
    one = black.copy()
    one[2999, 2099, 2] = 1
    assert psnr(black, one) == 10 * math.log10(255**2 * black.size)


def test_views_and_a_reused_workspace() -> None:
    a, b = _pair(150, 400)
    workspace = SsimWorkspace()
    whole = workspace.ssim(a, b)
    flipped = workspace.ssim(a[::-1, ::-1], b[::-1, ::-1])
    assert flipped == pytest.approx(whole, abs=1e-12)
    assert psnr(a[::2, ::2], b[::2, ::2]) == psnr(a[::2, ::2].copy(), b[::2, ::2].copy())
    small = workspace.ssim(a[:20, :20], b[:20, :20])
    assert small == pytest.approx(_reference_ssim(a[:20, :20], b[:20, :20]), abs=1e-12)
    assert workspace.ssim(a, b) == whole


def test_threads_do_not_share_buffers() -> None:
    pairs = [_pair(100, 300, seed) for seed in range(8)]
    alone = [ssim(a, b) for a, b in pairs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda pair: ssim(*pair), pairs * 3)) == alone * 3


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
    ],
)
def test_other_arrays_are_refused(prediction: Image, reference: Image) -> None:
    for metric in (psnr, ssim):
        with pytest.raises(UsageError):
            metric(prediction, reference)
