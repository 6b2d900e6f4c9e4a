"""Ratings by a word of the command line: a file, or a study that the store keeps."""

import hashlib
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bokehbench.errors import RatingsError, UsageError
from bokehbench.text import spelled

if TYPE_CHECKING:
    from bokehbench.analysis.ratings import Ratings
    from bokehbench.store import Store, Study


def read_bytes(path: Path) -> bytes:
    """The ratings file, bounded.

    Raises:
        RatingsError: it can't be read.
    """
    from bokehbench.analysis.ratings import MAX_BYTES

    if path.is_dir():
        raise RatingsError(f"{path}: is a folder; give a CSV file of ratings")
    try:
        with path.open("rb") as file:
            # One byte more than is allowed tells that there is more.
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RatingsError(f"{path}: can't be read: {error.strerror}") from error


def read_ratings(word: str, store: "Store") -> "Ratings":
    """Votes of a file, if there is one of that name, else of a study in the store.

    A file is read with the five-grade scale; a study knows its own.

    Raises:
        RatingsError: the file's rows are wrong.
        StoreError: there is neither.
    """
    from bokehbench.analysis.ratings import parse_ratings

    path = Path(word)
    if path.exists():
        return parse_ratings(read_bytes(path), word)
    study, data = store.study(word)
    return parse_ratings(
        data, study.source, scale=study.scale, average_repeats=study.average_repeats
    )


def new_study(name: str, source: Path, data: bytes, ratings: "Ratings", average: bool) -> "Study":
    """What the store keeps beside the ratings' bytes."""
    from bokehbench.store import Study

    return Study(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=spelled(source.name),
        sha256=hashlib.sha256(data).hexdigest(),
        votes=len(ratings.votes),
        scale=ratings.scale,
        average_repeats=average,
    )


def parse_scale(text: str) -> tuple[float, float]:
    """`LOW,HIGH` or `LOW-HIGH` -> two numbers.

    Raises:
        UsageError: it is no such range.
    """
    separator = "," if "," in text else "-"
    try:
        low, high = (float(part) for part in text.split(separator, 1))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--scale {text}: not a range such as 1-5 or 0,100")
    return low, high
