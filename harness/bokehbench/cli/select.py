"""Which stored record a word on the command line means, as today's rules see it."""

from typing import TYPE_CHECKING

from bokehbench.errors import StoreError, UsageError

if TYPE_CHECKING:
    from bokehbench.facts import Record
    from bokehbench.store import Store


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
    from bokehbench.store import RecordFilter

    rows = [
        row
        for row in store.list(RecordFilter(model=word, device=device, backend=backend))
        if row.state == "sealed"
    ]
    if not rows:
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
