"""`bokehbench run --dry-run`: what would run, and why."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from bokehbench.cli.output import Sink, to_json
from bokehbench.text import clean, counted

if TYPE_CHECKING:
    from bokehbench.session import Prepared


def show_plans(devices: "Sequence[Prepared]", sink: Sink | None) -> None:
    """What would run, and why, as JSON where it has a sink; nothing was put on a device."""
    plans = [(prepared, _planned(prepared)) for prepared in devices]
    if sink is not None:
        document = [
            {
                "device": prepared.device.facts.address,
                "plan": records,
                "skipped": list(prepared.plan.skipped),
            }
            for prepared, records in plans
        ]
        sink.write(to_json({"devices": document}))
        if sink.is_screen:
            return
    for prepared, records in plans:
        settings = prepared.plan.settings
        protocol = settings.protocol
        click.echo(
            f"{clean(prepared.device.facts.address)}: {_engines(prepared)}, "
            f"{counted(settings.threads, 'thread')}, protocol {protocol.name}: "
            f"{counted(protocol.processes, 'process', 'processes')} of "
            f"{counted(protocol.warmups, 'warm-up')} and {counted(protocol.runs, 'run')}"
        )
        for record in records:
            when = "if the one before fails" if record["only_if_failed"] else "always"
            click.echo(
                f"  {clean(record['model'])} on {_backend(record)} at "
                f"{'x'.join(map(str, record['timing_shape']))}, "
                f"{counted(record['images'], 'image')}, "
                f"{when} ({clean(record['reason'])})"
            )
        for line in prepared.plan.skipped:
            click.echo(f"  {clean(line)}")
    click.echo("dry run: nothing was put on the device")


def _backend(record: dict[str, Any]) -> str:
    precision = record["precision"]
    suffix = f" ({precision})" if precision != "default" else ""
    suffix += " in the app" if record["launch"] == "app" else ""
    return f"{record['backend']} of {record['engine']}{suffix}"


def _engines(prepared: "Prepared") -> str:
    named = [f"{engine.name} {engine.version}" for engine in prepared.engines.values()]
    return ("engine " if len(named) == 1 else "engines ") + ", ".join(named)


def _planned(prepared: "Prepared") -> list[dict[str, Any]]:
    plan = prepared.plan
    return [
        {
            "model": prepared.request.models[record.model_index].facts.name,
            "backend": record.backend,
            "engine": record.engine,
            "precision": record.precision,
            "launch": record.launch,
            "only_if_failed": record.only_after is not None,
            "reason": record.reason,
            "timing_shape": list(record.input_shapes[0]),
            "processes": plan.settings.protocol.processes,
            "images": sum(len(b.items) for b in plan.batches.get(record.model_index, ())),
        }
        for record in plan.records
    ]
