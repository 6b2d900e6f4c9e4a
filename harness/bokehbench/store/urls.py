"""The words that name a store, taken apart: a SQLite file or a PostgreSQL URL, never a password."""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from bokehbench.errors import StoreError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SHOWN_PARAMETERS = ("host", "hostaddr", "port", "user", "dbname")
_FORMS = "use a file's path, sqlite:PATH or postgresql://USER@HOST/DATABASE"


class SqliteLocation(NamedTuple):
    """A SQLite file."""

    path: Path

    @property
    def name(self) -> str:
        """What messages call this store."""
        return str(self.path)


class PostgresLocation(NamedTuple):
    """A PostgreSQL database. `url` may hold a password, `name` never does."""

    url: str
    name: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"PostgresLocation({self.name})"

    def scrub(self, message: str) -> str:
        """One line of `message` with every secret of the URL taken out."""
        # Longest first: the quoted form of a secret may hold the unquoted one.
        for secret in sorted(self.secrets, key=len, reverse=True):
            message = message.replace(secret, "***")
        return " ".join(message.split())


def default_path() -> Path:
    """The SQLite file that is used when no store is named."""
    from platformdirs import user_data_path

    return user_data_path("bokehbench") / "records.sqlite3"


def locate(url: str) -> SqliteLocation | PostgresLocation:
    """The place that `url` names.

    Raises:
        StoreError: the scheme is unknown or the URL is malformed.
    """
    if not url.strip() or "\0" in url:
        raise StoreError(f"the store's name is empty or holds a NUL character: {_FORMS}")
    if url.startswith("sqlite:"):
        return _sqlite(url)
    if re.match(r"postgres(ql)?:", url):
        return _postgres(url)
    scheme = _SCHEME.match(url)
    if scheme:
        raise StoreError(f"a store can't be at {scheme[0]}…: unknown scheme; {_FORMS}")
    return SqliteLocation(_path(url))


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except (OSError, RuntimeError) as error:
        raise StoreError(f"{text}: the path can't be resolved ({error}); {_FORMS}") from error


def _sqlite(url: str) -> SqliteLocation:
    rest = url.removeprefix("sqlite:")
    if rest.startswith("//"):
        if not rest.startswith("///"):
            raise StoreError(f"{url}: a file's URL has three slashes, sqlite:///ABSOLUTE/PATH")
        rest = "/" + rest.lstrip("/")
    if not rest or rest == "/":
        raise StoreError(f"{url}: names no file; {_FORMS}")
    return SqliteLocation(_path(rest))


def _postgres(url: str) -> PostgresLocation:
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise StoreError("a PostgreSQL store's URL starts with postgresql:// (two slashes)")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    # libpq takes the first @ for the end of the credentials, so what follows it in a badly
    # quoted password would turn up as a host name in its messages, and in ours.
    if rest.count("@") != authority.count("@") or authority.count("@") > 1:
        raise StoreError(
            f"the {scheme}:// URL of the store has an @ in a wrong place: write special characters "
            "of user, password and database as %40 (@), %2F (/), %3F (?)"
        )
    credentials, _, host = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    path, _, query = rest[len(authority) :].partition("?")
    secrets = {password, unquote(password)}
    shown = []
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in _SHOWN_PARAMETERS:
            shown.append(f"{key}={value}")
        elif "pass" in key.lower():
            secrets.add(value)
    for item in query.split("&"):
        key, _, raw = item.partition("=")
        if "pass" in key.lower():
            secrets.add(raw)
    name = f"postgresql://{user}{'@' if user else ''}{host}{path}"
    if shown:
        name += "?" + "&".join(shown)
    return PostgresLocation(url, name, tuple(secret for secret in secrets if secret))
