"""fp16 against fp32: which images and which Records a pair may speak of."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from bokehbench.analysis.precision import PrecisionPair, precision_pairs
from bokehbench.cli.measure import precision_text
from bokehbench.facts import Evidence, ImageScore
from bokehbench.facts.trial import Precision
from tests.support.evidence import (
    make_dataset,
    make_evidence,
    make_record,
    make_report,
    make_trials,
)


def score(name: int, psnr: float | None, *, ok: bool = True) -> ImageScore:
    """An image with that PSNR; None is an identical one."""
    if not ok:
        return ImageScore(index=name, name=str(name), status="failed", failure="it crashed")
    return ImageScore(
        index=name,
        name=str(name),
        status="ok",
        sha256="1" * 64,
        nonfinite=0,
        psnr=psnr,
        ssim=0.9,
        identical=psnr is None,
        reference_psnr=50.0,
        reference_max_difference=2.0,
    )


def evidence(precision: Precision, images: Sequence[ImageScore], ms: float = 20.0) -> Evidence:
    start = make_evidence(
        "gpu",
        record_id=precision,
        images=tuple(images),
        dataset=make_dataset(len(images)),
        trials=make_trials("gpu", ms=ms),
    )
    return replace(start, precision=precision)


def pair(half: Evidence, full: Evidence) -> PrecisionPair:
    [found] = precision_pairs([make_record(half), make_record(full)])
    return found


def test_differences_are_means_over_the_same_images() -> None:
    half = evidence("fp16", [score(0, 20.0), score(1, 30.5)], ms=10.0)
    full = evidence("fp32", [score(0, 20.5), score(1, 31.5)])
    found = pair(half, full)
    assert found.psnr_difference == pytest.approx(-0.75)
    assert (found.latency_ratio, found.images, found.reasons) == (0.5, 2, ())
    assert "0.500x the time, PSNR -0.750 dB" in precision_text(found)


def test_images_that_one_failed_are_left_out_of_both() -> None:
    """As many on either side, and others."""
    half = evidence("fp16", [score(0, 20.0), score(1, 29.0), score(2, 0, ok=False)])
    full = evidence("fp32", [score(0, 40.0, ok=False), score(1, 30.0), score(2, 35.0)])
    found = pair(half, full)
    assert (found.psnr_difference, found.images) == (-1.0, 1)
    assert "\n  both scored 1 of 3 images" in precision_text(found)
    none = pair(
        evidence("fp16", [score(0, 20.0), score(1, 0, ok=False)]),
        evidence("fp32", [score(0, 0, ok=False), score(1, 30.0)]),
    )
    assert (none.psnr_difference, none.ssim_difference, none.images) == (None, None, 0)
    assert "PSNR N.A., SSIM N.A." in precision_text(none)


def test_an_image_that_one_made_perfectly_has_no_psnr_to_differ_in() -> None:
    half = evidence("fp16", [score(0, 20.0), score(1, 30.0)])
    full = evidence("fp32", [score(0, 21.0), score(1, None)])
    found = pair(half, full)
    assert (found.psnr_difference, found.ssim_difference, found.images) == (-1.0, 0.0, 2)


def test_what_ran_elsewhere_is_no_number_of_the_gpu() -> None:
    images = [score(0, 20.0)]
    trials = tuple(replace(t, report=make_report("xnnpack")) for t in make_trials("gpu"))
    found = pair(replace(evidence("fp16", images), trials=trials), evidence("fp32", images))
    assert found.latency_ratio is None
    assert found.psnr_difference is None
    assert found.fp16_max_difference is None
    [reason] = found.reasons
    assert reason == "fp16 is invalid: no_gpu_proof, fallback"
    text = precision_text(found)
    assert "no time" in text
    assert "needs --dataset" not in text
    assert f"\n  {reason}" in text


def test_outputs_that_are_wrong_keep_their_difference_and_lose_the_ratio() -> None:
    wrong = replace(score(0, 12.0), reference_psnr=15.0, reference_max_difference=200.0)
    found = pair(evidence("fp16", [wrong]), evidence("fp32", [score(0, 22.0)]))
    assert (found.latency_ratio, found.psnr_difference) == (None, -10.0)
    assert found.fp16_max_difference == 200.0
    assert found.reasons == ("fp16 is invalid: output_differs_from_reference",)
