"""Each finding: evidence that triggers it, and evidence just short of it."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from bokehbench.analysis import RULES, judge, status_of, summarize
from bokehbench.analysis.verdict import is_software_gpu
from bokehbench.facts import Conditions, Evidence, Finding, ImageScore
from bokehbench.fidelity import aggregate
from tests.support.evidence import (
    failed_trial,
    make_dataset,
    make_device,
    make_evidence,
    make_images,
    make_report,
    make_trial,
    make_trials,
)


def _judge(evidence: Evidence) -> dict[str, Finding]:
    fidelity = aggregate("mai22", evidence.images, True) if evidence.images else None
    findings = judge(evidence, summarize(evidence.trials), fidelity)
    return {finding.code: finding for finding in findings}


def _changed(trials: Sequence[Any], **changes: Any) -> tuple[Any, ...]:
    """The trials with the last one changed."""
    return (*trials[:-1], replace(trials[-1], **changes))


@pytest.mark.parametrize("backend", ["gpu", "xnnpack", "cpu"])
def test_sound_evidence_is_ranked(backend: Any) -> None:
    evidence = make_evidence(backend, images=make_images(), dataset=make_dataset())
    assert _judge(evidence) == {}
    assert status_of([]) == "ranked"


def test_status_is_that_of_the_worst_finding() -> None:
    def finding(effect: Any) -> Finding:
        return Finding(code="x", effect=effect, message="", advice="")

    assert status_of([finding("provisional")]) == "provisional"
    assert status_of([finding("provisional"), finding("invalid")]) == "invalid"


def test_every_rule_has_advice_and_findings_carry_it() -> None:
    assert all(rule.advice for rule in RULES.values())
    finding = _judge(make_evidence(trials=()))["trial_failed"]
    rule = RULES["trial_failed"]
    assert (finding.effect, finding.advice) == (rule.effect, rule.advice)


def test_trial_failed() -> None:
    found = _judge(make_evidence(trials=(failed_trial(message="SIGSEGV"), failed_trial())))
    assert set(found) == {"trial_failed"}
    assert found["trial_failed"].message == "crash: SIGSEGV"
    assert "trial_failed" in _judge(make_evidence(trials=()))
    assert "trial_failed" in _judge(make_evidence(trials=(make_trial(runs=0),)))
    one_good = (*make_trials(count=5), failed_trial())
    assert "trial_failed" not in _judge(make_evidence(trials=one_good))


@pytest.mark.parametrize(
    ("report", "proved"),
    [
        (None, False),
        ({"fully_accelerated": None, "delegated_nodes": None}, False),
        ({"fully_accelerated": False, "delegated_nodes": 0}, False),
        ({"fully_accelerated": None, "delegated_nodes": 1}, True),
        ({"fully_accelerated": True, "delegated_nodes": None}, True),
    ],
)
def test_no_gpu_proof(report: dict[str, Any] | None, proved: bool) -> None:
    made = None if report is None else make_report("gpu", **report)
    trials = _changed(make_trials("gpu"), report=made)
    assert ("no_gpu_proof" not in _judge(make_evidence("gpu", trials=trials))) == proved
    images = (make_trial("gpu", mode="images", report=made),)
    evidence = make_evidence("gpu", image_trials=images)
    assert ("no_gpu_proof" not in _judge(evidence)) == proved


def test_no_gpu_proof_is_asked_of_successful_gpu_trials_alone() -> None:
    trials = tuple(replace(trial, report=None) for trial in make_trials("xnnpack"))
    assert "no_gpu_proof" not in _judge(make_evidence("xnnpack", trials=trials))
    assert "no_gpu_proof" not in _judge(make_evidence("gpu", trials=(failed_trial("gpu"),)))


def test_fallback() -> None:
    trials = _changed(make_trials("gpu"), report=make_report("gpu", name="xnnpack"))
    found = _judge(make_evidence("gpu", trials=trials))
    assert found["fallback"].message == "gpu was asked for, xnnpack ran"
    assert found["fallback"].effect == "invalid"
    images = (make_trial(mode="images", report=make_report(name="cpu")),)
    assert "fallback" in _judge(make_evidence(image_trials=images))
    assert "fallback" not in _judge(make_evidence("gpu"))


def test_nan_output() -> None:
    trials = make_trials()
    output = trials[-1].output
    assert output is not None
    bad = _changed(trials, output=replace(output, nonfinite=1))
    assert _judge(make_evidence(trials=bad))["nan_output"].effect == "invalid"
    images = make_images()
    one = (replace(images[0], nonfinite=3), images[1])
    assert "nan_output" in _judge(make_evidence(images=one))
    unknown = (replace(images[0], nonfinite=None), images[1])
    assert "nan_output" not in _judge(make_evidence(images=unknown))


@pytest.mark.parametrize(
    ("adapter", "software"),
    [
        ("llvmpipe (LLVM 15.0, 256 bits)", True),
        ("LavaPipe", True),
        ("Google SwiftShader", True),
        ("SOFTPIPE", True),
        ("Mali-G78", False),
        ("llvm pipe", False),
    ],
)
def test_software_gpu(adapter: str, software: bool) -> None:
    trials = _changed(make_trials("gpu"), report=make_report("gpu", adapter=adapter))
    evidence = make_evidence("gpu", trials=trials)
    found = _judge(evidence)
    assert ("software_gpu" in found) == software == is_software_gpu(evidence)
    if software:
        assert found["software_gpu"].effect == "provisional"


def test_software_gpu_by_the_device_where_the_engine_names_no_adapter() -> None:
    device = make_device(gpu="llvmpipe")
    silent = tuple(
        replace(trial, report=make_report("gpu", adapter=None)) for trial in make_trials("gpu")
    )
    assert "software_gpu" in _judge(make_evidence("gpu", device=device, trials=silent))
    assert "software_gpu" not in _judge(make_evidence("gpu", device=device))
    assert "software_gpu" not in _judge(make_evidence("xnnpack", device=device))


@pytest.mark.parametrize(
    ("processes", "runs", "few"),
    [(5, 13, False), (5, 12, True), (4, 100, True), (64, 1, False), (63, 1, True)],
)
def test_too_few_samples(processes: int, runs: int, few: bool) -> None:
    trials = tuple(make_trial(index=i, runs=runs) for i in range(processes))
    found = _judge(make_evidence(trials=trials))
    assert ("too_few_samples" in found) == few
    if few:
        assert found["too_few_samples"].effect == "provisional"


def test_one_of_a_kind_is_called_one() -> None:
    found = _judge(make_evidence(trials=(make_trial(index=0, runs=1),)))
    assert found["too_few_samples"].message == "1 sample of 1 process"


def _image(**changes: Any) -> ImageScore:
    return replace(make_images()[1], **changes)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"finished": False}, "the run has not finished"),
        ({"trials": (*make_trials(), failed_trial())}, "1 of 6 timed trials failed"),
        (
            {
                "images": (make_images()[0], _image(status="failed", psnr=None, ssim=None)),
                "dataset": make_dataset(),
            },
            "1 image failed",
        ),
        (
            {"images": make_images(), "dataset": make_dataset(3)},
            "1 of 3 images were not scored",
        ),
        (
            {"images": make_images()[:1], "dataset": make_dataset(3)},
            "2 of 3 images were not scored",
        ),
    ],
)
def test_incomplete(changes: dict[str, Any], part: str) -> None:
    found = _judge(make_evidence(**changes))
    assert set(found) == {"incomplete"}
    assert found["incomplete"].message == part
    assert found["incomplete"].effect == "provisional"


def test_no_image_scored() -> None:
    failed = _image(status="failed", psnr=None, ssim=None, failure="cut")
    found = _judge(make_evidence(images=(failed,), dataset=make_dataset(1)))
    assert found["no_image_scored"].effect == "invalid"
    assert found["no_image_scored"].message == "0 of 1 images could be scored: cut"
    one = _judge(make_evidence(images=(*make_images()[:1], failed), dataset=make_dataset()))
    assert "no_image_scored" not in one
    # A run that has not finished may still come to its images.
    assert "no_image_scored" not in _judge(make_evidence(dataset=make_dataset(), finished=False))


def test_no_warmup() -> None:
    protocol = make_evidence().protocol
    cold = replace(protocol, warmups=0)
    assert _judge(make_evidence(protocol=cold))["no_warmup"].effect == "provisional"
    warm = replace(protocol, warmups=1)
    assert "no_warmup" not in _judge(make_evidence(protocol=warm))


def test_not_settled() -> None:
    for settled, expected in ((False, True), (True, False), (None, False)):
        conditions = (Conditions(when="before", at="", settled=settled, settle_seconds=60.0),)
        found = _judge(make_evidence(conditions=conditions))
        assert ("not_settled" in found) is expected


def test_a_run_cut_short_before_its_first_trial_has_not_failed() -> None:
    found = _judge(make_evidence(trials=(), finished=False))
    assert set(found) == {"incomplete"}
    assert "trial_failed" in _judge(make_evidence(trials=(), finished=True))


def test_complete() -> None:
    assert "incomplete" not in _judge(make_evidence(images=make_images(), dataset=make_dataset()))
    # All failed is another finding.
    assert "incomplete" not in _judge(make_evidence(trials=(failed_trial(),)))


def test_outputs_differ_between_processes() -> None:
    trials = make_trials()
    output = trials[-1].output
    assert output is not None
    other = _changed(trials, output=replace(output, sha256="2" * 64))
    found = _judge(make_evidence(trials=other))
    assert set(found) == {"outputs_differ_between_processes"}
    assert found["outputs_differ_between_processes"].effect == "provisional"
    unknown = _changed(trials, output=None)
    assert _judge(make_evidence(trials=unknown)) == {}
