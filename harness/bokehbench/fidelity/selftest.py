"""Known answers reproduced on this machine: every metric, and how far it is off."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bokehbench.errors import UsageError
from bokehbench.fidelity.images import load_rgb, shown
from bokehbench.fidelity.protocols import get_protocol
from bokehbench.fidelity.scoring import Scorer, Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[Any]

GOLDEN: Final = Path(__file__).resolve().parent / "golden"
TOLERANCE: Final = {"psnr": 1e-9, "ssim": 1e-9, "ms_ssim": 1e-9, "lpips": 1e-4}
"""How far a metric may be off. LPIPS is computed in single precision."""

LPIPS_EXAMPLES: Final = {"ex_p0.png": 0.721881, "ex_p1.png": 0.137566}
"""The example pairs of LPIPS's own repository, each with ex_ref.png, as its v0.1 AlexNet says."""

_KEYS = {"ssim_gaussian": "ssim"}
_PROTOCOLS = {"crop32": "pynet"}


@dataclass(frozen=True)
class Check:
    """One known answer, what this machine found, and whether that is near enough."""

    pair: str
    protocol: str
    metric: str
    expected: float
    found: float
    tolerance: float

    @property
    def difference(self) -> float:
        """How far off; 0 where both are infinite."""
        if math.isinf(self.expected) and self.expected == self.found:
            return 0.0
        return abs(self.found - self.expected)

    @property
    def is_met(self) -> bool:
        """Whether that is within the tolerance; NaN never is."""
        return self.difference <= self.tolerance


def run_checks(lpips_images: Path | None = None) -> Iterator[Check]:
    """All checks, as they are done.

    Args:
        lpips_images: a folder with ex_ref.png, ex_p0.png and ex_p1.png of the LPIPS
            repository's imgs/, which are not shipped.

    Raises:
        UsageError: that folder does not hold them.
    """
    examples = [] if lpips_images is None else _examples(lpips_images)
    yield from _golden()
    yield from _by_formula()
    for name, pair, expected in examples:
        scores = Scorer(get_protocol("mai22")).score(*pair)
        yield _check(f"ex_ref, {name}", "mai22", "lpips", expected, scores)


def _golden() -> Iterator[Check]:
    """Photographs and disturbed copies; answers by scikit-image and the published LPIPS."""
    answers = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
    for name, protocols in answers.items():
        pair = [load_rgb(GOLDEN / f"{name}_{part}.png") for part in ("prediction", "reference")]
        for key, metrics in protocols.items():
            protocol = _PROTOCOLS.get(key, key)
            scores = Scorer(get_protocol(protocol)).score(*pair)
            for metric, expected in metrics.items():
                yield _check(name, protocol, _KEYS.get(metric, metric), expected, scores)


def _by_formula() -> Iterator[Check]:
    """Pairs whose values follow from the definitions."""
    import numpy as np

    scorer = Scorer(get_protocol("mai22"))
    dark, light = (np.full((200, 301, 3), value, np.uint8) for value in (100, 130))
    c1 = (0.01 * 255) ** 2
    scores = scorer.score(dark, light)
    yield _check("constants", "mai22", "psnr", 20 * math.log10(255 / 30), scores)
    ssim = (2 * 100 * 130 + c1) / (100**2 + 130**2 + c1)
    yield _check("constants", "mai22", "ssim", ssim, scores)
    noise = np.random.default_rng(1).integers(0, 256, (230, 301, 3), dtype=np.uint8)
    same = Scorer(get_protocol("pynet")).score(noise, noise.copy())
    answers = {"psnr": math.inf, "ssim": 1.0, "ms_ssim": 1.0, "lpips": 0.0}
    for metric, expected in answers.items():
        yield _check("identical", "pynet", metric, expected, same)


def _examples(folder: Path) -> "list[tuple[str, tuple[Image, Image], float]]":
    missing = [name for name in ("ex_ref.png", *LPIPS_EXAMPLES) if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"--lpips-images {shown(folder)}: has no {', '.join(missing)}: "
            "give the folder imgs/ of the LPIPS repository"
        )
    reference = load_rgb(folder / "ex_ref.png")
    return [
        (name.removesuffix(".png"), (load_rgb(folder / name), reference), expected)
        for name, expected in LPIPS_EXAMPLES.items()
    ]


def _check(pair: str, protocol: str, metric: str, expected: float, scores: Scores) -> Check:
    found = getattr(scores, metric)
    if metric == "psnr" and scores.identical:
        found = math.inf
    return Check(pair, protocol, metric, expected, float(found), TOLERANCE[metric])
