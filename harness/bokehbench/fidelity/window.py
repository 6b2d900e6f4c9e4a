"""What "SSIM" means in numbers: the window along one axis and the constants, from the rules."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bokehbench.facts import SsimRules


@dataclass(frozen=True)
class Window:
    """A separable window and the constants of SSIM, for values of a given range.

    `covariance_factor` makes a covariance of n pixels unbiased (n / (n - 1)), or is 1.
    Variances are differences of squares; taken around `shift`, the middle of the range, they
    lose no digits to a large mean.
    """

    taps: tuple[float, ...]
    shift: float
    c1: float
    c2: float
    covariance_factor: float


@lru_cache(maxsize=64)
def make_window(rules: SsimRules, data_range: float) -> Window:
    """The window of `rules` for values from 0 to `data_range`."""
    if rules.window == "gaussian":
        assert rules.sigma is not None
        half = (rules.size - 1) // 2
        offsets = np.arange(-half, half + 1, dtype=np.float64)
        taps = np.exp(-0.5 / rules.sigma**2 * offsets**2)
        taps /= taps.sum()
    else:
        taps = np.full(rules.size, 1.0 / rules.size)
    pixels = rules.size**2
    return Window(
        taps=tuple(taps.tolist()),
        shift=data_range / 2.0,
        c1=(rules.k1 * data_range) ** 2,
        c2=(rules.k2 * data_range) ** 2,
        covariance_factor=pixels / (pixels - 1) if rules.covariance == "sample" else 1.0,
    )
