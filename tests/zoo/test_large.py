"""The three large models: parameters of the whole ones, operators of thin ones of the same layout.

What the whole ones came to at full size is in docs/zoo.md, by `benchmarks/zoo.py`.
"""

import re
from pathlib import Path

import pytest

from bokehbench import zoo
from bokehbench.model.predict import forecast
from tests.zoo.small import GPU_2022, THIN, converted, kinds, thin

pytestmark = pytest.mark.usefixtures("tensorflow")

MIB = 1 << 20


@pytest.mark.parametrize("name", THIN)
def test_parameters_are_as_documented(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    # Random values for 106 million parameters take longer than all else here.
    for kind in (keras.initializers.GlorotUniform, keras.initializers.TruncatedNormal):
        monkeypatch.setattr(kind, "__call__", lambda _, shape, **_more: keras.ops.zeros(shape))
    entry = zoo.find(name)
    model = zoo.build(name, entry.multiple, 2 * entry.multiple)
    said = re.search(
        r"Parameters: ([\d,]+), that is ([\d.]+) MiB", zoo.module_of(entry).__doc__ or ""
    )
    assert said is not None
    assert model.count_params() == int(said[1].replace(",", ""))
    size_mib = model.count_params() * 4 / MIB
    assert size_mib == pytest.approx(float(said[2]), abs=0.006)
    assert size_mib == pytest.approx(entry.size_mib, rel=0.03)
    if name == "pynet":
        # model.py: 47,551,791 with a channel of depth and the images of levels 1 to 5.
        depth = 3 * 3 * 4 * 32
        images = sum(3 * 3 * channels * 3 + 3 for channels in (32, 64, 128, 256, 512))
        assert model.count_params() + depth + images == 47_551_791


def test_pynet_has_the_operators_of_its_port(tmp_path: Path) -> None:
    structure = converted(thin("pynet", friendly=False), tmp_path / "pynet.tflite")
    found = kinds(structure)
    assert {name: found[name] for name in ("CONV_2D", "MEAN", "TRANSPOSE_CONV", "MAX_POOL_2D")} == {
        "CONV_2D": 134,
        "MEAN": 152,
        "TRANSPOSE_CONV": 10,
        "MAX_POOL_2D": 4,
    }
    assert found["SQUARED_DIFFERENCE"] == found["RSQRT"] == 76
    assert forecast(structure, GPU_2022).prediction.outcome == "whole"


def test_vic_has_batches_which_gpu_delegates_do_not_take(tmp_path: Path) -> None:
    structure = converted(thin("vic", friendly=False), tmp_path / "vic.tflite")
    found = kinds(structure)
    assert found["BATCH_MATMUL"] == found["SOFTMAX"] == found["DEPTHWISE_CONV_2D"] == 9
    prediction = forecast(structure, GPU_2022).prediction
    assert prediction.outcome != "whole"
    assert any("BATCH_MATMUL" in line and "batch" in line for line in prediction.operators)


def test_sensebrain_has_the_operators_that_gpu_delegates_refuse(tmp_path: Path) -> None:
    structure = converted(thin("sensebrain", friendly=False), tmp_path / "sensebrain.tflite")
    found = kinds(structure)
    # Four transformer blocks; ten NAFNet blocks, and three SPLITs would be two in each.
    assert found["GELU"] == found["SOFTMAX"] == 4
    assert found["BATCH_MATMUL"] == 8
    assert found["SPLIT"] == 2 * found["DEPTHWISE_CONV_2D"] == 20
    assert found["TRANSPOSE"] > 0
    assert found["RESHAPE"] > 0
    prediction = forecast(structure, GPU_2022).prediction
    assert prediction.outcome != "whole"
    assert any("GELU" in line for line in prediction.operators)
