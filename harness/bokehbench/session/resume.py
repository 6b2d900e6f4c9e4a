"""A run that was cut short -> the request and the evidence to go on with."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bokehbench.engines import file_sha256
from bokehbench.errors import UsageError
from bokehbench.facts import Evidence, Factsheet, FidelityRules, IoSpec, MeasurementProtocol
from bokehbench.fidelity.pairs import Dataset, open_dataset
from bokehbench.model.reader import read_model
from bokehbench.runners.benchmark_model import ToolOptions
from bokehbench.schedule import GpuSettings, Plan, PlannedRecord, Progress, Settings
from bokehbench.session.request import (
    ImageOptions,
    ModelInput,
    Prepared,
    RunRequest,
    ToolRequest,
)
from bokehbench.store import RecordFilter, Store


def find_requests(store: Store, run_id: str) -> list[dict[str, Any]]:
    """The stored requests of a run that can go on, one a device.

    Raises:
        UsageError: no run has that id, or it came to its end.
    """
    requests = stored_requests(store, run_id, "--resume")
    if any(run.run_id == run_id and run.state == "done" for run in store.runs()):
        raise UsageError(f"--resume {run_id}: that run came to its end")
    return requests


def stored_requests(store: Store, run_id: str, option: str = "--run") -> list[dict[str, Any]]:
    """The stored requests of a run, whether it ended or not, one a device.

    Raises:
        UsageError: no run has that id, or it was imported; the message names `option`.
    """
    for run in store.runs():
        if run.run_id == run_id:
            if "devices" not in run.request:
                raise UsageError(f"{option} {run_id}: imported; only the host that ran it goes on")
            return list(run.request["devices"])
    raise UsageError(
        f"{option} {run_id}: no such run in {store.name}; see `bokehbench records list`"
    )


def rebuild(
    request: Mapping[str, Any],
    run_id: str,
    option: str = "--resume",
    *,
    timing_only: bool = False,
) -> RunRequest:
    """The request of a run, its models and dataset read anew and known by their hashes.

    Args:
        timing_only: without the images and the long run; the dataset need not be there.

    Raises:
        UsageError: a model or the dataset has changed since, or another version of bokehbench
            stored the request.
    """
    if timing_only:
        request = {**request, "dataset": None, "keep_outputs": None, "sustained_seconds": 0.0}
    try:
        return _rebuild(request, run_id, option)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"{option} {run_id}: another version of bokehbench stored it ({error}); start a new run"
        ) from error


def _rebuild(request: Mapping[str, Any], run_id: str, option: str) -> RunRequest:
    models = []
    for entry in request["models"]:
        path = Path(entry["path"])
        facts = read_model(path)
        if facts.sha256 != entry["sha256"]:
            raise UsageError(f"{option} {run_id}: {path} has changed since; start a new run")
        io = msgspec.convert(entry["io"], IoSpec)
        factsheet = msgspec.convert(entry["factsheet"], Factsheet | None)
        models.append(ModelInput(path, facts, io, entry["label"], factsheet))
    return RunRequest(
        models=tuple(models),
        settings=Settings(
            backend=request["backend"],
            precision=request["precision"],
            threads=request["threads"],
            core_mask=request["core_mask"],
            protocol=msgspec.convert(request["protocol"], MeasurementProtocol),
            seed=request["seed"],
            gpu=GpuSettings(**request["gpu"]),
            engine=request["engine"],
            sustained_seconds=request["sustained_seconds"],
            process_timeout_seconds=request["process_timeout_seconds"],
            launch=request.get("launch", "shell"),
        ),
        dataset=_dataset(request, run_id, option, models),
        fit=request["fit"],
        fidelity_rules=msgspec.convert(request["fidelity_rules"], FidelityRules),
        score_backend=request["score_backend"],
        recovery_seconds=request["recovery_seconds"],
        lock_clocks=request["lock_clocks"],
        images=ImageOptions(
            host_images=request["host_images"],
            keep_outputs=Path(request["keep_outputs"]) if request["keep_outputs"] else None,
        ),
        tool=_tool(request.get("tool")),
        against=request.get("against", False),
    )


def _tool(told: Mapping[str, Any] | None) -> ToolRequest | None:
    if told is None:
        return None
    options = ToolOptions(told["delegate"], told["delegate_options"], tuple(told["flags"]))
    return ToolRequest(Path(told["path"]) if told["path"] else None, options)


def _dataset(
    request: Mapping[str, Any], run_id: str, option: str, models: list[ModelInput]
) -> Dataset | None:
    if request["dataset"] is None:
        return None
    dataset = open_dataset(Path(request["dataset"]), sources=dataset_sources(models))
    if dataset.digest != request["dataset_digest"]:
        raise UsageError(f"{option} {run_id}: {dataset.root} has changed since; start a new run")
    return dataset


def dataset_sources(models: "list[ModelInput] | tuple[ModelInput, ...]") -> tuple[str, ...]:
    """The folders of a dataset that these models' inputs are made from."""
    wanted = {"original": None}
    for model in models:
        for spec in model.io.inputs:
            wanted[spec.source] = None
            if spec.channels == "rgbd":
                wanted["original_depth"] = None
    return tuple(wanted)


def record_ids(request: Mapping[str, Any]) -> Callable[[], str]:
    """The record ids of the first plan, in its order: the same plan gets the same ids.

    A plan with more records gets empty ones, which `check_plan` refuses.
    """
    ids: Iterator[str] = iter([record_id for record_id, *_ in request["records"]])
    return lambda: next(ids, "")


def check_plan(prepared: Prepared, request: Mapping[str, Any], run_id: str) -> None:
    """See that the plan is still the first one, so that every record goes on as what it was.

    Raises:
        UsageError: it is another, as after an engine was installed or a profile was changed.
    """
    # Runs of before there was an app do not name how their processes were started.
    then = [(*record, "shell")[:6] for record in request["records"]]
    now = [
        (r.record_id, r.model_index, r.backend, r.engine, r.precision, r.launch)
        for r in prepared.plan.records
    ]
    if now == then:
        return
    engines = {record[3] for record in now} ^ {record[3] for record in then}
    what = f"the engines ({', '.join(sorted(engines))})" if engines else "what would be measured"
    raise UsageError(f"--resume {run_id}: {what} changed since; start a new run")


def check_alike(prepared: Prepared, earlier: Mapping[str, Evidence], run_id: str) -> None:
    """See that what was measured before was measured on what is there now.

    Raises:
        UsageError: device, engine or runner differ; the message names what does.
    """
    device, own = prepared.device.facts, file_sha256(prepared.runner)
    for record in prepared.plan.records:
        evidence = earlier.get(record.record_id)
        if evidence is None:
            continue
        engine = prepared.engines[record.engine].facts
        runner = prepared.app.sha256 if prepared.app and record.launch == "app" else own
        now = {
            "device": (device.device_id, device.fingerprint, device.kernel),
            "engine": (engine.name, engine.version, engine.library_sha256),
            "runner": runner,
        }
        known = evidence.device
        then = {
            "device": (known.device_id, known.fingerprint, known.kernel),
            "engine": (
                evidence.engine.name,
                evidence.engine.version,
                evidence.engine.library_sha256,
            ),
            "runner": evidence.runner.sha256,
        }
        unlike = [name for name, value in now.items() if then[name] != value]
        if unlike:
            raise UsageError(
                f"--resume {run_id}: {', '.join(unlike)} changed since; start a new run"
            )


def earlier_evidence(store: Store, run_id: str) -> dict[str, Evidence]:
    """What the records of a run hold so far; those that are sealed say `finished`."""
    return {
        row.record_id: store.get(row.record_id).evidence
        if row.state == "sealed"
        else store.read_open(row.record_id)
        for row in store.list(RecordFilter(run_id=run_id))
    }


def sealed_of(request: Mapping[str, Any], earlier: Mapping[str, Evidence]) -> list[str]:
    """The records of a device that came to its end, or none: it seals them all at once."""
    begun = [record_id for record_id, *_ in request["records"] if record_id in earlier]
    return begun if all(earlier[record_id].finished for record_id in begun) else []


def progress_of(evidence: Evidence, plan: Plan, record: PlannedRecord) -> Progress:
    """What an open record's evidence says is done; a batch counts when all of it was scored."""
    scored = {image.index for image in evidence.images}
    batches = plan.batches.get(record.model_index, ())
    done = 0
    for batch in batches:
        if not scored.issuperset(batch.items):
            break
        done += 1
    return Progress(
        trials=evidence.trials,
        image_trials=evidence.image_trials,
        batches_done=done,
        reference_before=evidence.reference_before,
        reference_after=evidence.reference_after,
        sustained=evidence.sustained,
    )
