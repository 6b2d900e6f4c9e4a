"""Which stored record a word on the command line means."""

from typing import TYPE_CHECKING

from bokehbench.errors import StoreError, UsageError

if TYPE_CHECKING:
    from bokehbench.facts import Record
    from bokehbench.store import Store


def find_record(
    store: "Store", word: str, *, device: str | None = None, backend: str | None = None
) -> "Record":
    """A record by its id (or the beginning of it), else the newest of a name or label.

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
            return store.get(word)
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
    return store.get(newest[0].record_id)
