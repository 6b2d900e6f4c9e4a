"""How models of the zoo are trained: loss, learning rate and its schedule, as the report says.

What the report (arXiv:2211.06769) leaves open is chosen here, and each recipe says what that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bokehbench.errors import ZooError


@dataclass(frozen=True)
class Recipe:
    """One model's training.

    Attributes:
        name: the model's.
        loss: weights of the terms in `losses.TERMS`.
        rate: Adam's learning rate at the beginning.
        halve_every: epochs after which the rate is halved, again and again; 0 for never.
        epochs: rounds over all pairs, one crop a pair.
        batch: crops a step.
        crop: side of a crop in pixels.
        public: what of this the report says.
        chosen: what it does not say.
    """

    name: str
    loss: Mapping[str, float]
    rate: float
    halve_every: int
    epochs: int
    batch: int
    crop: int
    public: str
    chosen: str

    def rate_at(self, epoch: int, epochs: int) -> float:
        """The learning rate of an epoch, counted from 0.

        A training of fewer or more epochs than the recipe's halves the rate as many times, at the
        same shares of its length.
        """
        if not self.halve_every:
            return self.rate
        step = self.halve_every * epochs / self.epochs
        return self.rate * 0.5 ** int(epoch / step)


RECIPES: Final = (
    Recipe(
        "antins_cv",
        {"psnr": 1.0},
        1e-3,
        120,
        600,
        8,
        256,
        public="PSNR loss; Adam at 1e-3, halved every 120 of 600 epochs",
        chosen="PSNR of a batch as a whole; batches of 8 crops of 256 pixels",
    ),
    Recipe(
        "enerzai",
        {"l1": 1.0, "ms_ssim": 0.5, "perceptual": 0.1, "histogram": 0.1},
        1e-4,
        100,
        300,
        8,
        256,
        public="a loss of L1, MS-SSIM, perceptual and histogram terms",
        chosen="their weights 1, 0.5, 0.1 and 0.1; LPIPS-Alex v0.1 as the perceptual term; soft "
        "histograms of 64 bins a channel, compared cumulated; Adam at 1e-4, halved every 100 of "
        "300 epochs; batches of 8 crops of 256 pixels",
    ),
    Recipe(
        "miaigo",
        {"l1": 1.0, "ms_ssim": 0.2},
        1e-3,
        100,
        400,
        8,
        256,
        public="nothing that was found in print",
        chosen="L1 and MS-SSIM with weights 1 and 0.2; Adam at 1e-3, halved every 100 of 400 "
        "epochs; batches of 8 crops of 256 pixels",
    ),
)
"""The recipes that there are."""


def find_recipe(name: str) -> Recipe:
    """The recipe of that model.

    Raises:
        ZooError: there is none.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    known = ", ".join(recipe.name for recipe in RECIPES)
    raise ZooError(f"{name}: there is no recipe to train it; there are some for {known}")
