"""Training a model of the zoo by its recipe, epoch by epoch, from a state that can be kept."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bokehbench import zoo
from bokehbench.errors import ZooError
from bokehbench.fidelity.pairs import Pair
from bokehbench.zoo.crops import Crops, check_sizes
from bokehbench.zoo.progress import (
    BEST,
    STATE,
    Epoch,
    State,
    best_of,
    check_writable,
    load_state,
    save_state,
)
from bokehbench.zoo.recipes import Recipe
from bokehbench.zoo.validation import Judge, Tell


@dataclass(frozen=True)
class Plan:
    """What a training is told.

    Attributes:
        recipe: of the model.
        train: pairs to train on.
        validation: pairs that PSNR and SSIM are measured on, none of them in `train`.
        digest: of the datasets and of what was held out, to tell whether they have changed.
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


class Training:
    """One training: `epochs()` goes on from where the folder's state is, to the plan's end."""

    def __init__(self, plan: Plan, folder: Path, *, resume: bool, tell: Tell) -> None:
        """Build the model and its optimizer, and the state that is gone on from.

        Raises:
            ZooError: the folder holds a training already, or none to go on with, or another one;
                or it can't be written, which is found before TensorFlow starts.
            EngineMissing: TensorFlow is not installed.
        """
        self.plan = plan
        self._folder = folder
        self._tell = tell
        kept = self._kept(resume)
        check_writable(folder)
        name = plan.recipe.name
        zoo.module_of(zoo.find(name))
        import keras

        from bokehbench.zoo.losses import total

        self._model = zoo.build(name, plan.crop, plan.crop, seed=plan.seed)
        self._optimizer = keras.optimizers.Adam(plan.recipe.rate)
        self._optimizer.build(self._model.trainable_variables)
        self._step = _compiled(self._model, self._optimizer, plan.recipe.loss, total)
        self._crops = Crops(plan.train, plan.crop, plan.seed)
        self._judge = Judge(name, plan.validation)
        if kept is not None:
            self._restore(kept)
        self.state = kept or State(plan.told, (), self._judge.unchanged(tell), (), (), ())

    def _kept(self, resume: bool) -> State | None:
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
        from bokehbench.zoo.weights import save_weights

        try:
            # Whatever ended the training may have come between the state and this file.
            self._model.set_weights(list(kept.best_weights))
            save_weights(self._model, self._folder / BEST)
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
            weights = self._model.get_weights()
            found = self._judge.scores(weights, self._tell)
            epoch = Epoch(
                number + 1,
                rate,
                loss,
                found.psnr,
                found.ssim,
                time.monotonic() - started,
                found.identical,
            )
            log = (*self.state.log, epoch)
            better = best_of(log) is epoch
            self.state = State(
                self.plan.told,
                log,
                self.state.unchanged,
                weights,
                [variable.value.numpy() for variable in self._optimizer.variables],
                weights if better else self.state.best_weights,
            )
            save_state(self._folder, self.state)
            if better:
                save_weights(self._model, self._folder / BEST)
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
