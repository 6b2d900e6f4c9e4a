"""Pairs that are not trained on: which they are, and what a model makes of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from bokehbench import zoo
from bokehbench.errors import DatasetError
from bokehbench.facts import ImageScore
from bokehbench.fidelity.images import load_rgb
from bokehbench.fidelity.pairs import Dataset, Pair
from bokehbench.fidelity.protocols import get_protocol
from bokehbench.fidelity.scoring import Scorer, aggregate
from bokehbench.zoo.crops import check_sizes
from bokehbench.zoo.progress import Measured

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    ByteImage = NDArray[np.uint8]

VALIDATION_SIDE = 1024
"""Rows and columns of a validation photo that are looked at, at most: its middle."""

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how many steps of it are done, and how many there are."""


def hold_out(
    dataset: Dataset, count: int, seed: int, together: Sequence[Sequence[int]]
) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on, and up to `count` others, chosen by the seed; whole groups alone.

    Args:
        dataset: what the pairs are of.
        count: pairs to hold out, at most.
        seed: decides which.
        together: places of all pairs, in groups of those that show the same.

    Raises:
        DatasetError: nothing would be left to train on, or every group is larger than `count`.
    """
    if count >= len(dataset.pairs):
        raise DatasetError(
            f"{dataset.name} has {len(dataset.pairs)} pairs; with {count} for validation none is "
            "left to train on"
        )
    chosen: set[int] = set()
    for number in np.random.default_rng([seed, 1]).permutation(len(together)).tolist():
        if len(chosen) + len(together[number]) <= count:
            chosen.update(together[number])
    if not chosen:
        least = min(len(group) for group in together)
        raise DatasetError(
            f"{dataset.name}: every pair shows the same as another, {least} or more together; "
            f"hold out at least {least}, or remove duplicates"
        )
    train = [pair for number, pair in enumerate(dataset.pairs) if number not in chosen]
    return train, [dataset.pairs[number] for number in sorted(chosen)]


class Judge:
    """PSNR and SSIM over the validation pairs, of the middle of each photo."""

    def __init__(self, name: str, pairs: Sequence[Pair]) -> None:
        import tensorflow as tf

        step = zoo.find(name).multiple
        sides = check_sizes(pairs, (max(step, 32), max(step, 32)))
        self._size = [min(side, VALIDATION_SIDE) // step * step for side in sides]
        self._pairs = pairs
        # By the rules of the challenge; LPIPS is left out, which takes longer than the model.
        rules = msgspec.structs.replace(get_protocol("mai22"), lpips=None, ms_ssim=None)
        self._scorer = Scorer(rules)
        self._model = zoo.build(name, *self._size)
        self._run = tf.function(lambda image: self._model({"image": image})["bokeh"])

    def unchanged(self, tell: Tell) -> Measured:
        """What the inputs themselves score."""
        return self._mean(lambda image: image, "the unchanged photos", tell)

    def scores(self, weights: "Any", tell: Tell) -> Measured:
        """The same of the model's outputs, clipped and rounded to 8 bits."""
        self._model.set_weights(weights)
        return self._mean(self._rendered, "validation", tell)

    def _rendered(self, image: "ByteImage") -> "ByteImage":
        output = self._run(image[None].astype(np.float32) / np.float32(255))[0].numpy()
        pixels: ByteImage = np.rint(np.clip(output, 0.0, 1.0) * 255.0).astype(np.uint8)
        return pixels

    def _mean(
        self, rendered: Callable[["ByteImage"], "ByteImage"], what: str, tell: Tell
    ) -> Measured:
        found = []
        for number, pair in enumerate(self._pairs):
            tell(what, number, len(self._pairs))
            image, target = (self._middle(load_rgb(pair.paths[r])) for r in ("original", "bokeh"))
            score = self._scorer.score(rendered(image), target)
            found.append(
                ImageScore(
                    index=number,
                    name=pair.name,
                    status="ok",
                    psnr=score.psnr,
                    ssim=score.ssim,
                    identical=score.identical,
                )
            )
        means = aggregate(self._scorer.rules.name, found, same_shape=False)
        assert means.ssim is not None
        return Measured(means.psnr, means.ssim, means.identical)

    def _middle(self, image: "ByteImage") -> "ByteImage":
        top, left = (
            (have - want) // 2 for have, want in zip(image.shape, self._size, strict=False)
        )
        return np.ascontiguousarray(image[top : top + self._size[0], left : left + self._size[1]])
