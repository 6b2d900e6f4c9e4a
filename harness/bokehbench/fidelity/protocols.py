"""Fidelity protocols as data: how images are prepared, compared and averaged.

Public code of the bokeh task disagrees on all of it, so every table prints the protocol's name
and a protocol never changes once results with it exist.
"""

from dataclasses import dataclass
from typing import Literal

from bokehbench.errors import UsageError


@dataclass(frozen=True)
class SsimVariant:
    """What "SSIM" means: `window` of `size` pixels, `covariance`, and the region averaged."""

    window: Literal["gaussian"]
    size: int
    sigma: float
    covariance: Literal["population"]
    region: Literal["valid"]


@dataclass(frozen=True)
class LpipsPreparation:
    """The network of LPIPS, its weights' version, and the range of values fed to it."""

    net: str
    version: str
    range: tuple[float, float]


@dataclass(frozen=True)
class FidelityProtocol:
    """One way to turn pairs of images into numbers.

    `sources` cites where the choices come from. `data_range` is the span of pixel values,
    `crop` the pixels cut from each edge, `rounding` the runner's word for how outputs become
    uint8. `aggregation` says how images are joined: the mean of per-image values.
    """

    name: str
    sources: tuple[str, ...]
    description: str
    data_range: float
    crop: int
    rounding: Literal["half_even", "half_up", "truncate"]
    ssim: SsimVariant
    lpips: LpipsPreparation
    aggregation: Literal["mean_of_images"]


_PROTOCOLS = (
    FidelityProtocol(
        name="mai22",
        sources=(
            "Realistic Bokeh Effect Rendering on Mobile GPUs, Mobile AI & AIM 2022 challenge: "
            "Report (names the metrics; no scoring program is public)",
            "Wang et al. 2004, doi:10.1109/TIP.2003.819861",
            "Zhang et al. 2018, arXiv:1801.03924",
        ),
        description="full frame, RGB, uint8; SSIM with Wang's Gaussian window",
        data_range=255.0,
        crop=0,
        rounding="half_even",
        ssim=SsimVariant("gaussian", 11, 1.5, "population", "valid"),
        lpips=LpipsPreparation("alex", "0.1", (-1.0, 1.0)),
        aggregation="mean_of_images",
    ),
)

PROTOCOLS: dict[str, FidelityProtocol] = {protocol.name: protocol for protocol in _PROTOCOLS}
DEFAULT_PROTOCOL = "mai22"


def get_protocol(name: str) -> FidelityProtocol:
    """The protocol of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    try:
        return PROTOCOLS[name]
    except KeyError:
        known = ", ".join(sorted(PROTOCOLS))
        raise UsageError(f"unknown fidelity protocol {name!r}: use one of {known}") from None
