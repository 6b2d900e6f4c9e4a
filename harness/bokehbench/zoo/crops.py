"""Pairs of photos -> batches of crops to train on, the same for the same seed and epoch."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import header_size, load_rgb, shown
from bokehbench.fidelity.pairs import Pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    ByteImage = NDArray[np.uint8]
    Batch = tuple[NDArray[np.float32], NDArray[np.float32]]

CACHE_BYTES = 2 << 30
"""Photos of a dataset that are kept decoded, at most."""

THREADS = 2


def check_sizes(pairs: Sequence[Pair], least: tuple[int, int]) -> tuple[int, int]:
    """The smallest height and width of all pairs, read from headers.

    Raises:
        DatasetError: the two photos of a pair differ in size, or one has less than `least`.
    """
    height = width = 1 << 30
    for pair in pairs:
        sizes = {role: header_size(path) for role, path in pair.paths.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{role} {size[0]}x{size[1]}" for role, size in sizes.items())
            raise DatasetError(
                f"pair {pair.name}: its photos differ in size ({told}); `bokehbench dataset "
                "align` makes them fit"
            )
        rows, columns = next(iter(sizes.values()))
        if rows < least[0] or columns < least[1]:
            path = pair.paths["original"]
            raise DatasetError(
                f"{shown(path)}: {rows}x{columns} is smaller than {least[0]}x{least[1]}, what "
                "training needs; give a smaller --crop or leave it out"
            )
        height, width = min(height, rows), min(width, columns)
    return height, width


@dataclass(frozen=True)
class Turn:
    """What is done to both photos of a pair."""

    top: float
    left: float
    quarter: int
    mirror: bool

    def of(self, image: "ByteImage", crop: int) -> "ByteImage":
        """The (crop, crop, 3) square. `top` and `left` are shares of where it can begin."""
        rows, columns = image.shape[:2]
        top, left = round(self.top * (rows - crop)), round(self.left * (columns - crop))
        square = np.rot90(image[top : top + crop, left : left + crop], self.quarter)
        return square[:, ::-1] if self.mirror else square


class Crops:
    """Crops of (original, bokeh) pairs: cut at random, turned by quarters and mirrored alike."""

    def __init__(
        self, pairs: Sequence[Pair], crop: int, seed: int, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._pairs = pairs
        self._crop = crop
        self._seed = seed
        self._kept: dict[int, tuple[ByteImage, ByteImage]] = {}
        self._left = cache_bytes
        self._lock = Lock()

    def steps(self, batch: int) -> int:
        """Batches of an epoch."""
        return -(-len(self._pairs) // batch)

    def batches(self, epoch: int, batch: int) -> Iterator["Batch"]:
        """One crop of every pair, in an order of its own each epoch, as float32 of 0..1.

        The last batch is filled up with further crops, so that all have the same shape. The next
        one is read while a step is computed.

        Raises:
            DatasetError: a photo can't be read.
        """
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(self._pairs))
        filled = np.resize(order, self.steps(batch) * batch)
        turns = [
            Turn(rng.random(), rng.random(), int(rng.integers(4)), bool(rng.integers(2)))
            for _ in filled
        ]
        jobs = list(zip(filled.tolist(), turns, strict=True))
        groups = [jobs[start : start + batch] for start in range(0, len(jobs), batch)]
        with ThreadPoolExecutor(THREADS) as pool:
            coming = [pool.submit(self._cut, *job) for job in groups[0]]
            for following in (*groups[1:], []):
                squares = [one.result() for one in coming]
                coming = [pool.submit(self._cut, *job) for job in following]
                first, second = zip(*squares, strict=True)
                yield _floats(first), _floats(second)

    def _cut(self, number: int, turn: Turn) -> tuple["ByteImage", "ByteImage"]:
        first, second = self._photos(number)
        return turn.of(first, self._crop), turn.of(second, self._crop)

    def _photos(self, number: int) -> tuple["ByteImage", "ByteImage"]:
        if kept := self._kept.get(number):
            return kept
        paths = self._pairs[number].paths
        photos = load_rgb(paths["original"]), load_rgb(paths["bokeh"])
        size = photos[0].nbytes + photos[1].nbytes
        with self._lock:
            if number not in self._kept and size <= self._left:
                self._kept[number] = photos
                self._left -= size
        return photos


def _floats(squares: Sequence["ByteImage"]) -> "NDArray[np.float32]":
    return np.stack(squares).astype(np.float32) / np.float32(255)
