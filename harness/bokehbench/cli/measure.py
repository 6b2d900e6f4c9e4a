"""What happens to prepared runs: measure, deliver the document, show, and the exit code."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bokehbench.cli import INTERRUPTED
from bokehbench.cli.against import Against, side_by_side
from bokehbench.cli.app_options import app_beside_shell
from bokehbench.cli.output import Sink, note, terminal_text, to_json
from bokehbench.cli.summary import summary
from bokehbench.errors import UsageError
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.analysis.precision import PrecisionPair
    from bokehbench.errors import BokehbenchError
    from bokehbench.facts import Evidence, Record
    from bokehbench.facts.trial import Backend
    from bokehbench.fleet import FleetOutcome
    from bokehbench.session import Prepared
    from bokehbench.store import Store

RUN_FORMAT = "bokehbench-run/1"
DEVICE_TROUBLE = 3


def new_run_id() -> str:
    """An identifier for a run: when it began, in UTC, and six hexadecimal digits."""
    from bokehbench.session import new_id

    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{new_id()[:6]}"


def json_sink(target: str | None) -> AbstractContextManager[Sink | None]:
    """Where `--json` goes, opened before anything is measured; None when nobody asked."""
    return nullcontext() if target is None else Sink(target, "--json")


def measure(
    devices: "Sequence[Prepared]",
    store: "Store",
    sink: Sink | None,
    run_id: str,
    earlier: "Mapping[str, Evidence] | None" = None,
    *,
    known: "Sequence[Record]" = (),
) -> int:
    """Run, write the JSON document if one was asked for, show the table; the exit code.

    Args:
        known: records of devices of this run that came to their end before.
    """
    from bokehbench.cli.progress import Screen
    from bokehbench.fleet import run_devices

    with Screen(len(devices)) as screen:
        outcome = run_devices(devices, store, screen.observer, screen.warn, run_id, earlier)
    outcome.records[:0] = known
    # Before anything is printed: whoever reads our output may be gone.
    _keep(outcome)
    request = devices[0].request
    found = None
    if request.against:
        found = side_by_side(outcome.records, request.models)
    elif request.settings.launch == "both":
        found = app_beside_shell(outcome.records)
    code = _deliver(sink, outcome, found) if sink is not None else 0
    if sink is None or not sink.is_screen:
        try:
            _show(outcome, request.score_backend, found)
        except BrokenPipeError:
            raise
        except OSError:
            _tell_stored(outcome)
            raise
    for address, error in outcome.errors.items():
        note(f"{address}: {error}")
        code = max(code, error.exit_code)
    return exit_code(outcome, request.settings.backend, code)


def measure_quietly(
    devices: "Sequence[Prepared]", store: "Store", run_id: str
) -> "tuple[Sequence[Record], BokehbenchError | None]":
    """Run, and show nothing but progress; the records, and why a device ended early.

    Raises:
        BokehbenchError: the only device failed before anything was measured.
        KeyboardInterrupt: the run was cut short; what was measured is stored.
    """
    from bokehbench.cli.progress import Screen
    from bokehbench.fleet import run_devices

    with Screen(len(devices)) as screen:
        outcome = run_devices(devices, store, screen.observer, screen.warn, run_id, None)
    _keep(outcome)
    if outcome.interrupted:
        raise KeyboardInterrupt
    worst = max(outcome.errors.values(), key=lambda error: error.exit_code, default=None)
    return outcome.records, worst


def _deliver(sink: Sink, outcome: "FleetOutcome", found: "Against | None") -> int:
    """Write the document; a disk that filled up meanwhile costs the file, not the records."""
    import msgspec

    from bokehbench.analysis.precision import precision_pairs

    records = [record.to_json() for record in outcome.records]
    document: dict[str, object] = {
        "format": RUN_FORMAT,
        "run_id": outcome.run_id,
        "records": records,
    }
    if found is not None:
        document["comparisons"] = found.documents
        document["not_compared"] = found.refused
    if pairs := precision_pairs(outcome.records):
        document["precision_pairs"] = msgspec.to_builtins(pairs)
    try:
        sink.write(to_json(document))
    except UsageError as error:
        note(str(error))
        _tell_stored(outcome)
        return 2
    return 0


def _tell_stored(outcome: "FleetOutcome") -> None:
    """Where the records are whose document or table could not be written."""
    # Of records that the store did not take it was said before where they are.
    if outcome.journal.broken is None:
        note(
            "the records are stored; "
            f"`bokehbench records export --run {outcome.run_id}` writes them"
        )


def _show(outcome: "FleetOutcome", score_backend: "Backend", found: "Against | None") -> None:
    from bokehbench.analysis.precision import precision_pairs
    from bokehbench.report import build_table

    if outcome.records:
        click.echo(
            terminal_text(build_table(outcome.records, score_backend=score_backend)), nl=False
        )
    for record in outcome.records:
        click.echo(summary(record))
    for pair in precision_pairs(outcome.records):
        click.echo(precision_text(pair))
    for text in found.texts if found else ():
        click.echo(text)


def precision_text(pair: "PrecisionPair") -> str:
    """What 16-bit floats gain and cost in two lines, and in one each what is left out."""

    def signed(value: float | None, digits: int, unit: str) -> str:
        return f"{value:+.{digits}f}{unit}" if value is not None else "N.A."

    def apart(largest: float | None, psnr: float | None) -> str:
        if largest is None:
            return "not compared" if pair.reasons else "not compared (needs --dataset)"
        return f"up to {largest:g} of 255" + (f", {psnr:.1f} dB" if psnr is not None else "")

    ratio = f"{pair.latency_ratio:.3f}x the time" if pair.latency_ratio is not None else "no time"
    return (
        f"{clean(pair.model)} · fp16 against fp32 on the GPU: {ratio}, "
        f"PSNR {signed(pair.psnr_difference, 3, ' dB')}, "
        f"SSIM {signed(pair.ssim_difference, 5, '')}, "
        f"LPIPS {signed(pair.lpips_difference, 5, '')}\n"
        f"  largest difference from this host's CPU: "
        f"fp16 {apart(pair.fp16_max_difference, pair.fp16_reference_psnr)}; "
        f"fp32 {apart(pair.fp32_max_difference, pair.fp32_reference_psnr)}"
        + "".join(f"\n  {reason}" for reason in pair.reasons)
    )


def _keep(outcome: "FleetOutcome") -> None:
    """Save the records that the store did not take, say where, and raise what ended the run."""
    if outcome.journal.unsaved:
        path = outcome.journal.spill((Path.cwd(), Path.home()))
        if path is not None:
            note(f"records kept in {path}; `bokehbench records import {path}` stores them")
        else:
            note("no folder could be written: the records are only in what is printed")
    if outcome.fault is not None:
        raise outcome.fault


def exit_code(outcome: "FleetOutcome", backend: str, code: int) -> int:
    """130 when cut short, else the highest of the records' and of `code`."""
    if outcome.journal.broken is not None:
        code = max(code, 2)
    if outcome.interrupted:
        note(
            "interrupted: what was measured is kept, marked incomplete; "
            f"`bokehbench run --resume {outcome.run_id}` goes on"
        )
        return INTERRUPTED
    codes: dict[tuple[str, str, str | None], list[int]] = {}
    for record in outcome.records:
        facts = record.evidence
        key = (facts.device.address, facts.model.sha256, facts.label)
        codes.setdefault(key, []).append(record_code(record))
    # Under auto and all, a backend that fails beside one that works is an answer.
    pick = min if backend in ("auto", "all") else max
    return max([code, *(pick(found) for found in codes.values())])


def record_code(record: "Record") -> int:
    """The exit code that one Record calls for."""
    if record.derived.status != "invalid":
        return 0
    failures = [t.failure for t in record.evidence.trials if t.failure is not None]
    if "trial_failed" not in record.derived.reasons or not failures:
        return 1
    lost = all(failure.kind == "device_lost" for failure in failures)
    return DEVICE_TROUBLE if lost else 4
