"""TFLite's GPU delegate without a GPU: a stand-in that behaves as it is told."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bokehbench.runners.outcome import failure_of, trial_of
from bokehbench.runners.protocol import parse_events
from tests.native.bench import Bench, Outcome
from tests.native.test_runner import IMAGE, OUT, random_bytes, unit
from tests.runners.test_protocol import SPEC
from tests.support import models
from tests.support.fake_tflite import GPU_LIBRARY, build_fake_tflite, with_behaviour

SEED = 5
ITEM = [f"0\tfile:out\tseed:{SEED}"]
WANT = unit(random_bytes(SEED, 0, 192)) / 2 + 0.25
GPU, XNNPACK = "TfLiteGpuDelegateV2", "TfLiteXNNPackDelegate"
TOKEN = "0123456789abcdef"

Fake = Callable[..., Outcome]


@pytest.fixture
def fake(bench: Bench) -> Fake:
    """Runs a model of the stand-in that has the given behaviour; the output is in `out`."""

    def run(behaviour: str, **changes: object) -> Outcome:
        library, _ = build_fake_tflite(bench.folder / "engine", behaviour)
        arguments: dict[str, object] = {
            "engine": "tflite",
            "engine_library": library,
            "engine_folder": library.parent,
            "backend": "gpu",
            "output_format": "f32",
            "precision": "default",
            **changes,
        }
        return bench.run(models.conv(), [IMAGE], OUT, ITEM, **arguments)

    return run


def share(name: str, delegated: int, total: int, partitions: int, kernels: int) -> dict[str, Any]:
    return {
        "name": name,
        "delegated_nodes": delegated,
        "total_nodes": total,
        "partitions": partitions,
        "kernels": kernels,
    }


def refused(outcome: Outcome, code: str) -> dict[str, Any]:
    error = outcome.one("error")
    assert (outcome.code, error["code"]) == (69, code), error
    assert not outcome.named("backend")
    return error


def test_a_sound_gpu_is_proven(bench: Bench, fake: Fake) -> None:
    outcome = fake("ok")
    assert outcome.code == 0, outcome.errors
    report = outcome.one("backend")
    assert (report["name"], report["delegate"], report["gpu_api"]) == ("gpu", GPU, "OpenCL")
    assert (report["delegated_nodes"], report["total_nodes"]) == (35, 35)
    assert (report["partitions"], report["fully_accelerated"]) == (1, True)
    assert report["delegates"] == [share(GPU, 35, 35, 1, 1)]
    assert (report["unsupported"], report["cache"]) == ([], "none")
    assert outcome.one("samples")["region"] == "invoke"
    reals = np.fromfile(bench.folder / "out", np.float32)
    np.testing.assert_allclose(reals, WANT, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "-1 0 100 1 1"),
        ({"precision": "fp32"}, "-1 0 100 1 1"),
        # As benchmark_model does: latency, then memory, then precision.
        ({"precision": "fp16"}, "-1 0 231 1 1"),
        ({"gpu_preference": "sustained_speed", "max_partitions": 7}, "-1 1 100 1 7"),
        ({"gpu_backend": "opencl"}, "-1 0 100 3 1"),
        ({"gpu_backend": "opengl"}, "-1 0 100 5 1"),
    ],
)
def test_the_delegate_is_told_every_option(
    fake: Fake, changes: dict[str, object], told: str
) -> None:
    outcome = fake("ok", **changes)
    assert outcome.code == 0, outcome.errors
    assert f"fake options of the delegate: {told}\n" in outcome.errors


def test_without_opencl_it_is_opengl(fake: Fake) -> None:
    report = fake("opengl").one("backend")
    assert report["gpu_api"] == "OpenGL"
    assert report["fully_accelerated"] is True
    assert any("Falling back to OpenGL" in line for line in report["log"])
    assert fake("ok", gpu_backend="opengl").one("backend")["gpu_api"] == "OpenGL"


def test_an_interface_that_was_forced_is_that_or_a_failure(fake: Fake) -> None:
    error = refused(fake("opengl", gpu_backend="opencl"), "delegate_failed")
    assert "Can not open OpenCL library" in error["message"]
    error = refused(fake("unforced", gpu_backend="opencl"), "delegate_failed")
    assert error["message"] == "OpenCL was asked for and OpenGL was set up"
    error = fake("ok", gpu_backend="webgpu").one("error")
    assert error["code"] == "usage"


def test_no_interface_at_all_is_no_backend(fake: Fake) -> None:
    error = refused(fake("no_gpu"), "backend_unavailable")
    assert "Can not open OpenCL library" in error["message"]
    assert "eglChooseConfig" in error["message"]


def test_a_part_is_counted_and_the_rest_named(fake: Fake) -> None:
    outcome = fake("partial", max_partitions=2)
    assert outcome.code == 0, outcome.errors
    report = outcome.one("backend")
    assert (report["delegated_nodes"], report["total_nodes"]) == (20, 35)
    assert report["fully_accelerated"] is False
    # XNNPACK takes what is left, by default, but for the last operation.
    assert report["delegates"] == [share(GPU, 20, 35, 4, 2), share(XNNPACK, 14, 17, 5, 2)]
    assert report["unsupported"] == [
        {"op": "GATHER", "reason": "Operation is not supported."},
        {"op": "RESIZE_BILINEAR", "reason": "Max version supported: 3. Requested version 4."},
    ]
    one = fake("partial").one("backend")
    assert (one["delegated_nodes"], one["delegates"][0]["kernels"]) == (12, 1)


def test_a_delegate_that_takes_nothing_is_no_gpu(fake: Fake) -> None:
    error = refused(fake("reject"), "op_unsupported")
    assert "none of the graph's 35 operations" in error["message"]
    assert "GATHER" in error["message"]
    assert [entry["op"] for entry in error["unsupported"]] == ["GATHER", "RESIZE_BILINEAR"]


def test_a_delegate_that_refuses_says_why(fake: Fake) -> None:
    error = refused(fake("refuse"), "delegate_failed")
    assert "Expected a 4D tensor of shape BxHxWxC but got 1x256" in error["message"]
    assert error["status"] == 2


def test_a_delegate_that_was_taken_back_is_no_gpu(fake: Fake) -> None:
    error = refused(fake("taken_back"), "delegate_failed")
    assert f"{GPU} was applied and taken back" in error["message"]


def test_a_delegate_that_shows_nothing_is_not_proven(fake: Fake) -> None:
    outcome = fake("opaque")
    assert outcome.code == 0, outcome.errors
    report = outcome.one("backend")
    assert (report["name"], report["delegate"], report["gpu_api"]) == ("gpu", None, None)
    assert report["delegated_nodes"] is None
    assert report["fully_accelerated"] is None
    assert report["delegates"] == []


def test_a_crash_while_loading_leaves_the_log(bench: Bench, fake: Fake) -> None:
    outcome = fake("crash")
    assert outcome.code == -11
    assert b'"backend"' not in outcome.output
    log = (bench.folder / "engine.log").read_text()
    assert "Created TensorFlow Lite delegate for GPU" in log
    stream = parse_events(outcome.output)
    failure = failure_of(SPEC, stream, exit_code=139, timed_out=False, log=log.encode())
    assert failure is not None
    assert (failure.kind, failure.message) == ("crash", "the runner crashed (SIGSEGV)")


def test_a_hang_ends_at_the_deadline(fake: Fake) -> None:
    outcome = fake("hang", deadline_ms=400)
    assert outcome.code == 124
    assert b'"done"' not in outcome.output


@pytest.mark.parametrize("behaviour", ["run_crash", "run_fail"])
def test_a_run_that_fails(fake: Fake, behaviour: str) -> None:
    outcome = fake(behaviour)
    if behaviour == "run_crash":
        assert outcome.code == -11
        assert b'"backend"' in outcome.output
        assert b'"samples"' not in outcome.output
    else:
        assert outcome.code == 70
        error = outcome.one("error")
        assert error["code"] == "invoke_failed"
        assert "clEnqueueNDRangeKernel - Out of resources" in error["message"]


def test_wrong_values_are_there_to_be_compared(bench: Bench, fake: Fake) -> None:
    assert fake("wrong").code == 0
    wrong = np.fromfile(bench.folder / "out", np.float32)
    np.testing.assert_allclose(wrong, 1 - WANT, rtol=0, atol=1e-6)
    # The same library is right on the CPU, so a comparison finds it.
    assert fake("wrong", backend="xnnpack").code == 0
    right = np.fromfile(bench.folder / "out", np.float32)
    np.testing.assert_allclose(right, WANT, rtol=0, atol=1e-6)


def test_nan_is_counted(fake: Fake) -> None:
    output = fake("nan").one("output")
    assert output["nonfinite"] == math.prod((8, 8, 3))
    assert (output["low"], output["high"]) == (None, None)


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, object]:
    """The arguments that name an empty cache."""
    folder = tmp_path / "cache"
    folder.mkdir()
    return {"cache_dir": folder, "cache_token": TOKEN}


def cache_of(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.errors
    word: str = outcome.one("backend")["cache"]
    return word


def test_cold_and_warm_are_what_happened(
    fake: Fake, cache: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    # Nothing is there yet: what was to be warm is cold.
    assert cache_of(fake("ok", cache="warm", **cache)) == "cold"
    assert [path.name for path in folder.iterdir()] == [f"{TOKEN}_42.bin"]
    warm = fake("ok", cache="warm", **cache)
    assert cache_of(warm) == "warm"
    assert any("from serialized data" in line for line in warm.one("backend")["log"])
    (folder / "left over").write_bytes(b"x")
    assert cache_of(fake("ok", cache="cold", **cache)) == "cold"
    assert [path.name for path in folder.iterdir()] == [f"{TOKEN}_42.bin"]
    # Kernels that the driver did not take are no warm start, whatever lies in the folder.
    assert cache_of(fake("stale_cache", cache="warm", **cache)) == "cold"
    assert cache_of(fake("ok", cache="none", **cache)) == "none"
    # OpenGL keeps none.
    assert cache_of(fake("opengl", cache="cold", **cache)) == "none"
    assert not list(folder.iterdir())


def test_a_cache_that_can_not_be_used_is_named(
    fake: Fake, cache: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    (folder / "a folder").mkdir()
    outcome = fake("ok", cache="cold", **cache)
    assert (outcome.code, outcome.one("error")["code"]) == (74, "io_error")
    assert "a folder" in outcome.one("error")["message"]
    outcome = fake("ok", cache="warm", cache_dir=tmp_path / "none", cache_token=TOKEN)
    assert (outcome.code, outcome.one("error")["code"]) == (74, "io_error")
    assert "none" in outcome.one("error")["message"]
    for wrong in ({"cache_dir": "-"}, {"cache_token": "-"}, {"cache_token": "../x"}):
        outcome = fake("ok", cache="warm", **{**cache, **wrong})
        assert (outcome.code, outcome.one("error")["code"]) == (64, "usage")
    # No other backend touches it.
    assert cache_of(fake("ok", backend="cpu", cache="cold", **cache)) == "none"
    assert (folder / "a folder").is_dir()


def test_a_gpu_library_that_is_not_there(bench: Bench) -> None:
    library, gpu_library = build_fake_tflite(bench.folder / "engine", "ok")
    gpu_library.unlink()
    words = bench.prepare(
        models.conv(),
        [IMAGE],
        OUT,
        ITEM,
        engine="tflite",
        engine_library=library,
        engine_folder=library.parent,
        backend="gpu",
    )
    error = refused(bench.command(words), "backend_unavailable")
    assert GPU_LIBRARY in error["message"]


def test_the_other_backends_of_the_same_library(fake: Fake) -> None:
    xnnpack = fake("ok", backend="xnnpack").one("backend")
    assert (xnnpack["delegate"], xnnpack["delegated_nodes"]) == (XNNPACK, 34)
    assert xnnpack["fully_accelerated"] is False
    # This library applies XNNPACK by itself: it is taken back, and the plan says so.
    cpu = fake("ok", backend="cpu").one("backend")
    assert (cpu["delegate"], cpu["delegates"]) == (None, [])
    assert (cpu["delegated_nodes"], cpu["total_nodes"]) == (0, 35)
    error = refused(fake("stubborn", backend="cpu"), "backend_unavailable")
    assert f"this library runs {XNNPACK} whatever is asked for" in error["message"]


def test_a_library_of_2_5(fake: Fake) -> None:
    """Delegates are applied while the interpreter is made, and nothing looks at the plan later."""
    report = fake("old").one("backend")
    assert (report["delegate"], report["delegated_nodes"]) == (GPU, 35)
    report = fake("old", backend="xnnpack").one("backend")
    assert (report["delegate"], report["delegated_nodes"]) == (XNNPACK, 34)
    error = refused(fake("old", backend="cpu"), "backend_unavailable")
    assert error["message"].startswith("nothing proves that no delegate ran")
    error = refused(fake("old", signature=1), "engine_unsupported")
    assert "no signatures" in error["message"]


def test_graphs_that_this_engine_can_not_run(fake: Fake) -> None:
    error = refused(fake("other_graph"), "engine_unsupported")
    assert "the litert engine runs the others" in error["message"]
    outcome = fake("ok", signature=1)
    assert (outcome.code, outcome.one("error")["code"]) == (65, "input_mismatch")
    outcome = fake("dynamic")
    assert outcome.one("error")["code"] == "input_mismatch"
    assert "known after a run only" in outcome.one("error")["message"]


def test_the_model_can_say_what_happens(bench: Bench) -> None:
    """Bytes after the end of a .tflite change its hash and nothing else."""
    library, _ = build_fake_tflite(bench.folder / "engine")
    arguments = {
        "engine": "tflite",
        "engine_library": library,
        "engine_folder": library.parent,
        "backend": "gpu",
    }
    model = with_behaviour(models.conv(), "refuse")
    outcome = bench.run(model, [IMAGE], OUT, ITEM, **arguments)
    refused(outcome, "delegate_failed")
    assert bench.run(model, [IMAGE], OUT, ITEM).code == 0


def test_the_host_keeps_all_of_it(fake: Fake) -> None:
    outcome = fake("partial", max_partitions=2)
    trial = trial_of(
        SPEC,
        parse_events(outcome.output),
        exit_code=0,
        timed_out=False,
        log=b"",
        started="now",
        wall_ns=1,
        events_sha256=None,
        log_sha256=None,
    )
    report = trial.report
    assert report is not None
    assert report.gpu_api == "OpenCL"
    assert [entry.op for entry in report.unsupported_ops] == ["GATHER", "RESIZE_BILINEAR"]
    assert [(d.name, d.delegated_nodes, d.kernels) for d in report.delegates] == [
        (GPU, 20, 2),
        (XNNPACK, 14, 2),
    ]
    failed = parse_events(fake("reject").output)
    failure = failure_of(SPEC, failed, exit_code=69, timed_out=False, log=b"")
    assert failure is not None
    assert failure.kind == "op_unsupported"
    assert [entry.op for entry in failure.unsupported_ops] == ["GATHER", "RESIZE_BILINEAR"]
