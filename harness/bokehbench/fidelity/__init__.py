"""PSNR, SSIM, LPIPS; fidelity protocols; pairs of images.

Importing this room loads neither numpy nor an image library: `metrics` does, and is imported
by `scoring` and `images` only where pixels are touched.
"""

from bokehbench.fidelity.pairs import Dataset, Pair, open_dataset
from bokehbench.fidelity.protocols import find_protocol, get_protocol
from bokehbench.fidelity.scoring import Scorer, Scores, aggregate

__all__ = [
    "Dataset",
    "Pair",
    "Scorer",
    "Scores",
    "aggregate",
    "find_protocol",
    "get_protocol",
    "open_dataset",
]
