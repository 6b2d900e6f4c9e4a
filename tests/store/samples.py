"""Evidence, trials and derived values for tests; small but with a value in every corner."""

from typing import Any

from bokehbench.facts import (
    Conditions,
    Derived,
    DeviceFacts,
    EngineFacts,
    Evidence,
    Failure,
    Fidelity,
    ImageScore,
    InputSpec,
    IoSpec,
    Latency,
    MeasurementProtocol,
    ModelFacts,
    OutputSpec,
    RunnerFacts,
    TensorFacts,
    Trial,
)
from bokehbench.store import Store

TENSOR = TensorFacts(name="in\0put é", shape=(1, -1, -1, 3), dtype="float32")


def make_evidence(
    record_id: str = "r-one",
    run_id: str = "run-1",
    created: str = "2025-01-01T00:00:00Z",
    label: str | None = None,
    model_sha256: str = "ab" * 32,
    device_id: str = "phone",
) -> Evidence:
    """The start of a Record."""
    return Evidence(
        record_id=record_id,
        run_id=run_id,
        label=label,
        created=created,
        bokehbench_version="0",
        model=ModelFacts(
            name="bokeh 模型",
            file_name="bokeh.tflite",
            sha256=model_sha256,
            size_bytes=10,
            signature=None,
            signature_index=0,
            inputs=(TENSOR,),
            outputs=(TENSOR,),
            ops={"CONV_2D": 3, "ADD": 1},
            weights_bytes=7,
        ),
        device=DeviceFacts(
            address="SERIAL", device_id=device_id, platform="android", abi="arm64-v8a"
        ),
        engine=EngineFacts(name="tflite", version="2", library_sha256="cd" * 32),
        runner=RunnerFacts(protocol=1, target="arm64-v8a", sha256="ef" * 32),
        launch="adb",
        backend="gpu",
        precision="default",
        threads=4,
        core_mask=0,
        # A whole number where a float belongs: what is read back must hash alike.
        protocol=MeasurementProtocol(
            name="quick", processes=2, warmups=1, runs=3, min_runs=1, max_seconds=10
        ),
        io=IoSpec(inputs=(InputSpec(tensor=0),), output=OutputSpec(tensor=0)),
        timing_shape=(1, 1024, 1536, 3),
        fidelity_protocol="none",
    )


def make_trial(index: int = 0, log_sha256: str | None = None) -> Trial:
    """A timed trial; every third one failed."""
    failed = index % 3 == 2
    return Trial(
        index=index,
        mode="time",
        backend="gpu",
        status="failed" if failed else "ok",
        started="2025-01-01T00:00:01Z",
        wall_ns=2**53 + index,
        invoke_ns=(1, 2, 3),
        failure=Failure(kind="crash", message="SIGSEGV") if failed else None,
        log_sha256=log_sha256,
    )


IMAGE_TRIAL = Trial(
    index=9, mode="images", backend="gpu", status="ok", started="2025-01-01T00:00:09Z", wall_ns=1
)
SCORE = ImageScore(index=0, name="a.png", status="ok", psnr=23.456789012345678, ssim=0.5)
BEFORE = Conditions(when="before", at="2025-01-01T00:00:00Z", temperatures_celsius={"gpu": 31.5})


def make_derived(evidence: Evidence | None = None, median_ms: float = 12.5) -> Derived:
    """Derived values; their latency counts the trials of `evidence`."""
    return Derived(
        rules="1",
        status="provisional",
        reasons=("few",),
        findings=(),
        latency=Latency(median_ms=median_ms, processes=len(evidence.trials) if evidence else 0),
        fidelity=Fidelity(
            protocol="p",
            psnr=23.5,
            ssim=None,
            lpips=None,
            images=1,
            failed=0,
            identical=0,
            same_shape_as_timing=True,
            per_image=(SCORE,),
        ),
        score=4.25,
        score_backend="gpu",
    )


def sealed(store: Store, record_id: str = "r-one", **fields: Any) -> Evidence:
    """A sealed Record with one trial; its evidence."""
    store.begin_record(make_evidence(record_id, **fields))
    store.append(record_id, make_trial())
    evidence = store.read_open(record_id)
    return store.seal(record_id, evidence, make_derived(), finished=True).evidence
