"""The words that name a store, right and wrong ones; a password is never said again."""

from pathlib import Path

import pytest

from bokehbench.store.urls import PostgresLocation, SqliteLocation, locate
from tests.store.trouble import refusal


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a/b c.db", "/a/b c.db"),
        ("sqlite:/a/b.db", "/a/b.db"),
        ("sqlite:///a/b.db", "/a/b.db"),
        ("sqlite:////a/b.db", "/a/b.db"),
        ("sqlite:b.db", f"{Path.cwd()}/b.db"),
        ("b.db", f"{Path.cwd()}/b.db"),
        ("~/b.db", str(Path("~/b.db").expanduser())),
    ],
)
def test_sqlite_names(url: str, path: str) -> None:
    assert locate(url) == SqliteLocation(Path(path))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("a\0b", "NUL"),
        ("sqlite:", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite://a/b", "three slashes"),
        ("mysql://u:secret@h/d", "unknown scheme"),
        ("postgres:h/d", "two slashes"),
        ("postgresql://u:sec@ret@h/d", "%40"),
        ("postgresql://u:sec/ret@h/d", "%2F"),
        ("postgresql://u:sec?ret@h/d", "%3F"),
    ],
)
def test_names_that_are_none(url: str, message: str) -> None:
    said = refusal(url)
    assert message in said
    assert "sec" not in said
    assert "ret" not in said


def test_postgres_names_hold_no_password() -> None:
    url = "postgres://me:a%20secret@h:5/d?sslmode=disable&port=6&password=hidden&sslpassword=pri%76"
    place = locate(url)
    assert isinstance(place, PostgresLocation)
    assert place.name == "postgresql://me@h:5/d?port=6"
    assert "secret" not in repr(place)
    said = place.scrub("no 'a secret'\n a%20secret, hidden, priv, pri%76 end")
    assert said == "no '***' ***, ***, ***, *** end"
