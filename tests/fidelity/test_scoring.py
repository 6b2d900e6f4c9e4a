"""Protocols by name, crops, and the mean of images."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from bokehbench.errors import UsageError
from bokehbench.facts import ImageScore
from bokehbench.fidelity import aggregate, get_protocol, score_image
from bokehbench.fidelity.metrics import psnr, ssim


def test_unknown_protocols_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown fidelity protocol 'mai23': use one of mai22"):
        get_protocol("mai23")


def test_mai22_is_the_full_frame() -> None:
    protocol = get_protocol("mai22")
    assert (protocol.crop, protocol.data_range, protocol.rounding) == (0, 255.0, "half_even")
    assert protocol.ssim.size == 11


def test_a_protocol_with_a_crop() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 256, (2, 40, 44, 3), dtype=np.uint8)
    protocol = dataclasses.replace(get_protocol("mai22"), crop=5)
    expected = psnr(a[5:-5, 5:-5], b[5:-5, 5:-5]), ssim(a[5:-5, 5:-5], b[5:-5, 5:-5]), False
    assert score_image(protocol, a, b) == expected


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
    assert not fidelity.same_shape_as_timing
    assert fidelity.per_image == tuple(images)


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
