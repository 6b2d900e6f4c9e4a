"""Training a model of the zoo by its recipe, epoch by epoch, from a state that can be kept."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from bokehbench import zoo
from bokehbench.errors import DatasetError, ZooError
from bokehbench.fidelity.images import load_rgb
from bokehbench.fidelity.pairs import Dataset, Pair
from bokehbench.fidelity.protocols import get_protocol
from bokehbench.fidelity.scoring import Scorer
from bokehbench.zoo.crops import Crops, check_sizes
from bokehbench.zoo.progress import BEST, Epoch, State, load_state, save_state
from bokehbench.zoo.recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALIDATION_SIDE = 1024
"""Rows and columns of a validation photo that are looked at, at most: its middle."""

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how many steps of it are done, and how many there are."""


@dataclass(frozen=True)
class Plan:
    """What a training is told.

    Attributes:
        recipe: of the model.
        train: pairs to train on.
        validation: pairs that PSNR and SSIM are measured on, none of them in `train`.
        digest: of the datasets, to tell whether they have changed.
        epochs: of the whole training, the resumed part included.
    """

    recipe: Recipe
    train: Sequence[Pair]
    validation: Sequence[Pair]
    digest: str
    epochs: int
    batch: int
    crop: int
    seed: int

    def check(self) -> None:
        """Whether this can be trained.

        Raises:
            ZooError: the crop does not suit the model.
            DatasetError: a photo is too small, or those of a pair differ in size.
        """
        zoo.check_size(zoo.find(self.recipe.name), self.crop, self.crop)
        check_sizes(self.train, (self.crop, self.crop))

    @property
    def told(self) -> dict[str, Any]:
        """What decides the course of the training."""
        recipe = asdict(self.recipe)
        return {
            "name": self.recipe.name,
            "loss": recipe["loss"],
            "rate": self.recipe.rate,
            "epochs": self.epochs,
            "batch": self.batch,
            "crop": self.crop,
            "seed": self.seed,
            "pairs": len(self.train),
            "validation_pairs": len(self.validation),
            "digest": self.digest,
        }


def hold_out(dataset: Dataset, count: int, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on, and `count` others, chosen by the seed.

    Raises:
        DatasetError: nothing would be left to train on.
    """
    if count >= len(dataset.pairs):
        raise DatasetError(
            f"{dataset.name} has {len(dataset.pairs)} pairs; with {count} for validation none is "
            "left to train on"
        )
    order = np.random.default_rng([seed, 1]).permutation(len(dataset.pairs))
    chosen = set(order[:count].tolist())
    train = [pair for number, pair in enumerate(dataset.pairs) if number not in chosen]
    return train, [dataset.pairs[number] for number in sorted(chosen)]


class Training:
    """One training: `epochs()` goes on from where the folder's state is, to the plan's end."""

    def __init__(self, plan: Plan, folder: Path, *, resume: bool, tell: Tell) -> None:
        """Build the model and its optimizer, and the state that is gone on from.

        Raises:
            ZooError: the folder holds a training already, or none to go on with, or another one.
            EngineMissing: TensorFlow is not installed.
        """
        self.plan = plan
        self._folder = folder
        self._tell = tell
        kept = self._kept(resume)
        name = plan.recipe.name
        zoo.module_of(zoo.find(name))
        import keras

        from bokehbench.zoo.losses import total

        self._model = zoo.build(name, plan.crop, plan.crop, seed=plan.seed)
        self._optimizer = keras.optimizers.Adam(plan.recipe.rate)
        self._optimizer.build(self._model.trainable_variables)
        self._step = _compiled(self._model, self._optimizer, plan.recipe.loss, total)
        self._crops = Crops(plan.train, plan.crop, plan.seed)
        self._judge = _Judge(name, plan.validation)
        if kept is not None:
            self._restore(kept)
        self.state = kept or State(plan.told, (), self._judge.unchanged(tell), (), ())

    def _kept(self, resume: bool) -> State | None:
        from bokehbench.zoo.progress import STATE

        if not resume:
            if (self._folder / STATE).exists():
                raise ZooError(
                    f"{self._folder}: holds a training already; --resume goes on with it, or give "
                    "another folder"
                )
            return None
        kept, told = load_state(self._folder), self.plan.told
        changed = [key for key in told if kept.told.get(key) != told[key]]
        if changed:
            words = ", ".join(f"{key} was {kept.told.get(key)}" for key in changed)
            raise ZooError(f"{self._folder}: that training was told something else: {words}")
        return kept

    def _restore(self, kept: State) -> None:
        try:
            self._model.set_weights(list(kept.weights))
            for variable, value in zip(self._optimizer.variables, kept.slots, strict=True):
                variable.assign(value)
        except ValueError as error:
            raise ZooError(
                f"{self._folder}: the state does not fit the model; was it made by another version?"
            ) from error

    def epochs(self) -> Iterator[Epoch]:
        """Train an epoch, measure, keep the state; until the plan's last epoch.

        Raises:
            DatasetError: a photo can't be read.
            ZooError: the loss is not finite, or the folder can't be written.
        """
        from bokehbench.zoo.weights import save_weights

        for number in range(len(self.state.log), self.plan.epochs):
            started = time.monotonic()
            rate, loss = self._train(number)
            psnr, ssim = self._judge.scores(self._model.get_weights(), self._tell)
            epoch = Epoch(number + 1, rate, loss, psnr, ssim, time.monotonic() - started)
            before = self.state.best
            if before is None or psnr > before.psnr:
                save_weights(self._model, self._folder / BEST)
            self.state = State(
                self.plan.told,
                (*self.state.log, epoch),
                self.state.unchanged,
                self._model.get_weights(),
                [variable.value.numpy() for variable in self._optimizer.variables],
            )
            save_state(self._folder, self.state)
            yield epoch

    def _train(self, number: int) -> tuple[float, float]:
        """One epoch; its learning rate and mean loss."""
        plan = self.plan
        rate = plan.recipe.rate_at(number, plan.epochs)
        self._optimizer.learning_rate.assign(rate)
        steps, losses = self._crops.steps(plan.batch), []
        for done, (image, target) in enumerate(self._crops.batches(number, plan.batch)):
            self._tell(f"epoch {number + 1}/{plan.epochs}", done, steps)
            losses.append(float(self._step(image, target)))
            if not np.isfinite(losses[-1]):
                raise ZooError(
                    f"epoch {number + 1}: the loss is no longer finite; the state of the last "
                    "whole epoch is kept; begin anew with another --seed"
                )
        return rate, float(np.mean(losses))


def _compiled(model: Any, optimizer: Any, parts: Any, total: Callable[..., Any]) -> Any:
    import tensorflow as tf

    def step(image: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = total(parts, model({"image": image}, training=True)["bokeh"], target)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return tf.function(step)


class _Judge:
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

    def unchanged(self, tell: Tell) -> tuple[float, float]:
        """Mean PSNR in dB and SSIM of the inputs themselves."""
        return self._mean(lambda image: image, "the unchanged photos", tell)

    def scores(self, weights: Any, tell: Tell) -> tuple[float, float]:
        """The same of the model's outputs, clipped and rounded to 8 bits."""
        self._model.set_weights(weights)
        return self._mean(self._rendered, "validation", tell)

    def _rendered(self, image: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        output = self._run(image[None].astype(np.float32) / np.float32(255))[0].numpy()
        pixels: NDArray[np.uint8] = np.rint(np.clip(output, 0.0, 1.0) * 255.0).astype(np.uint8)
        return pixels

    def _mean(
        self,
        rendered: Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"],
        what: str,
        tell: Tell,
    ) -> tuple[float, float]:
        found = []
        for number, pair in enumerate(self._pairs):
            tell(what, number, len(self._pairs))
            image, target = (self._middle(load_rgb(pair.paths[r])) for r in ("original", "bokeh"))
            score = self._scorer.score(rendered(image), target)
            # Equal pictures have no finite PSNR; 8 bits can't tell more than this from them.
            found.append((100.0 if score.psnr is None else score.psnr, score.ssim))
        psnr, ssim = np.mean(found, axis=0)
        return float(psnr), float(ssim)

    def _middle(self, image: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
        top, left = (
            (have - want) // 2 for have, want in zip(image.shape, self._size, strict=False)
        )
        return np.ascontiguousarray(image[top : top + self._size[0], left : left + self._size[1]])
