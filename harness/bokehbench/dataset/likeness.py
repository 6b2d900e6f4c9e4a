"""Which images show the same thing: perceptual hashes of the DCT, checked on small pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# Of 64 bits. Saving a photo again, resizing it or another exposure flip none to four; two
# photos of one kind of scene differ in twenty and more.
SAME_BITS = 8
# Hashes of different things collide; their small pictures don't correlate like this.
SAME_CORRELATION = 0.97
_SMALL = 32
_BLANK_LEVELS = 2.0


@dataclass(frozen=True)
class Print:
    """`code` is the perceptual hash; `small` a (16, 16) float32 picture, or None if blank."""

    code: int
    small: NDArray[np.float32] | None


def fingerprint(rgb: NDArray[np.uint8]) -> Print:
    """The print of an (H, W, 3) uint8 image: signs of its lowest 8 x 8 DCT coefficients."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    tiny = cv2.resize(gray, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)
    if float(tiny.std()) < _BLANK_LEVELS:
        return Print(0, None)
    low = cv2.dct(tiny)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    code = int.from_bytes(np.packbits(bits).tobytes(), "big")
    small = cv2.resize(tiny, (16, 16), interpolation=cv2.INTER_AREA)
    normal: NDArray[np.float32] = ((small - small.mean()) / (small.std() + 1e-6)).astype(np.float32)
    return Print(code, normal)


def alike(prints: Sequence[Print]) -> list[tuple[int, int]]:
    """Pairs of places (first < second) whose images show the same; blank ones are like none."""
    codes = np.array([one.code for one in prints], np.uint64)
    found = []
    for first, one in enumerate(prints):
        if one.small is None:
            continue
        near = np.flatnonzero(_bits(codes[first + 1 :] ^ codes[first]) <= SAME_BITS)
        for second in (first + 1 + int(place) for place in near):
            other = prints[second].small
            if other is not None and float((one.small * other).mean()) >= SAME_CORRELATION:
                found.append((first, second))
    return found


def _bits(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits are set in each."""
    as_bytes = values.view(np.uint8).reshape(-1, 8)
    return np.asarray(_COUNTS[as_bytes].sum(axis=1), np.int64)


_COUNTS = np.array([bin(value).count("1") for value in range(256)], np.int64)


def groups(count: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Places 0 to `count` - 1 in groups that the pairs connect, in order of their first."""
    leader = list(range(count))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for first, second in pairs:
        a, b = sorted((find(first), find(second)))
        leader[b] = a
    found: dict[int, list[int]] = {}
    for place in range(count):
        found.setdefault(find(place), []).append(place)
    return list(found.values())
