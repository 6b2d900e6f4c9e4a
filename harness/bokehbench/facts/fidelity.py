"""What a fidelity protocol says, and how near the host came to a device on the same images."""

from typing import Literal

import msgspec


class PsnrRules(msgspec.Struct, frozen=True, kw_only=True):
    """The peak of PSNR: the span of values, or the largest value of the prediction."""

    peak: Literal["range", "prediction_maximum"] = "range"


class SsimRules(msgspec.Struct, frozen=True, kw_only=True):
    """What "SSIM" means. `sigma` belongs to a Gaussian window; a uniform one has none.

    The mean is over positions where the window fits and over channels.
    """

    window: Literal["gaussian", "uniform"]
    size: int
    covariance: Literal["population", "sample"]
    sigma: float | None = None
    k1: float = 0.01
    k2: float = 0.03
    region: Literal["valid"] = "valid"


class MsSsimRules(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of the scales, the finest first; windows and constants are those of SSIM."""

    weights: tuple[float, ...]


class LpipsRules(msgspec.Struct, frozen=True, kw_only=True):
    """The network of LPIPS, the version of its weights, and the range of values fed to it."""

    net: Literal["alex"]
    version: Literal["0.1"]
    range: tuple[float, float]


class FidelityRules(msgspec.Struct, frozen=True, kw_only=True):
    """One way to turn pairs of images into numbers; a protocol by `name`.

    `values` says what is compared: uint8 pixels (floats are rounded by `rounding`) or floats as
    they come. `data_range` is the span of the values, `clip` whether predictions are brought
    into it, `crop` the pixels cut from each edge of both images. A metric that is None is not
    computed.
    """

    name: str
    description: str
    sources: tuple[str, ...]
    values: Literal["uint8", "float"]
    data_range: float
    rounding: Literal["half_even", "half_up", "truncate"]
    psnr: PsnrRules
    ssim: SsimRules
    clip: bool = True
    crop: int = 0
    ms_ssim: MsSsimRules | None = None
    lpips: LpipsRules | None = None
    aggregation: Literal["mean_of_images"] = "mean_of_images"


class HostRun(msgspec.Struct, frozen=True, kw_only=True):
    """The host's own run of a model on images that a device ran too, to compare outputs.

    `failure` says why it gave no output; its other facts are then what was tried.
    """

    engine: str
    engine_version: str
    library_sha256: str
    runner_sha256: str
    platform: str
    abi: str
    backend: str
    threads: int
    images: int
    failure: str | None = None
