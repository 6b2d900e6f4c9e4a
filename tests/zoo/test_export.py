"""Export: whole and checked files, in every precision; what goes wrong is told in one line."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bokehbench import zoo
from bokehbench.errors import BokehbenchError, DatasetError, RunError, ZooError
from bokehbench.model.describe import read_structure
from bokehbench.zoo.child import GIB, MARK, ask
from bokehbench.zoo.export import Export, Exported, export

pytestmark = [
    pytest.mark.usefixtures("tensorflow"),
    # TensorFlow and Keras warn of each other's code.
    pytest.mark.filterwarnings("ignore"),
]

SIDE = 64


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A larger and a smaller photo in EBB!'s layout."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "original").mkdir()
    rng = np.random.default_rng(5)
    for number, side in enumerate((96, 40)):
        pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "original" / f"{number}.png")
    return folder


def run(path: Path, image: np.ndarray) -> np.ndarray:
    """The file's answer, by LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_path=str(path), num_threads=1)
    engine.allocate_tensors()
    engine.set_tensor(engine.get_input_details()[0]["index"], image)
    engine.invoke()
    output: np.ndarray = engine.get_tensor(engine.get_output_details()[0]["index"])
    return output


def question(folder: Path, **changed: object) -> dict[str, Any]:
    """What the process that converts is asked: a small Antins_cv, with changes."""
    asked = {
        "name": "antins_cv",
        "height": SIDE,
        "width": 2 * SIDE,
        "seed": 4,
        "friendly": False,
        "precision": "fp32",
        "weights": None,
        "calibration": None,
        "part": str(folder / "model.tflite"),
        "output": str(folder / "model.tflite"),
    }
    return asked | {key: str(one) if isinstance(one, Path) else one for key, one in changed.items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The smallest model, by the real processes."""
    wanted = Export("antins_cv", SIDE, 2 * SIDE, seed=4)
    return export(wanted, tmp_path_factory.mktemp("exported") / "small.tflite")


def test_an_export_is_whole_checked_and_alone(exported: Exported) -> None:
    assert [path.name for path in exported.path.parent.iterdir()] == ["small.tflite"]
    assert exported.path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert exported.parameters == 14_724
    assert 0.055 <= exported.structure.size_mib <= 0.065
    assert {op.name for op in exported.structure.graph.ops} == {"CONV_2D", "DEPTH_TO_SPACE", "ADD"}
    signature = exported.structure.signatures[0]
    assert (list(signature.inputs), list(signature.outputs)) == (["image"], ["bokeh"])
    assert GIB // 10 < exported.export_peak_bytes < 2 * GIB
    assert 0 < exported.run_peak_bytes < exported.export_peak_bytes
    assert exported.output_min < exported.output_max


def test_an_output_that_is_the_same_everywhere_is_told(exported: Exported) -> None:
    from bokehbench.cli.zoo import _warnings

    assert not exported.constant
    assert _warnings(exported) == []
    flat = replace(exported, output_min=0.25, output_max=0.25)
    (told,) = _warnings(flat)
    assert told.startswith(f"{exported.path}: every value of the output is 0.25 for a picture of")


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_every_precision_says_what_the_model_says(
    exported: Exported, photos: Path, tmp_path: Path
) -> None:
    from bokehbench.zoo.convert import convert

    model = zoo.build("antins_cv", SIDE, 2 * SIDE, seed=4)
    image = np.random.default_rng(6).random((1, SIDE, 2 * SIDE, 3), np.float32)
    wanted = model({"image": image})["bokeh"].numpy()
    np.testing.assert_allclose(run(exported.path, image), wanted, atol=1e-5)

    half, whole = tmp_path / "fp16.tflite", tmp_path / "int8.tflite"
    convert(question(tmp_path, precision="fp16", part=half))
    assert np.abs(run(half, image) - wanted).max() < 2e-3
    answer = convert(question(tmp_path, precision="int8", calibration=photos, part=whole))
    assert answer == {"parameters": 14_724, "images": 2}
    assert np.sqrt(np.mean((run(whole, image) - wanted) ** 2)) < 0.03
    assert set(read_structure(half).weights) == {"float16"}
    assert set(read_structure(whole).weights) == {"int8", "int32"}
    assert exported.path.stat().st_size > half.stat().st_size > whole.stat().st_size


@pytest.mark.parametrize("friendly", [False, True])
def test_saved_weights_come_back_in_both_forms(tmp_path: Path, friendly: bool) -> None:
    from bokehbench.zoo.convert import convert
    from bokehbench.zoo.weights import save_weights

    model = zoo.build("antins_cv", SIDE, 2 * SIDE, seed=9)
    save_weights(model, tmp_path / "a.weights.h5")
    convert(question(tmp_path, weights=tmp_path / "a.weights.h5", friendly=friendly))
    image = np.random.default_rng(6).random((1, SIDE, 2 * SIDE, 3), np.float32)
    np.testing.assert_allclose(
        run(tmp_path / "model.tflite", image), model({"image": image})["bokeh"].numpy(), atol=1e-5
    )


def test_weights_that_can_not_be_used(tmp_path: Path) -> None:
    from bokehbench.zoo.weights import load_weights, save_weights

    model = zoo.build("antins_cv", SIDE, SIDE)
    other = tmp_path / "other.weights.h5"
    save_weights(zoo.build("miaigo", SIDE, SIDE), other)
    with pytest.raises(ZooError, match="these weights do not fit antins_cv"):
        load_weights(model, other)
    (tmp_path / "broken.weights.h5").write_bytes(b"no HDF5 at all")
    with pytest.raises(ZooError, match=r"broken\.weights\.h5: can't be read as HDF5"):
        load_weights(model, tmp_path / "broken.weights.h5")
    cut = tmp_path / "cut.weights.h5"
    cut.write_bytes(other.read_bytes()[:5000])
    with pytest.raises(ZooError, match=r"cut\.weights\.h5: "):
        load_weights(model, cut)
    with pytest.raises(ZooError, match="there is no such file"):
        load_weights(model, tmp_path / "none.weights.h5")
    with pytest.raises(ZooError, match=r"kept as \.weights\.h5"):
        load_weights(model, tmp_path / "model.keras")
    with pytest.raises(ZooError, match="can't be written"):
        save_weights(model, tmp_path / "missing" / "a.weights.h5")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Export("unet", 64, 64), "no such model in the zoo"),
        (Export("antins_cv", 60, 64), "nearest size is 64x64"),
        (Export("antins_cv", 64, 64, precision="int8"), "give --calibration DIR"),
        (Export("antins_cv", 64, 64, calibration=Path()), "goes with int8, not with fp32"),
    ],
)
def test_what_can_not_be_asked_for_is_refused_at_once(
    wanted: Export, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ZooError, match=words):
        export(wanted, tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())


def test_calibration_needs_photos(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_bytes(b"no image")
    for folder, words in (("empty", "has no JPEG"), ("bad", "not a JPEG"), ("none", "no folder")):
        wanted = Export("antins_cv", 8, 8, precision="int8", calibration=tmp_path / folder)
        with pytest.raises(DatasetError, match=words):
            export(wanted, tmp_path / "a.tflite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "empty"]


@pytest.mark.parametrize("place", ["missing/a.tflite", ".", "/dev/null"])
def test_a_file_that_can_not_be_written_is_refused_before_anything_is_built(
    place: str, tmp_path: Path
) -> None:
    with pytest.raises(ZooError, match="file"):
        export(Export("antins_cv", 8, 8), tmp_path / place)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    from bokehbench.zoo.convert import convert

    goal = tmp_path / "a.tflite"
    goal.write_bytes(b"the old one")
    with pytest.raises(ZooError, match=r"a\.tflite: can't be written: no space left on the disk"):
        convert(question(tmp_path, part="/dev/full", output=goal))
    assert goal.read_bytes() == b"the old one"


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"export_bytes": GIB // 2},
            r"exporting enerzai at 64x64: .*more than 0\.5 GiB of memory is needed",
        ),
        ({"seconds": 0.5}, "exporting enerzai at 64x64: not done within"),
    ],
)
def test_limits_end_an_export_and_leave_nothing(
    limits: dict[str, float], words: str, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=words):
        export(Export("enerzai", 64, 64), tmp_path / "a.tflite", **limits)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_outputs_that_are_not_finite_are_no_export(tmp_path: Path) -> None:
    from bokehbench.zoo.convert import convert
    from bokehbench.zoo.once import run_once
    from bokehbench.zoo.weights import save_weights

    model = zoo.build("antins_cv", 8, 8)
    model.set_weights([np.full_like(one, np.nan) for one in model.get_weights()])
    save_weights(model, tmp_path / "nan.weights.h5")
    convert(question(tmp_path, height=8, width=8, weights=tmp_path / "nan.weights.h5"))
    with pytest.raises(RunError, match="192 values that are not finite"):
        run_once(question(tmp_path))


def test_an_error_of_the_child_arrives_with_its_kind(tmp_path: Path) -> None:
    with pytest.raises(BokehbenchError) as caught:
        ask("bokehbench.zoo.once", {"part": str(tmp_path / "none")}, "running", GIB, 60, print)
    assert isinstance(caught.value, RunError)
    assert MARK.strip() not in str(caught.value)
    assert json.dumps(str(caught.value)).isascii()


def test_a_conversion_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    """Whoever asked is killed before its child has loaded TensorFlow."""
    asking = (
        "from pathlib import Path; from bokehbench.zoo.export import Export, export; "
        f"export(Export('enerzai', 64, 64), Path({str(tmp_path / 'a.tflite')!r}))"
    )
    parent = subprocess.Popen([sys.executable, "-c", asking])
    try:
        child = _until(lambda: _children(parent.pid), 30)
    finally:
        parent.kill()
        parent.wait()
    assert _until(lambda: not any(map(_alive, child)), 30)


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(word) for word in path.read_text().split()]
    # Past its exec, and past the start of its own watch over the parent.
    return [one for one in found if _threads(one) > 1]


def _threads(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except FileNotFoundError:
        return 0


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _until(ask: Callable[[], Any], seconds: float) -> Any:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        if found := ask():
            return found
        time.sleep(0.05)
    raise AssertionError("not within its time")
