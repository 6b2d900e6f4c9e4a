"""`bokehbench zoo train`: a model of the zoo, trained by its recipe."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bokehbench.cli.output import note, to_json
from bokehbench.cli.zoo_pairs import choose_pairs
from bokehbench.errors import UsageError
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.zoo.progress import State
    from bokehbench.zoo.training import Plan
    from bokehbench.zoo.validation import Tell

FORMAT = "bokehbench-zoo-train/1"


@click.command("train")
@click.argument("name")
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Pairs original/N.jpg and bokeh/N.jpg, of the same size.",
)
@click.option(
    "--validation",
    metavar="N|DIR",
    help="Pairs that are not trained on: so many of the dataset, or a folder.  [default: a tenth]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where weights, log and state go.  [default: NAME-training]",
)
@click.option("--epochs", type=click.IntRange(1, 100_000), help="[default: recipe's]")
@click.option("--batch", type=click.IntRange(1, 256), help="Crops a step.  [default: recipe's]")
@click.option("--crop", type=click.IntRange(32, 2048), help="Pixels.  [default: recipe's]")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all of it."
)
@click.option("--resume", is_flag=True, help="Go on after the last whole epoch in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def train_model(
    name: str,
    dataset: Path,
    validation: str | None,
    output: Path | None,
    epochs: int | None,
    batch: int | None,
    crop: int | None,
    seed: int,
    resume: bool,
    as_json: bool,
) -> None:
    """Train the model NAME on pairs of photos, on the CPU or the GPUs that TensorFlow sees.

    Loss, learning rate and its schedule are those of the challenge's report, as far as they are
    printed. After each epoch PSNR and SSIM are measured on pairs that are not trained on, and the
    state is kept: after Ctrl-C, --resume goes on.
    """
    from bokehbench.zoo import find
    from bokehbench.zoo.progress import BEST
    from bokehbench.zoo.recipes import find_recipe

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    recipe = find_recipe(find(name).name)
    plan = _plan(recipe.name, dataset, validation, epochs, batch, crop, seed)
    folder = output or Path(f"{recipe.name}-training")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {folder}: can't be made: {error.strerror}") from error
    plan.check()
    state = _train(plan, folder, resume)
    if as_json:
        document = {
            "format": FORMAT,
            "folder": str(folder),
            "weights": str(folder / BEST),
            **state.told,
            "public": recipe.public,
            "chosen": recipe.chosen,
            "unchanged_psnr": state.unchanged.psnr,
            "unchanged_ssim": state.unchanged.ssim,
            "unchanged_identical": state.unchanged.identical,
            "best": asdict(state.best) if state.best else None,
            "log": [asdict(epoch) for epoch in state.log],
        }
        click.echo(to_json(document), nl=False)
        return
    for line in _screen(recipe.name, folder, state):
        click.echo(clean(line))


def _train(plan: "Plan", folder: Path, resume: bool) -> "State":
    from bokehbench.zoo.training import Training

    with _bars(plan.epochs) as (tell, say):
        training = Training(plan, folder, resume=resume, tell=tell)
        say(
            f"{'unchanged photos':<33} PSNR {_decibels(training.state.unchanged.psnr)}, "
            f"SSIM {training.state.unchanged.ssim:.4f}"
        )
        try:
            for epoch in training.epochs():
                say(
                    f"epoch {epoch.epoch:>4}/{plan.epochs}: loss {epoch.loss:>9.4f}, "
                    f"PSNR {_decibels(epoch.psnr)}, SSIM {epoch.ssim:.4f}, {epoch.seconds:.1f} s"
                )
        except KeyboardInterrupt:
            note(
                f"interrupted after {len(training.state.log)} whole epochs; the same command with "
                "--resume goes on"
            )
            raise
        return training.state


def _plan(
    name: str,
    folder: Path,
    validation: str | None,
    epochs: int | None,
    batch: int | None,
    crop: int | None,
    seed: int,
) -> "Plan":
    from bokehbench.zoo.recipes import find_recipe
    from bokehbench.zoo.training import Plan

    recipe = find_recipe(name)
    chosen = choose_pairs(folder, validation, seed)
    return Plan(
        recipe=recipe,
        train=chosen.train,
        validation=chosen.held,
        digest=chosen.digest,
        epochs=epochs or recipe.epochs,
        batch=batch or recipe.batch,
        crop=crop or recipe.crop,
        seed=seed,
    )


def _screen(name: str, folder: Path, state: "State") -> list[str]:
    from bokehbench.zoo.progress import BEST, LOG

    best = state.best
    assert best is not None
    before, pairs = state.unchanged, state.told["validation_pairs"]
    gain = f"{best.ssim - before.ssim:+.4f}"
    if best.psnr is not None and before.psnr is not None:
        gain = f"{best.psnr - before.psnr:+.3f} dB and {gain}"
    lines = [
        f"{name}: {_decibels(best.psnr)} and SSIM {best.ssim:.4f} on {pairs} pairs that were not "
        "trained on",
        f"unchanged photos: {_decibels(before.psnr)} and {before.ssim:.4f}; gain {gain}",
        f"weights of epoch {best.epoch}: {folder / BEST}; all epochs: {folder / LOG}",
        f"next: bokehbench zoo export {name} --weights {folder / BEST}",
    ]
    if best.identical or before.identical:
        lines.insert(
            2,
            f"equal to their reference, and left out of the mean PSNR: {best.identical} outputs, "
            f"{before.identical} unchanged photos",
        )
    return lines


def _decibels(psnr: float | None) -> str:
    return "infinite" if psnr is None else f"{psnr:.3f} dB"


@contextmanager
def _bars(epochs: int) -> "Iterator[tuple[Tell, Callable[[str], None]]]":
    """A bar on a terminal, and lines above it; elsewhere lines of ten epochs."""
    if not sys.stderr.isatty():
        said = 0

        def say(text: str) -> None:
            nonlocal said
            if said <= 1 or said % max(1, epochs // 10) == 0 or said == epochs:
                note(text)
            said += 1

        yield (lambda _what, _done, _all: None), say
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("")
        yield (
            lambda what, done, steps: bars.update(
                task, description=what, completed=done, total=steps
            ),
            lambda text: bars.console.print(clean(text), markup=False, highlight=False),
        )
