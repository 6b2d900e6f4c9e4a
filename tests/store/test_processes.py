"""Several processes use one store at once, and some of them die."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from bokehbench.facts import Evidence, canonical_json
from bokehbench.store import Store, open_store, this_process
from tests.store.samples import make_derived, make_evidence, make_trial

ROOT = Path(__file__).parents[2]


def start(*words: str | float, evidence: Evidence | None = None) -> subprocess.Popen[bytes]:
    """A worker that has its evidence."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.worker", *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(canonical_json(evidence).encode())
    process.stdin.close()
    process.stdin = None
    return process


def join(*processes: subprocess.Popen[bytes]) -> None:
    """Waits for workers, which must have ended well."""
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    for errors, code in ends:
        assert (errors.decode(), code) == ("", 0)


def test_two_processes_append_and_seal(store: Store, url: str) -> None:
    ids = ("left", "right")
    join(*[start("record", url, 200, evidence=make_evidence(i, run_id=i)) for i in ids])
    for record_id in ids:
        record = store.get(record_id)
        assert record.seal is not None
        assert [trial.index for trial in record.evidence.trials] == list(range(200))
    assert {row.state for row in store.list()} == {"sealed"}


def test_two_processes_append_to_one_record(store: Store, url: str) -> None:
    store.begin_record(make_evidence())
    join(start("fill", url, "r-one", 0, 200), start("fill", url, "r-one", 200, 200))
    found = [trial.index for trial in store.read_open("r-one").trials]
    assert sorted(found) == list(range(400))
    # Each process's own entries are in its order.
    assert [index for index in found if index < 200] == list(range(200))


def test_processes_make_a_new_store_at_once(url: str) -> None:
    moment = time.time() + 1.5
    join(*[start("open", url, moment) for _ in range(6)])
    with open_store(url) as store:
        assert list(store.list()) == []


def test_killed_process_leaves_its_journal(url: str) -> None:
    process = start("die", url, evidence=make_evidence())
    assert process.stdout is not None
    written = -1
    while written < 20:
        written = int(process.stdout.readline())
    with open_store(url, derive=make_derived) as store:
        assert [row.state for row in store.list()] == ["running"]
        assert [run.state for run in store.runs()] == ["running"]
        process.kill()
        # Dead, though its parent has not asked yet: a zombie doesn't count as alive.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert [row.state for row in store.list()] == ["incomplete"]
        rest, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL
        # The last line may have been cut: what it would say is not known to be written.
        written = max([written, *map(int, rest.splitlines()[:-1])])
        assert [run.state for run in store.runs()] == ["incomplete"]
        record = store.get("r-one")
        assert record.seal is None
        indices = [trial.index for trial in record.evidence.trials]
        assert indices == list(range(len(indices)))
        assert len(indices) > written
        assert record.derived.latency.processes == len(indices)
        store.begin_run("run-1", {}, this_process())
        assert [row.state for row in store.list()] == ["running"]
        store.append("r-one", make_trial(len(indices)))
        whole = store.read_open("r-one")
        sealed = store.seal("r-one", whole, make_derived(whole), finished=True)
        assert len(sealed.evidence.trials) == len(indices) + 1


def test_default_path_imports_no_other_driver(tmp_path: Path) -> None:
    code = (
        "import sys; from bokehbench.store import open_store, this_process\n"
        "with open_store() as store: store.begin_run('r', {}, this_process()); print(store.name)\n"
        "print(sorted({'psycopg', 'numpy', 'pandas', 'cv2', 'bokehbench.store.postgres'}"
        " & set(sys.modules)))"
    )
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    path = tmp_path / "bokehbench" / "records.sqlite3"
    assert (done.stdout, done.stderr) == (f"{path}\n[]\n", "")
    assert path.is_file()


def test_journal_entries_read_as_evidence() -> None:
    # The worker gets its evidence as text: nothing may be lost on that way.
    evidence = make_evidence()
    assert msgspec.json.decode(canonical_json(evidence), type=Evidence) == evidence


@pytest.mark.parametrize("host", ["another-host", None])
def test_owner(host: str | None) -> None:
    me = this_process()
    assert me.alive() is True
    assert msgspec.structs.replace(me, started="0").alive() is False
    assert msgspec.structs.replace(me, pid=2**22 + 1).alive() is False
    if host:
        assert msgspec.structs.replace(me, host=host).alive() is None
