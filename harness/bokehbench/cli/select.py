"""Which stored record a word on the command line means, as today's rules see it."""

from typing import TYPE_CHECKING

import click

from bokehbench.errors import StoreError, UsageError

if TYPE_CHECKING:
    from bokehbench.facts import Record
    from bokehbench.store import RecordRow, Store


SHOWN = 8
"""Names of what there is in a message; more would hide the rest of it."""

device_filter = click.option("--device", metavar="DEV", help="Only records of one device.")
backend_filter = click.option(
    "--backend",
    type=click.Choice(["gpu", "npu", "nnapi", "hexagon", "coreml", "external", "xnnpack", "cpu"]),
    help="Only records of one backend.",
)


def by_todays_rules(record: "Record") -> "Record":
    """The record with its derived values made anew: they are not sealed, and rules change."""
    from msgspec.structs import replace

    from bokehbench.derive import derive

    now = derive(record.evidence, score_backend=score_backend(record))
    return replace(record, derived=now)


def score_backend(record: "Record") -> str:
    """The backend whose runtime a record's run took for scores, or one that is as good.

    A record of any other backend keeps none, so for it all others are alike.
    """
    kept = record.derived.score_backend
    if kept is not None:
        return kept
    return "xnnpack" if record.evidence.backend == "gpu" else "gpu"


def find_record(
    store: "Store", word: str, *, device: str | None = None, backend: str | None = None
) -> "Record":
    """A record by its id (or the beginning of it), else the newest of a name or label.

    Its derived values are those of today's rules.

    Raises:
        UsageError: there is none, or the newest run of that name has several.
    """
    rows = _finished(store, word, device, backend)
    if not rows:
        if others := others_of(store, word, device=device, backend=backend):
            raise UsageError(others)
        try:
            return by_todays_rules(store.get(word))
        except StoreError as error:
            raise UsageError(f"{word}: {error}") from error
    newest = [row for row in rows if row.run_id == rows[0].run_id]
    if len(newest) > 1:
        choices = ", ".join(
            f"{row.record_id} ({row.backend}, {row.precision}, {row.device_id})" for row in newest
        )
        raise UsageError(
            f"{word}: its newest run {newest[0].run_id} has {len(newest)} records: {choices}; "
            "name one by its id, or give --backend or --device"
        )
    return by_todays_rules(store.get(newest[0].record_id))


def others_of(
    store: "Store", word: str, *, device: str | None = None, backend: str | None = None
) -> str:
    """What to say where only the filters leave nothing of a name; else an empty text."""
    asked = [
        f"{option} {value}"
        for option, value in (("--device", device), ("--backend", backend))
        if value is not None
    ]
    rows = _finished(store, word, None, None) if asked else []
    if not rows:
        return ""
    there = shortened({f"{row.backend} on {row.device_id}" for row in rows})
    return f"{' '.join(asked)}: no finished record of {word}; there are {there}"


def shortened(names: set[str]) -> str:
    """Names of what there is, in order; of many only the first."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more


def _finished(
    store: "Store", word: str, device: str | None, backend: str | None
) -> "list[RecordRow]":
    from bokehbench.store import RecordFilter

    which = RecordFilter(model=word, device=device, backend=backend)
    return [row for row in store.list(which) if row.state == "sealed"]
