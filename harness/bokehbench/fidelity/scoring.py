"""Pixels of one image -> its scores; scores of many images -> Fidelity."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bokehbench.errors import DatasetError
from bokehbench.facts import Fidelity, FidelityRules, ImageScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[Any]


@dataclass(frozen=True)
class Scores:
    """One pair's numbers. `psnr` in dB is None for identical images, whose PSNR is infinite.

    A metric that the protocol does not have is None.
    """

    psnr: float | None
    ssim: float
    ms_ssim: float | None
    lpips: float | None
    identical: bool


class Scorer:
    """Scores pairs by one protocol; buffers and the network of LPIPS are kept between pairs."""

    def __init__(self, rules: FidelityRules, threads: int | None = None) -> None:
        self.rules = rules
        self._threads = threads

    def score(self, prediction: "Image", reference: "Image") -> Scores:
        """Compare one pair.

        Args:
            prediction: (height, width, 3) uint8, or floats from 0 to 1.
            reference: the same shape.

        Raises:
            UsageError: the sizes differ, or the images are too small for a metric.
        """
        from bokehbench.fidelity.arrays import prepare
        from bokehbench.fidelity.metrics import ms_ssim, psnr, ssim

        rules, threads = self.rules, self._threads
        a, b, data_range = prepare(rules, prediction, reference)
        decibels = psnr(a, b, data_range=self._peak(a, data_range))
        similarity = ssim(a, b, rules=rules.ssim, data_range=data_range, threads=threads)
        multi = None
        if rules.ms_ssim is not None:
            weights = rules.ms_ssim.weights
            multi = ms_ssim(
                a, b, rules=rules.ssim, weights=weights, data_range=data_range, threads=threads
            )
        distance = None
        if rules.lpips is not None:
            from bokehbench.fidelity.lpips import shared_lpips

            distance = shared_lpips(threads).distance(
                a, b, value_range=rules.lpips.range, data_range=data_range
            )
        identical = math.isinf(decibels)
        return Scores(None if identical else decibels, similarity, multi, distance, identical)

    def _peak(self, prediction: "Image", data_range: float) -> float:
        if self.rules.psnr.peak == "range":
            return data_range
        peak = float(prediction.max())
        if peak <= 0:
            raise DatasetError(
                f"the prediction is black, and protocol {self.rules.name} takes its largest "
                "value for PSNR's peak: use another protocol"
            )
        return peak


def aggregate(protocol_name: str, images: Sequence[ImageScore], same_shape: bool) -> Fidelity:
    """The mean of per-image values, not of pooled errors.

    Identical images have an infinite PSNR: they are counted and kept out of the mean PSNR,
    but not out of other means. Failed images are counted and kept out of all.

    Args:
        protocol_name: the fidelity protocol the images were scored by.
        images: every image of the dataset that was tried.
        same_shape: the images were run in the shape that was timed.
    """
    scored = [image for image in images if image.status == "ok"]
    return Fidelity(
        protocol=protocol_name,
        psnr=mean(image.psnr for image in scored if not image.identical),
        ssim=mean(image.ssim for image in scored),
        ms_ssim=mean(image.ms_ssim for image in scored),
        lpips=mean(image.lpips for image in scored),
        images=len(scored),
        failed=len(images) - len(scored),
        identical=sum(image.identical for image in scored),
        same_shape_as_timing=same_shape,
        per_image=tuple(images),
    )


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is there, summed exactly; None of nothing."""
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None
