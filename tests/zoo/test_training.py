"""Training really trains, goes on where it was, and refuses what it can't go on with."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bokehbench import zoo
from bokehbench.errors import DatasetError, ZooError
from bokehbench.fidelity.pairs import Dataset, open_dataset
from bokehbench.zoo.crops import Crops, check_sizes
from bokehbench.zoo.progress import BEST, STATE, Measured, load_state
from bokehbench.zoo.recipes import RECIPES, find_recipe
from bokehbench.zoo.training import Plan, Training
from bokehbench.zoo.validation import Judge, hold_out

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
    unchanged, best = training.state.unchanged.psnr, training.state.best
    assert best is not None
    assert best.psnr is not None
    assert unchanged is not None
    print(f"held out: {unchanged:.2f} dB unchanged, {best.psnr:.2f} dB after epoch {best.epoch}")
    assert best.psnr > unchanged + 0.5
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 1
    assert (tmp_path / "log.csv").read_text().count("\n") == 37


def crop_sums(training: Training, fed: list[float], *, stop_after: int = 1 << 30) -> None:
    """Note the sum of each batch that is trained on; Ctrl-C when that many were."""
    step = training._step

    def noted(image: Any, target: Any) -> Any:
        if len(fed) >= stop_after:
            raise KeyboardInterrupt
        fed.append(float(image.sum() + target.sum()))
        return step(image, target)

    training._step = noted


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_an_interrupted_training_goes_on_as_one_that_was_not(
    dataset: Dataset, tmp_path: Path, name: str
) -> None:
    # Two steps an epoch; the interruption comes in the middle of the second epoch.
    plan = replace(make_plan(dataset, 3, name, crop=64), batch=3)
    fed: list[float] = []
    first = Training(plan, tmp_path, resume=False, tell=quiet)
    crop_sums(first, fed, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        list(first.epochs())

    kept = load_state(tmp_path)
    assert [epoch.epoch for epoch in kept.log] == [1]
    assert any(np.any(slot) for slot in kept.slots[2:])
    again = Training(plan, tmp_path, resume=True, tell=quiet)
    for restored, saved in zip(again._model.get_weights(), kept.weights, strict=True):
        np.testing.assert_array_equal(restored, saved)
    for variable, saved in zip(again._optimizer.variables, kept.slots, strict=True):
        np.testing.assert_array_equal(variable.value.numpy(), saved)

    rest: list[float] = []
    crop_sums(again, rest)
    assert [epoch.epoch for epoch in again.epochs()] == [2, 3]
    straight = [
        float(image.sum() + target.sum())
        for number in range(3)
        for image, target in Crops(plan.train, plan.crop, plan.seed).batches(number, plan.batch)
    ]
    assert fed == straight[:3]
    assert rest == straight[2:]
    assert [epoch.rate for epoch in again.state.log] == [
        plan.recipe.rate_at(number, 3) for number in range(3)
    ]


@pytest.mark.usefixtures("tensorflow")
def test_the_best_weights_are_of_the_best_epoch_whatever_came_between(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bokehbench.zoo import weights

    plan = make_plan(dataset, 2, crop=64)
    training = Training(plan, tmp_path, resume=False, tell=quiet)

    def full(_model: Any, path: Path) -> None:
        raise ZooError(f"{path}: can't be written: No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(weights, "save_weights", full)
        with pytest.raises(ZooError, match="No space left"):
            next(training.epochs())
    assert not (tmp_path / BEST).exists()
    # The epoch is in the state all the same, and the file is made of it.
    again = Training(plan, tmp_path, resume=True, tell=quiet)
    model = zoo.build("antins_cv", 64, 64, seed=5)
    weights.load_weights(model, tmp_path / BEST)
    for one, other in zip(model.get_weights(), training.state.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    # An epoch that is worse leaves it so.
    monkeypatch.setattr(again._judge, "scores", lambda *_: Measured(1.0, 0.1, 0))
    (second,) = again.epochs()
    assert (second.epoch, again.state.best) == (2, again.state.log[0])
    for one, other in zip(load_state(tmp_path).best_weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("tensorflow")
def test_a_disk_that_fills_up_ends_in_one_sentence(tmp_path: Path) -> None:
    # The limit stands for a full disk: writes beyond it fail.
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from bokehbench import zoo\n"
        "from bokehbench.errors import ZooError\n"
        "from bokehbench.zoo.weights import save_weights\n"
        "model = zoo.build('antins_cv', 64, 64)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    save_weights(model, Path(sys.argv[1]))\n"
        "except ZooError as error:\n"
        "    print(error)\n"
    )
    path = tmp_path / BEST
    path.write_bytes(b"the best so far")
    ended = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{path}: can't be written: File too large\n"
    assert [file.name for file in tmp_path.iterdir()] == [BEST]
    assert path.read_bytes() == b"the best so far"


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_the_room_that_is_asked_for_holds_the_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bokehbench.zoo import weights

    asked: list[int] = []
    monkeypatch.setattr(weights, "_make_room", lambda _part, size_bytes: asked.append(size_bytes))
    weights.save_weights(zoo.build(name, 64, 64), tmp_path / BEST)
    size_bytes = (tmp_path / BEST).stat().st_size
    print(f"{name}: {size_bytes} bytes, {asked[0]} asked for")
    assert size_bytes < asked[0] < 1.1 * size_bytes + 200_000


def test_a_folder_that_can_not_be_written_is_refused_before_anything_is_measured(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(_entry: object) -> None:
        raise AssertionError

    monkeypatch.setattr(zoo, "module_of", too_late)
    with pytest.raises(ZooError, match=r"missing: can't be written: No such file.*another folder"):
        Training(make_plan(dataset, 2), tmp_path / "missing", resume=False, tell=quiet)
    with pytest.raises(AssertionError):
        Training(make_plan(dataset, 2), tmp_path, resume=False, tell=quiet)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("tensorflow")
def test_equal_pictures_are_counted_and_kept_out_of_the_mean(
    dataset: Dataset, tmp_path: Path
) -> None:
    for role in ("original", "bokeh"):
        (tmp_path / role).mkdir()
        for number, pair in enumerate(dataset.pairs[:3]):
            source = pair.paths["original" if number == 1 else role]
            (tmp_path / role / f"{number}.png").write_bytes(source.read_bytes())
    pairs = open_dataset(tmp_path).pairs
    found = Judge("antins_cv", pairs).unchanged(quiet)
    rest = Judge("antins_cv", [pairs[0], pairs[2]]).unchanged(quiet)
    assert (found.identical, rest.identical) == (1, 0)
    assert found.psnr == rest.psnr
    assert found.ssim == pytest.approx((1 + 2 * rest.ssim) / 3)
    alone = Judge("antins_cv", [pairs[1]]).unchanged(quiet)
    assert (alone.psnr, alone.identical) == (None, 1)


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
        hold_out(dataset, 8, 0, apart(8))
    for role, side in (("original", 64), ("bokeh", 65)):
        (tmp_path / role).mkdir()
        Image.new("RGB", (64, side)).save(tmp_path / role / "1.png")
    with pytest.raises(DatasetError, match=r"differ in size \(original 64x64, bokeh 65x64\)"):
        check_sizes(open_dataset(tmp_path).pairs, (32, 32))
    with pytest.raises(ZooError, match="there is no recipe to train it"):
        find_recipe("pynet")


def apart(count: int) -> list[list[int]]:
    """Groups of one."""
    return [[place] for place in range(count)]


def test_held_out_pairs_are_never_trained_on(dataset: Dataset) -> None:
    train, held = hold_out(dataset, 3, 9, apart(8))
    assert len(train) == 5
    assert len(held) == 3
    assert not {pair.name for pair in train} & {pair.name for pair in held}
    assert hold_out(dataset, 3, 9, apart(8))[1] == held
    assert hold_out(dataset, 3, 10, apart(8))[1] != held


def test_pairs_that_show_the_same_are_held_out_together(dataset: Dataset) -> None:
    together = [[0, 5], [1, 2, 7], [3], [4, 6]]
    for seed in range(20):
        train, held = hold_out(dataset, 3, seed, together)
        places = {pair.index for pair in held}
        assert 0 < len(places) <= 3
        assert len(train) == 8 - len(places)
        assert all(set(group) <= places or not set(group) & places for group in together)
    with pytest.raises(DatasetError, match="as another, 4 or more together; hold out at least 4"):
        hold_out(dataset, 3, 0, [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_rates_are_halved_as_the_recipe_says() -> None:
    recipe = find_recipe("antins_cv")
    assert [recipe.rate_at(epoch, 600) for epoch in (0, 119, 120, 599)] == [
        1e-3,
        1e-3,
        5e-4,
        1e-3 / 16,
    ]
    assert [recipe.rate_at(epoch, 60) for epoch in (0, 11, 12, 59)] == [1e-3, 1e-3, 5e-4, 1e-3 / 16]
