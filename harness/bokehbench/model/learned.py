"""What devices said of delegates, held against what was predicted, and what follows for rules."""

from collections.abc import Iterable
from dataclasses import dataclass

from bokehbench.facts import BackendReport, Evidence
from bokehbench.model.rules import EVERY_RULE, Measured, numbers


@dataclass(frozen=True)
class Difference:
    """A record whose device said something else than was predicted. One line each."""

    record_id: str
    model: str
    device: str
    delegate: str
    predicted: str
    reported: str
    operators: tuple[str, ...]


def report_of(evidence: Evidence) -> BackendReport | None:
    """What the device reported of the backend: that of the first process that did."""
    for trial in (*evidence.trials, *evidence.image_trials):
        if trial.report is not None:
            return trial.report
    return None


def refused_ops(evidence: Evidence) -> dict[str, str]:
    """Operators that a delegate refused in any process, with its reason."""
    found: dict[str, str] = {}
    for trial in (*evidence.trials, *evidence.image_trials):
        for refused in (
            *(trial.report.unsupported_ops if trial.report else ()),
            *(trial.failure.unsupported_ops if trial.failure else ()),
        ):
            found.setdefault(refused.op, refused.reason)
    return found


def difference(evidence: Evidence) -> Difference | None:
    """How a record's device contradicts the prediction; None where it does not, or says nothing."""
    prediction, report = evidence.prediction, report_of(evidence)
    if prediction is None:
        return None
    failed = report is None and any(
        trial.failure is not None and trial.failure.kind in ("op_unsupported", "delegate_failed")
        for trial in evidence.trials
    )
    if report is None and not failed:
        return None
    low, high, total = (
        prediction.delegated_low,
        prediction.delegated_high,
        prediction.total_nodes,
    )
    said = "the delegate failed"
    if report is not None:
        nodes, all_nodes = report.delegated_nodes, report.total_nodes or total
        if nodes is None:
            # Without counts, only whether all was taken can be compared.
            if report.fully_accelerated is None:
                return None
            whole = report.fully_accelerated
            if (whole and high == total) or (not whole and low < total):
                return None
            said = "all operators" if whole else "not all operators"
        elif low <= nodes <= high and all_nodes == total:
            return None
        else:
            said = f"{nodes} of {all_nodes} operators"
    span = str(low) if low == high else f"{low} to {high}"
    return Difference(
        record_id=evidence.record_id,
        model=evidence.model.name,
        device=evidence.device.device_id,
        delegate=f"{prediction.delegate} ({prediction.engine} {prediction.version})",
        predicted=f"{span} of {total} operators",
        reported=said,
        operators=tuple(f"{op}: {reason}" for op, reason in sorted(refused_ops(evidence).items())),
    )


def learn(records: Iterable[Evidence], device: str | None = None) -> tuple[Measured, ...]:
    """What records tell of operators: taken with the whole of a model, or refused by name.

    Only of the device named, where one is. It settles what rules leave unknown, and nothing else:
    a record tells of its own model's shapes and options alone.
    """
    taken: dict[tuple[str, str, str, str], int] = {}
    refused: dict[tuple[str, str, str, str], int] = {}
    for evidence in records:
        prediction, report = evidence.prediction, report_of(evidence)
        if prediction is None or (device is not None and evidence.device.device_id != device):
            continue
        key = (prediction.delegate, prediction.engine, prediction.version)
        for op in refused_ops(evidence):
            name = op.removeprefix("CUSTOM ").strip()
            refused[(*key, name)] = refused.get((*key, name), 0) + 1
        if report is not None and (
            report.fully_accelerated is True
            or (report.delegated_nodes is not None and report.delegated_nodes == report.total_nodes)
        ):
            for op in evidence.model.ops:
                taken[(*key, op)] = taken.get((*key, op), 0) + 1
    return tuple(
        Measured(
            delegate=key[0],
            engine=key[1],
            version=key[2],
            rule=EVERY_RULE,
            op=key[3],
            delegated=taken.get(key, 0),
            refused=refused.get(key, 0),
            note=f"records of {device or 'all devices'}",
        )
        for key in sorted(
            {*taken, *refused}, key=lambda key: (key[0], key[1], numbers(key[2]), key[3])
        )
    )
