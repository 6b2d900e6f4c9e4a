"""SQLite files that can't be used, and disks that fill: one line each, and nothing lost."""

import base64
import hashlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bokehbench.errors import StoreError
from bokehbench.store import Store, open_store
from tests.store.samples import make_trial
from tests.store.trouble import filled, refusal

NOBODY = 65534


@contextmanager
def no_privileges() -> Iterator[None]:
    """Rights of files count inside, also when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach, as pytest's can't be."""
    path = Path(tempfile.mkdtemp(prefix="bb-store-"))
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: is a folder: name a file in it"
    assert "is a folder" in refusal(tmp_path, readonly=True)


def test_missing_folder(tmp_path: Path) -> None:
    assert f"mkdir -p {tmp_path / 'no'}" in refusal(tmp_path / "no" / "records.sqlite3")
    assert "no store at" in refusal(tmp_path / "no" / "records.sqlite3", readonly=True)
    (tmp_path / "file").touch()
    assert "missing" in refusal(tmp_path / "file" / "records.sqlite3")


@pytest.mark.parametrize("readonly", [False, True])
def test_files_of_others(tmp_path: Path, readonly: bool) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"not a database " * 1000)
    assert "is not a SQLite database: name another file" in refusal(garbage, readonly=readonly)
    foreign = tmp_path / "foreign"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE cookies (name)")
    connection.close()
    before = foreign.read_bytes()
    assert "is a database of another program" in refusal(foreign, readonly=readonly)
    assert foreign.read_bytes() == before


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert "no store at" in refusal(path, readonly=True)
    open_store(str(path)).close()
    open_store(str(path), readonly=True).close()


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with open_store(str(path)) as store:
        filled(store)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    assert "is damaged: restore a copy" in refusal(path)


def test_rights(folder: Path) -> None:
    path = folder / "records.sqlite3"
    with open_store(str(path)) as store:
        filled(store)
    path.chmod(0o444)
    folder.chmod(0o555)
    with no_privileges():
        assert "can't be written" in refusal(path)
        assert "can't be opened: give yourself the right" in refusal(folder / "new.sqlite3")
        with open_store(str(path), readonly=True) as reader:
            assert [row.record_id for row in reader.list()] == ["r-one"]
    folder.chmod(0o000)
    with no_privileges():
        assert str(path) in refusal(path)
        assert "right" in refusal(path, readonly=True)


def test_default_folder_that_cannot_be_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    folder.chmod(0o555)
    with no_privileges():
        assert "folder can't be made or read (Permission denied)" in refusal(None)


def test_locked_for_too_long(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with open_store(str(path), busy_seconds=0.2) as store:
        filled(store)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"another process held it locked for 0\.2 s"):
            store.append("r-one", make_trial(1))
        assert len(store.read_open("r-one").trials) == 1
        other.close()
        store.append("r-one", make_trial(1))
        assert len(store.read_open("r-one").trials) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 1 MiB; None where it can't be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if (
        os.geteuid() != 0
        or not shutil.which("mount")
        or subprocess.run(mount, check=False).returncode
    ):
        yield None
        return
    yield place
    subprocess.run(["umount", str(place)], check=True)


@contextmanager
def file_limit(size_bytes: int) -> Iterator[None]:
    """Files can't grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def fill_until_refused(store: Store) -> tuple[int, str]:
    """How many blobs went in, and what was said then."""
    for count in range(10_000):
        try:
            store.put_blob(os.urandom(20_000))
        except StoreError as error:
            return count, str(error)
    raise AssertionError("the disk never filled")


def test_full_disk(small_disk: Path | None) -> None:
    if small_disk is None:
        pytest.skip("a small file system needs root and mount")
    with open_store(str(small_disk / "records")) as store:
        filled(store)
        count, message = fill_until_refused(store)
        assert count > 3
        assert "the disk is full: free space in" in message
        assert len(store.read_open("r-one").trials) == 1
        data = os.urandom(100_000)
        line = {
            "blob": hashlib.sha256(data).hexdigest(),
            "zlib_base64": base64.b64encode(zlib.compress(data)).decode(),
        }
        with pytest.raises(StoreError, match="the disk is full"):
            store.import_([json.dumps(line)])
        assert [row.record_id for row in store.list()] == ["r-one"]


def test_file_size_limit(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "records")) as store:
        filled(store)
        with file_limit(1 << 20):
            count, message = fill_until_refused(store)
            assert count > 3
            assert "free space" in message
            assert len(store.read_open("r-one").trials) == 1
        store.append("r-one", make_trial(1))
        assert len(store.read_open("r-one").trials) == 2
