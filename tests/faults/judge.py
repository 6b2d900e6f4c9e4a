"""Judge: what a run came to, and everything that must never happen in any."""

import hashlib
from dataclasses import dataclass

import msgspec

from bokehbench.errors import BokehbenchError
from bokehbench.facts import Conditions, DeviceFacts, Evidence, ImageScore, Trial
from bokehbench.runners.protocol import parse_events
from bokehbench.schedule import is_lost
from bokehbench.store import RecordFilter, Store
from tests.faults.world import PROTOCOL, Ran

EXIT_CODES = (2, 3, 4)


@dataclass(frozen=True)
class Truth:
    """What a run without faults found on a device; all that is measured is held against it."""

    facts: DeviceFacts
    output_sha256: str
    images: tuple[ImageScore, ...]
    psnr: float
    ssim: float
    conditions: Conditions


def truth_of(ran: Ran) -> Truth:
    """The truth, from a run that has to be perfect."""
    assert ran.outcome is not None, ran.refusal
    assert ran.facts is not None
    [record] = ran.outcome.records
    evidence, fidelity = record.evidence, record.derived.fidelity
    assert record.derived.status == "provisional", record.derived
    assert evidence.trials[0].output is not None
    assert fidelity is not None
    assert fidelity.psnr is not None
    assert fidelity.ssim is not None
    return Truth(
        facts=ran.facts,
        output_sha256=evidence.trials[0].output.sha256,
        images=evidence.images,
        psnr=fidelity.psnr,
        ssim=fidelity.ssim,
        conditions=evidence.conditions[0],
    )


def outcome_of(ran: Ran) -> str:
    """How a run ended, in the words of the table."""
    if ran.refusal is not None:
        return "refused"
    assert ran.outcome is not None
    trials = ran.witness.trials
    failed = sorted({t.failure.kind for t in trials if t.failure and not is_lost(t)})
    if ran.outcome.errors:
        return "resumable" + "".join(f", failed {kind}" for kind in failed)
    if failed:
        return f"failed {', '.join(failed)}"
    return "recovered" if any(map(is_lost, trials)) else "ok"


def problems_of(ran: Ran, store: Store, truth: Truth) -> list[str]:
    """What is wrong with what a run left behind; nothing may be."""
    found: list[str] = []
    error = ran.refusal
    if error is not None and error.exit_code not in EXIT_CODES:
        found.append(f"exit code {error.exit_code} of {error!r}")
    if error is not None and type(error) is BokehbenchError:
        found.append(f"an error of no kind: {error}")
    found += _strange_facts(ran, truth)
    evidence = stored_evidence(store, ran.run_id)
    kept = [trial for one in evidence for trial in (*one.trials, *one.image_trials)]
    lost = [trial for trial in ran.witness.trials if trial not in kept]
    found += [f"a lost result: {trial}" for trial in lost]
    scores = {score.index: score for one in evidence for score in one.images}
    for score in ran.witness.images:
        if scores.get(score.index) != score:
            found.append(f"a lost image: {score}")
    for trial in kept:
        found += _wrong_trial(trial, store, truth)
    for score in scores.values():
        if score.status == "ok":
            found += _wrong_image(score, truth)
    for one in evidence:
        for conditions in one.conditions:
            found += _strange_conditions(conditions, truth)
    for record in ran.outcome.records if ran.outcome else ():
        fidelity = record.derived.fidelity
        if fidelity and fidelity.images == len(truth.images) and not fidelity.failed:
            if (fidelity.psnr, fidelity.ssim) != (truth.psnr, truth.ssim):
                found.append(f"PSNR and SSIM {fidelity.psnr} {fidelity.ssim}")
        elif record.derived.status == "ranked":
            found.append(f"ranked without all images: {fidelity}")
    return found


def imperfect(ran: Ran, truth: Truth) -> list[str]:
    """What keeps a run from being as good as one that never met a fault."""
    if ran.outcome is None or ran.outcome.errors or ran.outcome.interrupted:
        return [f"the next run: {ran.refusal or ran.outcome}"]
    [record] = ran.outcome.records
    counted = [trial for trial in record.evidence.trials if not is_lost(trial)]
    fidelity = record.derived.fidelity
    failures = [f"the next run: {t.failure}" for t in ran.witness.trials if t.failure]
    if len(counted) != PROTOCOL.processes:
        failures.append(f"the next run: {len(counted)} processes")
    if fidelity is None or (fidelity.psnr, fidelity.failed) != (truth.psnr, 0):
        failures.append(f"the next run: {fidelity}")
    return failures


def stored_evidence(store: Store, run_id: str) -> list[Evidence]:
    """What a reader finds of a run in its store."""
    rows = list(store.list(RecordFilter(run_id=run_id)))
    return [
        store.get(row.record_id).evidence
        if row.state == "sealed"
        else store.read_open(row.record_id)
        for row in rows
    ]


def _strange_facts(ran: Ran, truth: Truth) -> list[str]:
    """A device may say less of itself than it could, but nothing that is not so."""
    if ran.facts is None:
        return []
    expected = msgspec.to_builtins(truth.facts)
    return [
        f"the device's {name} is {value!r}"
        for name, value in msgspec.to_builtins(ran.facts).items()
        if name != "address" and value != expected[name]
    ]


def _strange_conditions(found: Conditions, truth: Truth) -> list[str]:
    expected = truth.conditions
    steady = ("battery_percent", "battery_celsius", "plugged")
    strange = [
        f"{name} {getattr(found, name)}"
        for name in steady
        if getattr(found, name) not in (None, getattr(expected, name))
    ]
    if found.temperatures_celsius not in ({}, expected.temperatures_celsius):
        strange.append(f"temperatures {found.temperatures_celsius}")
    if found.cpu_khz not in ((), expected.cpu_khz):
        strange.append(f"clocks {found.cpu_khz}")
    return strange


def _wrong_trial(trial: Trial, store: Store, truth: Truth) -> list[str]:
    """A failed trial has no samples; a good one has those that the runner sent."""
    if trial.failure is not None:
        return [f"samples of a failed trial: {trial}"] if trial.invoke_ns else []
    assert trial.events_sha256 is not None
    data = store.get_blob(trial.events_sha256)
    if hashlib.sha256(data).hexdigest() != trial.events_sha256:
        return [f"events that are not theirs: {trial}"]
    stream = parse_events(data)
    if stream.problem is not None or stream.error is not None:
        return [f"a good trial of bad events: {stream.problem} {stream.error}"]
    if trial.mode != "time":
        return []
    wrong = []
    assert stream.samples is not None
    sent = (stream.samples.warmup_ns, stream.samples.invoke_ns)
    if sent != (trial.warmup_ns, trial.invoke_ns):
        wrong.append(f"samples that the runner did not send: {trial}")
    if (len(trial.warmup_ns), len(trial.invoke_ns)) != (PROTOCOL.warmups, PROTOCOL.runs):
        wrong.append(f"{len(trial.warmup_ns)} + {len(trial.invoke_ns)} samples")
    if trial.output is None or trial.output.sha256 != truth.output_sha256:
        wrong.append(f"a wrong timed output: {trial.output}")
    return wrong


def _wrong_image(score: ImageScore, truth: Truth) -> list[str]:
    right = truth.images[score.index]
    same = (score.psnr, score.ssim, score.sha256) == (right.psnr, right.ssim, right.sha256)
    return [] if same else [f"a wrong image: {score}"]
