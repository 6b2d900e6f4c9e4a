"""lock.json: the bytes that a version without pins had when it was seen first."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bokehbench.errors import EngineError

FORMAT = "bokehbench-engines-lock/1"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A file's bytes, when they were seen first, and where."""

    sha256: str
    size_bytes: int
    first_seen: str
    source: str


class _Document(msgspec.Struct, kw_only=True):
    format: str = FORMAT
    files: dict[str, dict[str, Seen]] = {}


class LockFile:
    """Hashes on first use; `path` need not exist yet. Versions are keys of lock_key()."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def seen(self, key: str) -> dict[str, Seen]:
        """What is locked of a version, by file name.

        Raises:
            EngineError: the file can't be read or is no lock file.
        """
        return dict(self._read().files.get(key, {}))

    def versions(self, prefix: str) -> dict[str, dict[str, Seen]]:
        """All versions whose keys begin so."""
        return {key: files for key, files in self._read().files.items() if key.startswith(prefix)}

    def add(self, key: str, hashes: dict[str, tuple[str, int]], source: str) -> None:
        """Lock what is not locked yet of a version: name -> sha256 and size."""
        document = self._read()
        entry = document.files.setdefault(key, {})
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for name, (sha256, size) in hashes.items():
            entry.setdefault(
                name, Seen(sha256=sha256, size_bytes=size, first_seen=now, source=source)
            )
        self._write(document)

    def forget(self, key: str) -> None:
        """Unlock a version."""
        document = self._read()
        if document.files.pop(key, None) is not None:
            self._write(document)

    def _read(self) -> _Document:
        try:
            document = msgspec.json.decode(self.path.read_bytes(), type=_Document)
        except FileNotFoundError:
            return _Document()
        except OSError as error:
            raise EngineError(f"{self.path}: can't be read: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise EngineError(
                f"{self.path}: not a lock file: {error}; restore it, or remove it to lock "
                "what is installed next"
            ) from error
        if document.format != FORMAT:
            raise EngineError(f"{self.path}: {document.format} is unknown; this reads {FORMAT}")
        return document

    def _write(self, document: _Document) -> None:
        part = self.path.with_name(f".{self.path.name}.part")
        text = msgspec.json.format(msgspec.json.encode(document), indent=1)
        part.write_bytes(text + b"\n")
        part.replace(self.path)


def lock_key(name: str, platform: str, abi: str, version: str) -> str:
    """The key of a version for one platform and ABI."""
    return f"{name}/{platform}/{abi}/{version}"
