"""What a protocol does to a pair of images, and the mean of images."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

import bokehbench.fidelity
from bokehbench.errors import UsageError
from bokehbench.facts import FidelityRules, ImageScore, PsnrRules
from bokehbench.fidelity import Scorer, aggregate, get_protocol
from bokehbench.fidelity.arrays import prepare, to_uint8
from bokehbench.fidelity.images import load_rgb
from bokehbench.fidelity.lpips import shared_lpips
from bokehbench.fidelity.metrics import UNIFORM, ms_ssim, psnr, ssim

GOLDEN = Path(bokehbench.fidelity.__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())

Image = NDArray[np.uint8]


def _pair(height: int = 60, width: int = 64, seed: int = 1) -> tuple[Image, Image]:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return a, np.clip(a + rng.integers(-30, 31, a.shape), 0, 255).astype(np.uint8)


def _without_lpips(name: str = "mai22", **changes: Any) -> FidelityRules:
    return replace(get_protocol(name), lpips=None, **changes)


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_pairs(name: str) -> None:
    pair = load_rgb(GOLDEN / f"{name}_prediction.png"), load_rgb(GOLDEN / f"{name}_reference.png")
    for protocol, rules in (("mai22", "mai22"), ("val294", "val294"), ("val294", "ntire23")):
        expected = EXPECTED[name][protocol]
        scores = Scorer(get_protocol(rules)).score(*pair)
        assert scores.psnr == pytest.approx(expected["psnr"], abs=1e-9)
        assert scores.ssim == pytest.approx(expected["ssim"], abs=1e-9)
        assert scores.lpips == pytest.approx(expected["lpips"], abs=1e-6)
        assert not scores.identical
    cropped = EXPECTED[name]["crop32"]
    scores = Scorer(get_protocol("pynet")).score(*pair)
    assert scores.psnr == pytest.approx(cropped["psnr"], abs=1e-9)
    assert scores.ssim == pytest.approx(cropped["ssim_gaussian"], abs=1e-9)
    assert scores.lpips == pytest.approx(cropped["lpips"], abs=1e-6)
    inner = slice(32, -32)
    assert scores.ms_ssim == ms_ssim(*(image[inner, inner] for image in pair))


def test_mai22_is_the_full_frame() -> None:
    protocol = get_protocol("mai22")
    assert (protocol.crop, protocol.data_range, protocol.rounding) == (0, 255.0, "half_even")
    assert protocol.ssim.size == 11


def test_a_protocol_with_a_crop() -> None:
    a, b = _pair()
    scores = Scorer(_without_lpips(crop=5)).score(a, b)
    assert scores.psnr == psnr(a[5:-5, 5:-5], b[5:-5, 5:-5])
    assert scores.ssim == ssim(a[5:-5, 5:-5], b[5:-5, 5:-5])
    assert scores.lpips is None
    with pytest.raises(UsageError, match="nothing of 60x64 is left when 30 pixels are cut"):
        Scorer(_without_lpips(crop=30)).score(a, b)


def test_the_variant_of_ssim() -> None:
    a, b = _pair()
    assert Scorer(_without_lpips("val294")).score(a, b).ssim == ssim(a, b, rules=UNIFORM)


def test_the_range_that_lpips_is_fed() -> None:
    a, b = _pair()
    rules = get_protocol("mai22")
    assert rules.lpips is not None
    wrong = replace(rules, name="wrong", lpips=replace(rules.lpips, range=(0.0, 1.0)))
    found = Scorer(wrong).score(a, b).lpips
    assert found == shared_lpips().distance(a, b, value_range=(0.0, 1.0))
    assert found != pytest.approx(Scorer(rules).score(a, b).lpips, rel=0.05)


def test_the_peak_of_ntire23s_starter_code() -> None:
    a, b = _pair()
    a = np.minimum(a, 200)
    quirk, plain = (Scorer(_without_lpips(name)).score(a, b) for name in ("ntire23-max", "ntire23"))
    assert quirk.psnr is not None
    assert plain.psnr is not None
    assert quirk.psnr == pytest.approx(plain.psnr + 20 * np.log10(200 / 255), abs=1e-12)
    assert quirk.ssim == plain.ssim
    with pytest.raises(UsageError, match="the prediction is black"):
        Scorer(_without_lpips("ntire23-max")).score(np.zeros_like(a), b)
    # Identical images stay identical, whatever the peak.
    peak = _without_lpips(psnr=PsnrRules(peak="prediction_maximum"))
    assert Scorer(peak).score(b, b).identical


def test_bytes_and_their_floats_give_one_value() -> None:
    a, b = _pair(200, 240)
    scorer = Scorer(replace(get_protocol("pynet"), crop=4))
    bytes_, floats = scorer.score(a, b), scorer.score(a / 255, b / 255)
    mixed = scorer.score(a / 255, b)
    for other in (floats, mixed):
        for metric in ("psnr", "ssim", "ms_ssim"):
            assert getattr(other, metric) == pytest.approx(getattr(bytes_, metric), abs=1e-12)
        assert other.lpips == pytest.approx(bytes_.lpips, abs=1e-6)


def test_floats_are_rounded_where_bytes_are_compared() -> None:
    values = np.array([0.0, 0.5, 1.5, 2.5, 254.5, 255.0]) / 255
    assert to_uint8(values, "half_even").tolist() == [0, 0, 2, 2, 254, 255]
    assert to_uint8(values, "half_up").tolist() == [0, 1, 2, 3, 255, 255]
    assert to_uint8(values, "truncate").tolist() == [0, 0, 1, 2, 254, 255]
    a, b = _pair()
    noisy = a / 255 + np.random.default_rng(2).uniform(-0.4, 0.4, a.shape) / 255
    mai22, pynet = (_without_lpips(name, crop=0, ms_ssim=None) for name in ("mai22", "pynet"))
    assert Scorer(mai22).score(noisy, b) == Scorer(mai22).score(a, b)
    assert Scorer(pynet).score(noisy, b).psnr != Scorer(pynet).score(a, b).psnr


def test_what_overshoots_is_clipped_or_refused() -> None:
    a, b = _pair()
    over = a / 255 * 1.2 - 0.1
    rules = _without_lpips("pynet", crop=0, ms_ssim=None)
    assert Scorer(rules).score(over, b) == Scorer(rules).score(np.clip(over, 0, 1), b)
    free = replace(rules, clip=False)
    assert Scorer(free).score(over, b).psnr != Scorer(rules).score(over, b).psnr
    strict = _without_lpips(clip=False)
    with pytest.raises(UsageError, match="the prediction has values below 0 or above 1"):
        Scorer(strict).score(over, b)
    with pytest.raises(UsageError, match="the reference has values below 0 or above 1"):
        Scorer(rules).score(a, b / 255 * 1.1)


def test_a_range_of_ones_own() -> None:
    a, b = _pair()
    rules = _without_lpips("pynet", crop=0, ms_ssim=None, data_range=2.0)
    x, y, data_range = prepare(rules, a / 255, b / 255)
    assert (x.max(), data_range) == (2.0, 2.0)
    expected = Scorer(_without_lpips()).score(a, b)
    found = Scorer(rules).score(a / 255, b / 255)
    assert found.psnr == pytest.approx(expected.psnr, abs=1e-10)
    assert found.ssim == pytest.approx(expected.ssim, abs=1e-12)
    assert y.dtype == np.float64


def test_sizes_that_differ() -> None:
    a, b = _pair()
    with pytest.raises(UsageError, match="the prediction is 60x64, the reference 60x63"):
        Scorer(_without_lpips()).score(a, b[:, 1:])


def test_identical_images() -> None:
    a, _ = _pair()
    scores = Scorer(get_protocol("mai22")).score(a, a.copy())
    assert (scores.psnr, scores.identical) == (None, True)
    assert (scores.ssim, scores.lpips) == (1.0, 0.0)


def _score(
    index: int, psnr: float | None, ssim: float | None, identical: bool = False
) -> ImageScore:
    return ImageScore(
        index=index, name=str(index), status="ok", psnr=psnr, ssim=ssim, identical=identical
    )


def test_means_are_of_images() -> None:
    images = [
        _score(0, 20.0, 0.5),
        _score(1, 30.0, 0.7),
        _score(2, None, 1.0, identical=True),
        ImageScore(index=3, name="3", status="failed", failure="crash"),
    ]
    fidelity = aggregate("mai22", images, same_shape=False)
    assert fidelity.psnr == 25.0
    assert fidelity.ssim == pytest.approx(2.2 / 3)
    assert (fidelity.images, fidelity.failed, fidelity.identical) == (3, 1, 1)
    assert fidelity.lpips is None
    assert fidelity.ms_ssim is None
    assert not fidelity.same_shape_as_timing
    assert fidelity.per_image == tuple(images)


def test_means_of_the_other_metrics() -> None:
    images = [
        replace(_score(0, 20.0, 0.5), lpips=0.2, ms_ssim=0.9),
        replace(_score(1, None, 1.0, identical=True), lpips=0.0, ms_ssim=1.0),
    ]
    fidelity = aggregate("pynet", images, same_shape=True)
    assert (fidelity.lpips, fidelity.ms_ssim) == (0.1, 0.95)


def test_means_are_summed_exactly() -> None:
    images = [_score(i, 0.1, 0.1) for i in range(10)]
    assert aggregate("mai22", images, same_shape=True).psnr == 0.1


@pytest.mark.parametrize("images", [[], [ImageScore(index=0, name="0", status="failed")]])
def test_nothing_was_scored(images: list[ImageScore]) -> None:
    fidelity = aggregate("mai22", images, same_shape=True)
    assert (fidelity.psnr, fidelity.ssim, fidelity.images) == (None, None, 0)
    assert fidelity.failed == len(images)


def test_light_rooms_load_no_heavy_library() -> None:
    code = (
        "import sys, bokehbench.fidelity, bokehbench.analysis, bokehbench.report\n"
        "heavy = {'numpy', 'cv2', 'PIL', 'rich', 'pandas'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
