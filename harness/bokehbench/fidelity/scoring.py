"""Pixels of one image -> its scores; scores of many images -> Fidelity."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bokehbench.facts import Fidelity, ImageScore
from bokehbench.fidelity.protocols import FidelityProtocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def score_image(
    protocol: FidelityProtocol,
    output_u8: "NDArray[np.uint8]",
    reference_u8: "NDArray[np.uint8]",
) -> tuple[float | None, float, bool]:
    """PSNR in dB, SSIM, and whether the images are identical (then PSNR is None).

    Args:
        protocol: says how the images are cropped before they are compared.
        output_u8: (height, width, 3) uint8, what the device made.
        reference_u8: the same shape.

    Raises:
        UsageError: shapes or types differ, or an image is smaller than SSIM's window.
    """
    from bokehbench.fidelity.metrics import psnr, ssim

    if output_u8.shape == reference_u8.shape and protocol.crop:
        inner = slice(protocol.crop, -protocol.crop)
        output_u8 = output_u8[inner, inner]
        reference_u8 = reference_u8[inner, inner]
    decibels = psnr(output_u8, reference_u8)
    similarity = ssim(output_u8, reference_u8)
    identical = math.isinf(decibels)
    return (None if identical else decibels), similarity, identical


def aggregate(protocol_name: str, images: Sequence[ImageScore], same_shape: bool) -> Fidelity:
    """The mean of per-image values, not of pooled errors.

    Identical images have an infinite PSNR: they are counted and kept out of the mean PSNR,
    but not out of SSIM's. Failed images are counted and kept out of both.

    Args:
        protocol_name: the fidelity protocol the images were scored by.
        images: every image of the dataset that was tried.
        same_shape: the images were run in the shape that was timed.
    """
    scored = [image for image in images if image.status == "ok"]
    return Fidelity(
        protocol=protocol_name,
        psnr=_mean(image.psnr for image in scored if not image.identical),
        ssim=_mean(image.ssim for image in scored),
        lpips=None,
        images=len(scored),
        failed=len(images) - len(scored),
        identical=sum(image.identical for image in scored),
        same_shape_as_timing=same_shape,
        per_image=tuple(images),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None
