"""`run --resume` of a run whose host was killed at its very end."""

import sqlite3
from pathlib import Path

from tests.support.command import Command


def test_a_run_that_lacks_only_its_last_word_gets_it(bokehbench: Command, model: Path) -> None:
    words = ("--device", "local", "--quick", "--runs", 5, "--warmups", 1)
    run_id = bokehbench("run", *words, model, "--json", "-").json()["run_id"]
    with sqlite3.connect(bokehbench.store) as store:
        store.execute("UPDATE bokehbench_runs SET state = 'running'")
    ended = bokehbench("run", "--resume", run_id)
    assert ended.code == 2
    assert "came to its end" in ended.complaint
    with sqlite3.connect(bokehbench.store) as store:
        assert store.execute("SELECT state FROM bokehbench_runs").fetchall() == [("done",)]
        assert store.execute("SELECT count(*) FROM bokehbench_records").fetchall() == [(1,)]
