"""Votes -> mean opinion scores with intervals, after screening; agreement beside them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bokehbench.analysis.agreement import krippendorff
from bokehbench.analysis.intervals import Z95, Interval, clipped, student_quantile
from bokehbench.analysis.opinion import (
    INTERVALS,
    SCREENINGS,
    MethodMos,
    Opinion,
    PictureMos,
    RaterReport,
    Screening,
    VoteTable,
)
from bokehbench.analysis.ratings import Ratings, Vote
from bokehbench.analysis.screening import BT500_MIN_RATERS, P910Model, fit_p910, screen_bt500
from bokehbench.errors import RatingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bokehbench.analysis.opinion import Scores

MIN_VOTES = 2
"""A single vote tells neither a rater's bias nor whether the rater is consistent."""


def opinion(
    ratings: Ratings, *, screening: Screening = "bt500", min_votes: int = MIN_VOTES
) -> tuple[Opinion, VoteTable]:
    """Mean opinion scores of methods and pictures with 95 % intervals.

    A picture's MOS is the mean of its votes, its interval mean -+ t S / sqrt(N) (ITU-R
    BT.500-14, Annex 1, 2.2, with Student's t for the 1.96 that it tends to). A method's is the
    mean over its pictures; its interval comes from leaving out one rater at a time
    (jackknife), which for a complete design is the same formula on the raters' means. Images
    are taken as they are, not as a sample. Under `p910` both are the model's.

    Raises:
        RatingsError: no rater is left.
    """
    kept, few = _enough_votes(ratings.votes, min_votes)
    if not kept:
        raise RatingsError(f"no rater has {min_votes} votes or more; lower --min-votes")
    raters = sorted({vote.rater for vote in kept})
    pictures = sorted({(vote.method, vote.image) for vote in kept})
    scores = _array(kept, raters, pictures)
    notes = [*ratings.notes, *_notes(few, min_votes, screening, len(raters))]
    model = fit_p910(scores) if screening == "p910" else None
    reports, stay = _screen(scores, raters, screening, model)
    if not stay.any():
        raise RatingsError("screening leaves no rater; look at the votes, or use --screening none")
    table = _table(scores[stay], [r for r, s in zip(raters, stay, strict=True) if s], pictures)
    if model is not None:
        table = VoteTable(
            table.raters, table.pictures, table.scores, model.inconsistency**-2.0, model.bias
        )
        notes += _heavy_rater(table)
    scale = ratings.scale
    shown = _pictures(table, scale, model)
    return (
        Opinion(
            screening=screening,
            screening_source=SCREENINGS[screening],
            interval=INTERVALS[screening],
            scale=scale,
            methods=_methods(table, shown, scale, model),
            pictures=shown,
            raters=tuple(sorted((*reports, *few), key=lambda report: report.rater)),
            agreement=krippendorff(table.scores),
            notes=(*notes, *_unbalanced(shown)),
        ),
        table,
    )


def _enough_votes(
    votes: Sequence[Vote], min_votes: int
) -> tuple[list[Vote], tuple[RaterReport, ...]]:
    counts: dict[str, int] = {}
    for vote in votes:
        counts[vote.rater] = counts.get(vote.rater, 0) + 1
    few = tuple(
        RaterReport(rater=rater, votes=count, kept=False, reason=f"fewer than {min_votes} votes")
        for rater, count in counts.items()
        if count < min_votes
    )
    return [vote for vote in votes if counts[vote.rater] >= min_votes], few


def _array(votes: Sequence[Vote], raters: list[str], pictures: list[tuple[str, str]]) -> "Scores":
    import numpy as np

    row = {rater: index for index, rater in enumerate(raters)}
    column = {picture: index for index, picture in enumerate(pictures)}
    scores = np.full((len(raters), len(pictures)), np.nan)
    for vote in votes:
        scores[row[vote.rater], column[vote.method, vote.image]] = vote.score
    return scores


def _table(scores: "Scores", raters: list[str], pictures: list[tuple[str, str]]) -> VoteTable:
    """Without pictures that nobody who is left voted on."""
    import numpy as np

    voted = np.flatnonzero((~np.isnan(scores)).any(axis=0))
    return VoteTable(
        tuple(raters),
        tuple(pictures[place] for place in voted),
        scores[:, voted],
        np.ones(len(raters)),
        np.zeros(len(raters)),
    )


def _screen(
    scores: "Scores", raters: list[str], screening: Screening, model: P910Model | None
) -> tuple[list[RaterReport], "NDArray[np.bool_]"]:
    import numpy as np

    counters = screen_bt500(scores) if screening == "bt500" else None
    rejected = counters.rejected if counters else np.zeros(len(raters), dtype=bool)
    reports = []
    for index, rater in enumerate(raters):
        own = scores[index][~np.isnan(scores[index])]
        reports.append(
            RaterReport(
                rater=rater,
                votes=len(own),
                kept=not rejected[index],
                reason="erratic by BT.500" if rejected[index] else None,
                above=int(counters.above[index]) if counters else None,
                below=int(counters.below[index]) if counters else None,
                bias=float(model.bias[index]) if model else None,
                inconsistency=float(model.inconsistency[index]) if model else None,
                constant=bool((own == own[0]).all()),
            )
        )
    return reports, ~rejected


def _pictures(
    table: VoteTable, scale: tuple[float, float], model: P910Model | None
) -> tuple[PictureMos, ...]:
    import numpy as np

    made = []
    for index, (method, image) in enumerate(table.pictures):
        votes = table.scores[:, index][~np.isnan(table.scores[:, index])]
        count = len(votes)
        deviation = float(votes.std(ddof=1)) if count > 1 else None
        if model is not None:
            mos, half = float(model.quality[index]), Z95 * float(model.error[index])
        else:
            mos, half = float(votes.mean()), 0.0
            if deviation is not None:
                half = student_quantile(0.975, count - 1) * deviation / count**0.5
        interval = (mos - half, mos + half) if count > 1 else None
        made.append(
            PictureMos(
                method=method,
                image=image,
                mos=mos,
                ci95=clipped(interval, *scale),
                votes=count,
                deviation=deviation,
            )
        )
    return tuple(made)


def _methods(
    table: VoteTable,
    pictures: Sequence[PictureMos],
    scale: tuple[float, float],
    model: P910Model | None,
) -> tuple[MethodMos, ...]:
    import numpy as np

    made = []
    for method in dict.fromkeys(picture.method for picture in pictures):
        columns = [i for i, picture in enumerate(pictures) if picture.method == method]
        block = table.scores[:, columns]
        mos = float(np.mean([pictures[i].mos for i in columns]))
        interval: Interval | None
        if model is not None:
            # Given the raters, votes on different pictures are independent in the model; that
            # these raters, and no others, voted shifts all methods by the mean of their biases.
            noise = Z95 * float(np.sqrt((model.error[columns] ** 2).sum())) / len(columns)
            half = math.hypot(noise, _shift(model.bias))
            interval = mos - half, mos + half
        else:
            interval = _jackknife(block, mos)
        made.append(
            MethodMos(
                method=method,
                mos=mos,
                ci95=clipped(interval, *scale),
                raters=int((~np.isnan(block)).any(axis=1).sum()),
                images=len(columns),
                votes=int((~np.isnan(block)).sum()),
            )
        )
    return tuple(sorted(made, key=lambda entry: (-entry.mos, entry.method)))


def _shift(biases: "Scores") -> float:
    """Half of the 95 % interval of the mean bias."""
    count = len(biases)
    if count < 2:
        return 0.0
    return student_quantile(0.975, count - 1) * float(biases.std(ddof=1)) / math.sqrt(count)


def _jackknife(block: "Scores", mos: float) -> Interval | None:
    """Interval of the mean over pictures of the mean over raters, from leaving out each rater."""
    import numpy as np

    voted = ~np.isnan(block)
    filled = np.where(voted, block, 0.0)
    active = voted.any(axis=1)
    count = int(active.sum())
    if count < 2:
        return None
    left = voted.sum(axis=0) - voted[active]
    sums = filled.sum(axis=0) - filled[active]
    # A picture with no other rater drops out of that mean.
    means = np.where(left > 0, sums / np.maximum(left, 1), np.nan)
    usable = ~np.isnan(means).all(axis=1)
    if not usable.all():
        return None
    without = np.nanmean(means, axis=1)
    variance = (count - 1) / count * float(((without - without.mean()) ** 2).sum())
    half = student_quantile(0.975, count - 1) * variance**0.5
    return mos - half, mos + half


def _notes(
    few: Sequence[RaterReport], min_votes: int, screening: Screening, raters: int
) -> list[str]:
    notes = []
    if few:
        names = ", ".join(report.rater for report in few[:5])
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        notes.append(f"left out with fewer than {min_votes} votes: {names}{more}")
    if screening == "bt500" and raters < BT500_MIN_RATERS:
        notes.append(
            f"BT.500's screening can't leave out anyone of {raters} raters: "
            f"it needs {BT500_MIN_RATERS}"
        )
    return notes


def _heavy_rater(table: VoteTable) -> list[str]:
    share = table.weights / table.weights.sum()
    index = int(share.argmax())
    if len(share) < 3 or share[index] < 0.5:
        return []
    return [
        f"rater {table.raters[index]} carries {share[index]:.0%} of the weight: too few pictures "
        "or raters for the P.910 model; compare with --screening bt500"
    ]


def _unbalanced(pictures: Sequence[PictureMos]) -> list[str]:
    images: dict[str, set[str]] = {}
    for picture in pictures:
        images.setdefault(picture.method, set()).add(picture.image)
    if len({frozenset(found) for found in images.values()}) < 2:
        return []
    return ["methods were rated on different images; their MOS compare images as well"]
