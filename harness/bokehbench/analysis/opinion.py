"""What votes say, as data: opinion of methods, pictures and raters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from bokehbench.analysis.agreement import Agreement
from bokehbench.analysis.intervals import Interval
from bokehbench.analysis.screening import BT500, P910

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

Screening = Literal["bt500", "p910", "none"]

SCREENINGS: dict[Screening, str] = {"bt500": BT500, "p910": P910, "none": "no screening"}

INTERVALS: dict[Screening, str] = {
    "bt500": "Student's t over raters (jackknife)",
    "p910": "from the model's inconsistencies and the spread of biases",
    "none": "Student's t over raters (jackknife)",
}


class MethodMos(msgspec.Struct, frozen=True, kw_only=True):
    """Opinion of one method: the mean over images of its pictures' MOS."""

    method: str
    mos: float
    ci95: Interval | None
    raters: int
    images: int
    votes: int


class PictureMos(msgspec.Struct, frozen=True, kw_only=True):
    """Opinion of one method's picture of one image; `deviation` is S of its votes."""

    method: str
    image: str
    mos: float
    ci95: Interval | None
    votes: int
    deviation: float | None


class RaterReport(msgspec.Struct, frozen=True, kw_only=True):
    """One rater: whether the votes count, and if not, why.

    `above` and `below` are BT.500's counters P and Q, `bias` and `inconsistency` those of the
    P.910 model, in units of the scale; None where the screening does not make them. `constant`
    is the same score throughout.
    """

    rater: str
    votes: int
    kept: bool
    reason: str | None = None
    above: int | None = None
    below: int | None = None
    bias: float | None = None
    inconsistency: float | None = None
    constant: bool = False


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """All that the votes say. `methods` come best first; `notes` are for people."""

    screening: Screening
    screening_source: str
    interval: str
    scale: tuple[float, float]
    methods: tuple[MethodMos, ...]
    pictures: tuple[PictureMos, ...]
    raters: tuple[RaterReport, ...]
    agreement: Agreement
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class VoteTable:
    """Scores of the raters that count, raters x presentations, NaN where there is no vote.

    `weights` and `biases` are per rater: what the P.910 model made of them, else 1 and 0.
    """

    raters: tuple[str, ...]
    pictures: tuple[tuple[str, str], ...]
    scores: "Scores"
    weights: "Scores"
    biases: "Scores"
