"""Options of the GPU on LiteRT's WebGPU accelerator: kept, refused, and never passed over."""

from pathlib import Path

import pytest

from tests.native.bench import Bench, Outcome
from tests.native.test_runner import IMAGE, OUT
from tests.support import models

pytestmark = pytest.mark.real("lavapipe")

TOKEN = "ab12"


def gpu(bench: Bench, model: bytes | None = None, /, **changes: object) -> Outcome:
    arguments = {"backend": "gpu", **changes}
    return bench.run(model or models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"], **arguments)


def refused(outcome: Outcome, exit_code: int, code: str) -> str:
    error = outcome.one("error")
    assert (outcome.code, error["code"]) == (exit_code, code), error
    message: str = error["message"]
    return message


def test_the_interface_is_named(bench: Bench) -> None:
    for wanted in ("auto", "webgpu"):
        report = gpu(bench, gpu_backend=wanted).one("backend")
        assert report["gpu_api"] == "WebGPU"
        assert report["unsupported"] == []


@pytest.mark.parametrize(("wanted", "name"), [("opencl", "OpenCL"), ("opengl", "OpenGL")])
def test_an_interface_that_this_accelerator_has_not(bench: Bench, wanted: str, name: str) -> None:
    message = refused(gpu(bench, gpu_backend=wanted), 69, "delegate_failed")
    assert message == f"{name} was asked for and WebGPU was set up"


def test_what_litert_has_no_option_for_is_refused(bench: Bench) -> None:
    refusals: list[dict[str, object]] = [
        {"gpu_preference": "sustained_speed"},
        {"max_partitions": 2},
    ]
    for changes in refusals:
        assert "LiteRT has no such option" in refused(gpu(bench, **changes), 64, "usage")
        # The options are the GPU's: no other backend reads them.
        assert gpu(bench, **changes, backend="xnnpack").code == 0


def test_refused_operations_are_listed(bench: Bench) -> None:
    report = gpu(bench, models.with_normalisation()).one("backend")
    assert report["unsupported"] == [
        {"op": "L2_NORMALIZATION", "reason": "Operation is not supported."}
    ]


def test_kernels_are_kept_and_used(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    words = []
    for asked in ("warm", "warm", "cold", "none"):
        kept: dict[str, object] = (
            {} if asked == "none" else {"cache_dir": folder, "cache_token": TOKEN}
        )
        outcome = gpu(bench, cache=asked, **kept)
        assert outcome.code == 0, outcome.errors
        words.append(outcome.one("backend")["cache"])
        assert all(path.name.startswith(TOKEN) for path in folder.iterdir())
    assert words == ["cold", "warm", "cold", "none"]
    assert list(folder.iterdir())
    quoted = tmp_path / 'a "cache"'
    quoted.mkdir()
    outcome = gpu(bench, cache="warm", cache_dir=quoted, cache_token=TOKEN)
    assert "quotes" in refused(outcome, 64, "usage")
