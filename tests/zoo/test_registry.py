"""Names, sizes and printed numbers of the zoo; what its modules owe each other."""

import importlib
import random
import subprocess
import sys

import numpy as np
import pytest

from bokehbench import zoo
from bokehbench.errors import EngineMissing, ZooError
from bokehbench.report.printed import read_printed


def test_the_registry_has_the_numbers_of_the_table() -> None:
    printed = {row["team"]: row for row in read_printed("mai22")["rows"]}
    assert {entry.team for entry in zoo.MODELS} == set(printed)
    for entry in zoo.MODELS:
        row = printed[entry.team]
        shown = [str(value) for value in (entry.size_mib, entry.cpu_ms, entry.gpu_ms)]
        assert shown == [str(row[key]) for key in ("size_mb", "cpu_ms", "gpu_ms")]


@pytest.mark.parametrize("name", ["PyNET", "zjut-vision", " vic "])
def test_names_are_found_as_people_write_them(name: str) -> None:
    assert zoo.find(name).name == name.strip().lower().replace("-", "_")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ZooError, match="unet: no such model in the zoo; known are antins_cv, "):
        zoo.find("unet")


@pytest.mark.parametrize(
    ("size", "nearest"),
    [((100, 64), "96x64"), ((0, 8), "8x8"), ((3, 3), "8x8"), ((8, 9000), "8x8192")],
)
def test_a_size_that_can_not_be_is_answered_with_the_nearest(
    size: tuple[int, int], nearest: str
) -> None:
    with pytest.raises(ZooError, match=f"{size[0]}x{size[1]}: .* nearest size is {nearest}$"):
        zoo.check_size(zoo.find("antins_cv"), *size)


def test_every_default_size_is_allowed() -> None:
    for entry in zoo.MODELS:
        zoo.check_size(entry, *entry.size)


def test_the_registry_needs_no_tensorflow() -> None:
    code = "import sys, bokehbench.zoo; sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_tensorflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(EngineMissing, match=r"pip install '\.\[zoo\]'"):
        zoo.build("antins_cv", 64, 64)


@pytest.mark.usefixtures("tensorflow")
def test_only_tensorflow_is_a_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ZooError, match="unset KERAS_BACKEND"):
        zoo.build("antins_cv", 64, 64)


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("entry", zoo.MODELS, ids=lambda entry: entry.name)
def test_every_model_holds_to_the_contract(
    entry: zoo.Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    # Random values for 106 million parameters take longer than all else here; whether weights
    # of both forms fit each other is seen on small models.
    for kind in (keras.initializers.GlorotUniform, keras.initializers.TruncatedNormal):
        monkeypatch.setattr(kind, "__call__", lambda _, shape, **_more: keras.ops.zeros(shape))
    side = max(entry.multiple, 32)
    model = zoo.build(entry.name, side, 2 * side, seed=3)
    assert list(model.input) == ["image"]
    assert list(model.output) == ["bokeh"]
    assert model.input["image"].shape == model.output["bokeh"].shape == (1, side, 2 * side, 3)
    assert model.input["image"].dtype == model.output["bokeh"].dtype == "float32"


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("name", ["antins_cv", "enerzai", "miaigo", "zjut_vision"])
def test_both_forms_have_the_same_weights(name: str) -> None:
    one = zoo.build(name, 32, 64, seed=3).get_weights()
    other = zoo.build(name, 32, 64, seed=3, friendly=True).get_weights()
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.usefixtures("tensorflow")
def test_weights_come_from_the_seed_alone() -> None:
    # The first import of TensorFlow draws from Python's generator; that is not our doing.
    importlib.import_module("keras")
    state = random.getstate()
    first = zoo.build("antins_cv", 64, 64, seed=1).get_weights()
    assert random.getstate() == state
    random.seed(7)
    again = zoo.build("antins_cv", 128, 64, seed=1).get_weights()
    other = zoo.build("antins_cv", 64, 64, seed=2).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))
