"""What the tests of trouble share."""

from pathlib import Path

import pytest

from bokehbench.errors import StoreError
from bokehbench.store import Store, open_store, this_process
from tests.store.samples import make_evidence, make_trial


def refusal(url: str | Path | None, *, readonly: bool = False) -> str:
    """The one line that a store is refused with."""
    with pytest.raises(StoreError) as caught:
        open_store(None if url is None else str(url), readonly=readonly, busy_seconds=0.3)
    message = str(caught.value)
    assert "\n" not in message
    return message


def filled(store: Store) -> None:
    """One open Record with one trial."""
    store.begin_run("run-1", {}, this_process())
    store.begin_record(make_evidence())
    store.append("r-one", make_trial())
