"""Evidence, trials and derived values for the store: small, with a value in every corner."""

from typing import Any

from msgspec.structs import replace

from bokehbench.facts import (
    Conditions,
    Derived,
    Evidence,
    Fidelity,
    ImageScore,
    Latency,
    MeasurementProtocol,
    TensorFacts,
    Trial,
)
from bokehbench.store import Store
from tests.support import evidence as usual

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
    return usual.make_evidence(
        "gpu",
        record_id=record_id,
        run_id=run_id,
        created=created,
        label=label,
        model=usual.make_model(
            name="bokeh 模型",
            sha256=model_sha256,
            signature=None,
            inputs=(TENSOR,),
            outputs=(TENSOR,),
            ops={"CONV_2D": 3, "ADD": 1},
        ),
        device=usual.make_device(address="SERIAL", device_id=device_id),
        # A whole number where a float belongs: what is read back must hash alike.
        protocol=MeasurementProtocol(
            name="quick", processes=2, warmups=1, runs=3, min_runs=1, max_seconds=10
        ),
        timing_shape=(1, 1024, 1536, 3),
        fidelity_protocol="none",
        trials=(),
        finished=False,
    )


def make_trial(index: int = 0, log_sha256: str | None = None) -> Trial:
    """A timed trial; every third one failed."""
    make = usual.failed_trial if index % 3 == 2 else usual.make_trial
    trial = make("gpu", index=index)
    return replace(trial, wall_ns=2**53 + index, invoke_ns=(1, 2, 3), log_sha256=log_sha256)


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
