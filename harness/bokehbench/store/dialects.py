"""What both databases do alike: transactions, statements, and errors in plain words."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bokehbench.errors import StoreError

Row = tuple[Any, ...]

ELSEWHERE = "or name another store"


class Database(ABC):
    """One connection, used by one thread at a time; statements have `?` for their values.

    `rows` and `change` are called inside `transaction` only.
    """

    errors: tuple[type[Exception], ...]
    text_type: str
    blob_type: str

    def __init__(self, name: str, *, busy_seconds: float, readonly: bool) -> None:
        self.name = name
        self.readonly = readonly
        self.busy_seconds = busy_seconds
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[None]:
        """All statements of the block, or none of them.

        Raises:
            StoreError: the database refused a statement, was locked for `busy_seconds`, is
                full or out of reach. Nothing of the block was kept.
        """
        if self._closed:
            raise StoreError(f"{self.name}: the store was closed: open it again")
        if write and self.readonly:
            raise StoreError(f"{self.name}: the store was opened for reading only")
        with self._lock:
            try:
                self._begin(write)
                yield
                self._command("COMMIT")
            except BaseException as error:
                self._abandon()
                if isinstance(error, self.errors):
                    raise self.fault(error) from error
                raise

    def close(self) -> None:
        """Ends the connection; a second call does nothing."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def fault(self, error: BaseException) -> StoreError:
        """A database's own error as one line: the store, the problem, the cure."""
        return StoreError(f"{self.name}: {self._explain(error)}")

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows of a SELECT."""

    @abstractmethod
    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Runs a statement that changes; the count of rows that it changed."""

    @abstractmethod
    def has_tables(self) -> bool:
        """Whether the store's tables are there.

        Raises:
            StoreError: the database belongs to another program.
        """

    @abstractmethod
    def before_tables(self) -> None:
        """What is done once to a new database, outside transactions."""

    @abstractmethod
    def lock_tables(self) -> None:
        """Holds other processes off making the same tables until the transaction ends."""

    @abstractmethod
    def _begin(self, write: bool) -> None: ...

    @abstractmethod
    def _command(self, sql: str) -> None: ...

    @abstractmethod
    def _abandon(self) -> None: ...

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def _explain(self, error: BaseException) -> str: ...
