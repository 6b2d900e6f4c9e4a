"""Training really trains, goes on where it was, and refuses what it can't go on with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bokehbench.errors import DatasetError, ZooError
from bokehbench.fidelity.pairs import Dataset, open_dataset
from bokehbench.zoo.crops import Crops, check_sizes
from bokehbench.zoo.progress import BEST, STATE, load_state
from bokehbench.zoo.recipes import RECIPES, find_recipe
from bokehbench.zoo.training import Plan, Training, hold_out

# Keras asks TensorFlow's variables for arrays in a way that NumPy 2 no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EXAMPLES = Path(__file__).parents[2] / "examples" / "pairs"


def quiet(_what: str, _done: int, _steps: int) -> None:
    pass


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The example pairs at half their size."""
    folder = tmp_path_factory.mktemp("pairs")
    for role in ("original", "bokeh"):
        (folder / role).mkdir()
        for path in (EXAMPLES / role).iterdir():
            with Image.open(path) as image:
                image.reduce(2).save(folder / role / f"{path.stem}.png")
    return open_dataset(folder)


def make_plan(dataset: Dataset, epochs: int, name: str = "antins_cv", crop: int = 128) -> Plan:
    return Plan(
        recipe=find_recipe(name),
        train=dataset.pairs[:6],
        validation=dataset.pairs[6:],
        digest=dataset.digest,
        epochs=epochs,
        batch=8,
        crop=crop,
        seed=1,
    )


@pytest.mark.usefixtures("tensorflow")
def test_held_out_photos_come_nearer_to_the_wide_aperture(dataset: Dataset, tmp_path: Path) -> None:
    # Sixteen crops of each photo an epoch.
    plan = replace(make_plan(dataset, 36), train=dataset.pairs[:6] * 16)
    training = Training(plan, tmp_path, resume=False, tell=quiet)
    losses = [epoch.loss for epoch in training.epochs()]
    unchanged, best = training.state.unchanged[0], training.state.best
    assert best is not None
    print(f"held out: {unchanged:.2f} dB unchanged, {best.psnr:.2f} dB after epoch {best.epoch}")
    assert best.psnr > unchanged + 0.5
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 1
    assert (tmp_path / "log.csv").read_text().count("\n") == 37


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_an_interrupted_training_ends_as_one_that_was_not(
    dataset: Dataset, tmp_path: Path, name: str
) -> None:
    plan = make_plan(dataset, 3, name, crop=64)
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    whole.mkdir()
    parted.mkdir()
    straight = list(Training(plan, whole, resume=False, tell=quiet).epochs())
    first = Training(plan, parted, resume=False, tell=quiet)
    next(first.epochs())
    rest = list(Training(plan, parted, resume=True, tell=quiet).epochs())
    assert [epoch.epoch for epoch in rest] == [2, 3]
    assert (whole / BEST).stat().st_size == (parted / BEST).stat().st_size
    # Sums of several threads come in any order.
    for one, other in zip(load_state(whole).weights, load_state(parted).weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-3)
    assert rest[-1].psnr == pytest.approx(straight[-1].psnr, abs=0.05)


@pytest.mark.usefixtures("tensorflow")
def test_what_it_does_not_go_on_with(dataset: Dataset, tmp_path: Path) -> None:
    plan = make_plan(dataset, 2, crop=64)
    with pytest.raises(ZooError, match="no training to go on with"):
        Training(plan, tmp_path, resume=True, tell=quiet)
    next(Training(plan, tmp_path, resume=False, tell=quiet).epochs())
    with pytest.raises(ZooError, match="holds a training already; --resume"):
        Training(plan, tmp_path, resume=False, tell=quiet)
    with pytest.raises(ZooError, match="something else: crop was 64"):
        Training(make_plan(dataset, 2, crop=32), tmp_path, resume=True, tell=quiet)
    (tmp_path / STATE).write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ZooError, match=r"state\.npz: can't be read"):
        Training(plan, tmp_path, resume=True, tell=quiet)


def test_crops_depend_on_seed_and_epoch_alone(dataset: Dataset) -> None:
    def sums(crops: Crops, epoch: int) -> list[float]:
        return [float(image.sum()) for image, _target in crops.batches(epoch, 3)]

    first = sums(Crops(dataset.pairs, 48, 5), 2)
    assert sums(Crops(dataset.pairs, 48, 5, cache_bytes=0), 2) == first
    assert sums(Crops(dataset.pairs, 48, 6), 2) != first
    assert sums(Crops(dataset.pairs, 48, 5), 3) != first
    # Eight pairs in batches of three: the last is filled up.
    assert len(first) == 3


def test_both_photos_of_a_pair_are_cut_alike(dataset: Dataset, tmp_path: Path) -> None:
    for role in ("original", "bokeh"):
        (tmp_path / role).mkdir()
        for pair in dataset.pairs[:3]:
            (tmp_path / role / f"{pair.name}.png").write_bytes(pair.paths["original"].read_bytes())
    for image, target in Crops(open_dataset(tmp_path).pairs, 40, 0).batches(0, 3):
        assert image.shape == (3, 40, 40, 3)
        np.testing.assert_array_equal(image, target)


def test_pairs_that_can_not_be_trained_on(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="512x512 is smaller than 640x640"):
        check_sizes(dataset.pairs, (640, 640))
    with pytest.raises(DatasetError, match="none is left to train on"):
        hold_out(dataset, 8, 0)
    for role, side in (("original", 64), ("bokeh", 65)):
        (tmp_path / role).mkdir()
        Image.new("RGB", (64, side)).save(tmp_path / role / "1.png")
    with pytest.raises(DatasetError, match=r"differ in size \(original 64x64, bokeh 65x64\)"):
        check_sizes(open_dataset(tmp_path).pairs, (32, 32))
    with pytest.raises(ZooError, match="there is no recipe to train it"):
        find_recipe("pynet")


def test_held_out_pairs_are_never_trained_on(dataset: Dataset) -> None:
    train, held = hold_out(dataset, 3, 9)
    assert len(train) == 5
    assert len(held) == 3
    assert not {pair.name for pair in train} & {pair.name for pair in held}
    assert hold_out(dataset, 3, 9)[1] == held
    assert hold_out(dataset, 3, 10)[1] != held


def test_rates_are_halved_as_the_recipe_says() -> None:
    recipe = find_recipe("antins_cv")
    assert [recipe.rate_at(epoch, 600) for epoch in (0, 119, 120, 599)] == [
        1e-3,
        1e-3,
        5e-4,
        1e-3 / 16,
    ]
    assert [recipe.rate_at(epoch, 60) for epoch in (0, 11, 12, 59)] == [1e-3, 1e-3, 5e-4, 1e-3 / 16]
