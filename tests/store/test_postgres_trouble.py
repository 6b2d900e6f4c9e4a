"""PostgreSQL that refuses, waits, or is lost: one line each, no password, and nothing lost."""

import sys
import threading
import time

import pytest

from bokehbench.errors import StoreError
from bokehbench.store import Store, open_store
from tests.store.conftest import new_database
from tests.store.postgres import PASSWORD, Server
from tests.store.samples import make_trial
from tests.store.trouble import filled, refusal

pytestmark = pytest.mark.real("postgresql")


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install '.[postgresql]'" in refusal("postgresql://u:secret@h/d")


def test_postgres_refuses_logins(server: Server) -> None:
    open_store(server.tcp_url("postgres")).close()
    for url in (
        server.tcp_url("postgres", "wr0ng%2Fpass"),
        server.tcp_url("no_such_database"),
        server.tcp_url("postgres").replace(f":{server.port}/", ":1/"),
        server.tcp_url("postgres").replace("127.0.0.1", "no-such-host.invalid"),
        server.tcp_url("postgres").replace(f":{server.port}/", ":port/"),
        server.tcp_url("postgres") + "?sslmode=nonsense",
        f"postgresql://127.0.0.1:{server.port}/postgres?user=tester&password=wr0ng%2Fpass",
    ):
        message = refusal(url)
        assert message.startswith("postgresql://")
        assert "check" in message
        for secret in (PASSWORD, "s3cret", "wr0ng"):
            assert secret not in message


def test_postgres_idle_connection_is_made_anew(server: Server) -> None:
    import psycopg

    url = new_database(server)
    with open_store(url) as store, psycopg.connect(server.admin_url, autocommit=True) as admin:
        filled(store)
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'bokehbench'"
        )
        time.sleep(0.2)
        store.append("r-one", make_trial(1))
        assert len(store.read_open("r-one").trials) == 2


def in_thread(store: Store, errors: list[str]) -> threading.Thread:
    """Appends in a thread that gathers what was said."""

    def work() -> None:
        try:
            store.append("r-one", make_trial(1))
        except StoreError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_postgres_lost_in_the_middle(server: Server) -> None:
    import psycopg

    url = new_database(server)
    errors: list[str] = []
    with open_store(url) as store, psycopg.connect(url, autocommit=True) as other:
        filled(store)
        with other.transaction():
            other.execute("LOCK TABLE bokehbench_journal IN EXCLUSIVE MODE")
            thread = in_thread(store, errors)
            waiting = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'bokehbench' AND wait_event_type = 'Lock' "
                "AND datname = current_database()"
            )
            deadline = time.monotonic() + 20
            while not other.execute(waiting).fetchall() and time.monotonic() < deadline:
                time.sleep(0.05)
            thread.join()
        assert len(errors) == 1
        assert "the connection was lost" in errors[0]
        assert "\n" not in errors[0]
        assert len(store.read_open("r-one").trials) == 1
        store.append("r-one", make_trial(1))
        assert [trial.index for trial in store.read_open("r-one").trials] == [0, 1]


def test_postgres_locked_for_too_long(server: Server) -> None:
    import psycopg

    url = new_database(server)
    with open_store(url, busy_seconds=0.3) as store, psycopg.connect(url) as other:
        filled(store)
        other.execute("LOCK TABLE bokehbench_journal IN EXCLUSIVE MODE")
        with pytest.raises(StoreError, match=r"another session held a lock for 0\.3 s"):
            store.append("r-one", make_trial(1))
        other.rollback()
        assert len(store.read_open("r-one").trials) == 1


def test_postgres_rights_and_encoding(server: Server) -> None:
    import psycopg

    url = new_database(server)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE ROLE guest LOGIN")
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    guest = url.replace("tester@", "guest@")
    assert "grant it CREATE on the schema" in refusal(guest)
    assert "encoding is LATIN1" in refusal(server.url("latin"))
    open_store(url).close()
    assert "permission denied" in refusal(guest, readonly=True)
