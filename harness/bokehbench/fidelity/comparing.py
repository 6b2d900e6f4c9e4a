"""Pairs of files -> their scores, one after the other; the next ones are read meanwhile."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bokehbench.errors import UsageError
from bokehbench.facts import FidelityRules
from bokehbench.fidelity.folders import FilePair
from bokehbench.fidelity.scoring import Scorer, Scores
from bokehbench.fidelity.threads import usable_cores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[Any]

MAX_READERS = 4
"""Files read at a time: scoring takes many times as long as reading."""


@dataclass(frozen=True)
class Compared:
    """One pair: its scores and size, or why it has none."""

    pair: FilePair
    scores: Scores | None
    failure: str | None = None
    height: int | None = None
    width: int | None = None
    profiles_differ: bool = False


def compare(
    pairs: Sequence[FilePair],
    rules: FidelityRules,
    *,
    threads: int | None = None,
    on_pair: Callable[[Compared], None] = lambda _: None,
) -> list[Compared]:
    """Score pairs by a protocol; one that can't be scored is told in its `failure`.

    At most `MAX_READERS` + 2 pairs are in memory, however many there are.

    Args:
        threads: all usable cores unless given.
        on_pair: called after each pair.
    """
    threads = threads or usable_cores()
    scorer = Scorer(rules, threads)
    found = []
    with _reading(pairs, min(threads, MAX_READERS)) as read:
        for pair, loaded in read:
            done = _score(scorer, pair, loaded)
            found.append(done)
            on_pair(done)
    return found


def _score(scorer: Scorer, pair: FilePair, loaded: "_Loaded | UsageError") -> Compared:
    if isinstance(loaded, UsageError):
        return Compared(pair, None, str(loaded))
    height, width = loaded.prediction.shape[:2]
    try:
        scores = scorer.score(loaded.prediction, loaded.reference)
    except UsageError as error:
        return Compared(pair, None, str(error), height, width)
    return Compared(pair, scores, None, height, width, loaded.profiles_differ)


@dataclass(frozen=True)
class _Loaded:
    prediction: "Image"
    reference: "Image"
    profiles_differ: bool


def _load(pair: FilePair) -> "_Loaded | UsageError":
    from bokehbench.fidelity.arrays import load_pixels
    from bokehbench.fidelity.images import colour_profile

    try:
        prediction, reference = load_pixels(pair.prediction), load_pixels(pair.reference)
        differ = colour_profile(pair.prediction) != colour_profile(pair.reference)
    except UsageError as error:
        return error
    return _Loaded(prediction, reference, differ)


@contextmanager
def _reading(
    pairs: Sequence[FilePair], readers: int
) -> "Iterator[Iterator[tuple[FilePair, _Loaded | UsageError]]]":
    """Pairs with their pixels, in order; a few are read ahead, and no more."""
    pool = ThreadPoolExecutor(readers, thread_name_prefix="reading")
    ahead: deque[tuple[FilePair, Future[_Loaded | UsageError]]] = deque()
    todo = iter(pairs)

    def in_order() -> "Iterator[tuple[FilePair, _Loaded | UsageError]]":
        for pair in todo:
            ahead.append((pair, pool.submit(_load, pair)))
            if len(ahead) > readers:
                yield _next()
        while ahead:
            yield _next()

    def _next() -> "tuple[FilePair, _Loaded | UsageError]":
        first, future = ahead.popleft()
        return first, future.result()

    try:
        yield in_order()
    finally:
        # On Ctrl-C too: what was not begun is not read.
        pool.shutdown(wait=False, cancel_futures=True)
