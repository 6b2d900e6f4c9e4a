"""Endless and empty files, pipes and devices in place of files: refused by name, at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import Command, Ended
from tests.support.judged import evidence, store


def bounded(bokehbench: Command, *words: object) -> Ended:
    """A command that has 4 GiB to itself: what reads without an end fails alone."""
    done = subprocess.run(
        ["sh", "-c", 'ulimit -v 4194304; exec "$@"', "sh", sys.executable, "-m", "bokehbench"]
        + [str(word) for word in words],
        capture_output=True,
        text=True,
        env=dict(bokehbench.variables()),
        cwd=bokehbench.home,
        check=False,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gate", "--baseline", "/dev/zero"), "--baseline /dev/zero: is a pipe or a device"),
        (("gate", "--baseline", "pipe"), "--baseline pipe: is a pipe or a device"),
        (("records", "import", "/dev/zero"), "/dev/zero: line 1 is not JSON"),
        (("parse", "/dev/zero"), "/dev/zero: is a device"),
        (("apk", "check", "/dev/zero"), "/dev/zero: is no file"),
        (("apk", "check", "pipe"), "pipe: is no file"),
        (("records", "list", "--store", "pipe"), "pipe: is a pipe or a device"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_what_has_no_end_is_refused(bokehbench: Command, words: tuple[str, ...], said: str) -> None:
    os.mkfifo(bokehbench.home / "pipe")
    ended = bounded(bokehbench, *words)
    assert ended.code == 2
    assert said in ended.complaint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--protocol", "/dev/zero"), "/dev/zero: is a pipe or a device"),
        (("--runner", "benchmark_model=/dev/zero"), "benchmark_model=/dev/zero: is no file"),
    ],
)
def test_a_run_with_a_file_without_an_end(
    bokehbench: Command, model: Path, words: tuple[str, ...], said: str
) -> None:
    ended = bounded(bokehbench, "run", "--device", "local", *words, model)
    assert ended.code == 2
    assert said in ended.complaint


def test_an_import_of_nothing(bokehbench: Command) -> None:
    (bokehbench.home / "empty.jsonl").write_text("\n\n")
    ended = bokehbench("records", "import", "empty.jsonl")
    assert ended.code == 2
    assert "empty.jsonl: holds no record" in ended.complaint
    assert not bokehbench("records", "import", "none.jsonl", "--store", "new.db").out
    assert not (bokehbench.home / "new.db").exists()


def test_an_export_of_nothing_replaces_none(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20))
    kept = bokehbench.home / "keep.jsonl"
    ended = bokehbench("records", "export", "-o", kept)
    assert (ended.code, ended.err) == (0, "1 record exported\n")
    before = kept.read_bytes()
    ended = bokehbench("records", "export", "--run", "nope", "-o", kept)
    assert ended.code == 2
    assert "--run nope: no records of it" in ended.complaint
    assert kept.read_bytes() == before
    listed = bokehbench("records", "list", "--run", "nope")
    assert listed.code == 2
    assert "--run nope: no records of it" in listed.complaint
    # The other way round, out of a pipe as well, with lines longer than a piece of reading.
    with open(kept, encoding="utf-8") as stream:
        line = stream.read().replace('"format"', " " * (2 << 20) + '"format"')
    kept.write_text(line)
    ended = bokehbench("records", "import", kept, "--store", "other.db")
    assert (ended.code, ended.err) == (0, "1 record imported, 0 were there already\n")
