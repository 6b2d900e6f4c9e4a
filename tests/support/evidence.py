"""Evidence and Records for tests: a phone, a model, five good processes; override anything."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec.structs import replace

from bokehbench.analysis import final_score, judge, status_of, summarize
from bokehbench.facts import (
    BackendReport,
    DatasetFacts,
    Derived,
    DeviceFacts,
    EngineFacts,
    Evidence,
    Failure,
    ImageScore,
    InputSpec,
    IoSpec,
    MeasurementProtocol,
    ModelFacts,
    OutputReport,
    OutputSpec,
    Record,
    RunnerFacts,
    TensorFacts,
    Trial,
)
from bokehbench.facts.trial import Backend, FailureKind
from bokehbench.fidelity import aggregate

SHAPE = (1, 1024, 1024, 3)


def make_report(backend: Backend = "xnnpack", **changes: Any) -> BackendReport:
    """What a sound engine says about `backend`."""
    gpu = backend == "gpu"
    report = BackendReport(
        name=backend,
        fully_accelerated=True if gpu else None,
        delegated_nodes=31 if gpu else None,
        total_nodes=31,
        adapter="Mali-G78" if gpu else None,
    )
    return replace(report, **changes)


def _bare_trial(backend: Backend, index: int, status: Literal["ok", "failed"]) -> Trial:
    return Trial(
        index=index,
        mode="time",
        backend=backend,
        status=status,
        started="2026-01-02T03:04:05Z",
        wall_ns=10**9,
    )


def make_trial(
    backend: Backend = "xnnpack",
    *,
    index: int = 0,
    ms: float = 20.0,
    runs: int = 20,
    **changes: Any,
) -> Trial:
    """One timed process that succeeded, all of its runs taking `ms`."""
    succeeded: dict[str, Any] = {
        "load_ns": 30_000_000,
        "warmup_ns": (int(3e6 * ms),),
        "invoke_ns": (int(1e6 * ms),) * runs,
        "region": "lock_write+run+lock_read",
        "report": make_report(backend),
        "output": OutputReport(sha256="0" * 64, shape=SHAPE, dtype="u8", nonfinite=0),
        "exit_code": 0,
    }
    return replace(_bare_trial(backend, index, "ok"), **(succeeded | changes))


def failed_trial(
    backend: Backend = "xnnpack",
    kind: FailureKind = "crash",
    message: str = "SIGSEGV",
    index: int = 0,
) -> Trial:
    """One timed process that failed."""
    failure = Failure(kind=kind, message=message)
    return replace(_bare_trial(backend, index, "failed"), failure=failure)


def make_trials(
    backend: Backend = "xnnpack", ms: float = 20.0, count: int = 5
) -> tuple[Trial, ...]:
    """`count` processes that succeeded."""
    return tuple(make_trial(backend, index=i, ms=ms) for i in range(count))


def make_images(
    psnr: float = 22.76, ssim: float = 0.8652, count: int = 2
) -> tuple[ImageScore, ...]:
    """`count` images that were scored, all with the same numbers."""
    return tuple(
        ImageScore(
            index=i, name=str(i), status="ok", sha256="1" * 64, nonfinite=0, psnr=psnr, ssim=ssim
        )
        for i in range(count)
    )


def make_dataset(pairs: int = 2) -> DatasetFacts:
    """The dataset of `make_images`."""
    return DatasetFacts(name="ebb", pairs=pairs, digest="d" * 64, sizes={"1024x1024": pairs})


def make_device(**changes: Any) -> DeviceFacts:
    """The challenge's phone."""
    device = DeviceFacts(
        address="usb:1",
        device_id="phone-1",
        platform="android",
        abi="arm64-v8a",
        manufacturer="HUAWEI",
        model="Mate 40 Pro",
        soc="Kirin 9000",
        gpu="Mali-G78",
    )
    return replace(device, **changes)


def make_model(**changes: Any) -> ModelFacts:
    """A small model."""
    tensor = TensorFacts(name="image", shape=SHAPE, dtype="float32")
    model = ModelFacts(
        name="tiny",
        file_name="tiny.tflite",
        sha256="a" * 64,
        size_bytes=63_000,
        signature="serving_default",
        signature_index=0,
        inputs=(tensor,),
        outputs=(tensor,),
        ops={"CONV_2D": 3},
        weights_bytes=50_000,
    )
    return replace(model, **changes)


def make_evidence(backend: Backend = "xnnpack", **changes: Any) -> Evidence:
    """A finished Record's evidence without images; `ranked` as it stands."""
    evidence = Evidence(
        record_id=f"record-{backend}",
        run_id="run-1",
        label=None,
        created="2026-01-02T03:04:05Z",
        bokehbench_version="0.1.0",
        model=make_model(),
        device=make_device(),
        engine=EngineFacts(name="litert", version="2.1.3", library_sha256="e" * 64),
        runner=RunnerFacts(protocol=1, target="arm64-v8a", sha256="f" * 64),
        launch="shell",
        backend=backend,
        precision="default",
        threads=4,
        core_mask=0,
        protocol=MeasurementProtocol(
            name="challenge", processes=5, warmups=1, runs=20, min_runs=1, max_seconds=60.0
        ),
        io=IoSpec(inputs=(InputSpec(tensor=0),), output=OutputSpec(tensor=0)),
        timing_shape=SHAPE,
        fidelity_protocol="mai22",
        trials=make_trials(backend),
        finished=True,
    )
    return replace(evidence, **changes)


def make_record(evidence: Evidence, *, same_shape: bool = True) -> Record:
    """The Record of some evidence, derived by the rules."""
    latency = summarize(evidence.trials, shape=evidence.timing_shape)
    fidelity = None
    if evidence.images:
        fidelity = aggregate(evidence.fidelity_protocol, evidence.images, same_shape)
    findings = judge(evidence, latency, fidelity)
    status = status_of(findings)
    score = None
    if status != "invalid" and fidelity and fidelity.psnr is not None and latency.median_ms:
        score = final_score(fidelity.psnr, latency.median_ms)
    derived = Derived(
        rules="test",
        status=status,
        reasons=tuple(finding.code for finding in findings),
        findings=findings,
        latency=latency,
        fidelity=fidelity,
        score=score,
        score_backend=evidence.backend if score is not None else None,
    )
    return Record(evidence=evidence, seal=evidence.seal(), derived=derived)


def quick_record(
    backend: Backend,
    *,
    label: str | None = None,
    ms: float = 20.0,
    psnr: float | None = None,
    ssim: float = 0.8652,
    trials: Sequence[Trial] | None = None,
    same_shape: bool = True,
    **changes: Any,
) -> Record:
    """A Record of `backend`, with two images if `psnr` is given."""
    if psnr is not None:
        changes = {"images": make_images(psnr, ssim), "dataset": make_dataset(), **changes}
    timed = make_trials(backend, ms) if trials is None else tuple(trials)
    evidence = make_evidence(backend, label=label, trials=timed, **changes)
    return make_record(evidence, same_shape=same_shape)
