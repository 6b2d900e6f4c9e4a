"""The two databases that every test of the store runs against."""

import importlib.util
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bokehbench.store import Store, open_store, this_process
from tests.store.postgres import Server, find_binaries, running_server
from tests.store.samples import make_derived

_names = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server that lives as long as the tests."""
    binaries = find_binaries()
    missing = []
    if binaries is None:
        missing.append("PostgreSQL's server: apt-get install postgresql")
    if importlib.util.find_spec("psycopg") is None:
        missing.append("psycopg: pip install 'psycopg[binary]'")
    if binaries is None or missing:
        message = "missing " + "; ".join(missing)
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with running_server(binaries) as running:
        yield running


def new_database(server: Server) -> str:
    """The URL of a database without tables."""
    import psycopg

    name = f"store_{next(_names)}"
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.url(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real("postgresql"))])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'records.sqlite3'}"
    return new_database(request.getfixturevalue("server"))


@pytest.fixture
def other_url(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where a second store of the same kind may be made."""
    if url.startswith("sqlite:"):
        return str(tmp_path / "other.sqlite3")
    return new_database(request.getfixturevalue("server"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store with the run `run-1` of this process."""
    with open_store(url, derive=make_derived, busy_seconds=10) as opened:
        opened.begin_run("run-1", {"models": ["m.tflite"]}, this_process())
        yield opened
