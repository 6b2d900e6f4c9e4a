"""`bokehbench run --resume`: a run that was cut short goes on as it was begun."""

from pathlib import Path

import click
from click.core import ParameterSource

from bokehbench.cli.connect import connect
from bokehbench.cli.equip import closing_all, equipped, open_for_writing
from bokehbench.cli.measure import json_sink, measure
from bokehbench.errors import UsageError

_BESIDE_RESUME = frozenset({"resume", "store", "json_target", "adb_server", "profile_dir"})


def see_resume(context: click.Context) -> None:
    """A run goes on as it was begun: refuse words that would be of no effect.

    Raises:
        UsageError: one was given.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is ParameterSource.COMMANDLINE and parameter.name not in _BESIDE_RESUME:
            # The models, an argument, have a source even where none is named.
            if isinstance(parameter, click.Argument) and not context.params["models"]:
                continue
            raise UsageError(
                f"--resume goes on with the models, devices and settings of that run; leave out "
                f"{parameter.opts[0] if isinstance(parameter, click.Option) else 'MODELS'}"
            )


def go_on(
    run_id: str,
    store: str | None,
    json_target: str | None,
    adb_server: str | None,
    profile_dir: Path | None = None,
) -> int:
    """Resume a run that was cut short: same models, dataset, settings and records."""
    from bokehbench.session import resume
    from bokehbench.store import open_store

    # Refused where there is none: opening it for writing would make it.
    open_store(store, readonly=True).close()
    with json_sink(json_target) as sink, open_for_writing(store) as opened:
        requests = resume.find_requests(opened, run_id)
        earlier = resume.earlier_evidence(opened, run_id)
        over = [resume.sealed_of(stored, earlier) for stored in requests]
        if all(over):
            # The host was killed before it could say so.
            opened.finish_run(run_id, "done")
            resume.find_requests(opened, run_id)
        prepared = [
            equipped(
                connect(stored["device"], stored["profile"], adb_server, profile_dir),
                resume.rebuild(stored, run_id),
                resume.record_ids(stored),
            )
            for stored, records in zip(requests, over, strict=True)
            if not records
        ]
        left = [stored for stored, records in zip(requests, over, strict=True) if not records]
        for one, stored in zip(prepared, left, strict=True):
            resume.check_plan(one, stored, run_id)
            resume.check_alike(one, earlier, run_id)
        with closing_all(prepared):
            known = [opened.get(record_id) for records in over for record_id in records]
            return measure(prepared, opened, sink, run_id, earlier, known=known)
