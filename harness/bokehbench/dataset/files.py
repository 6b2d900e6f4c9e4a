"""Files of a dataset: written whole or not at all, named by hash, and never outside the folder."""

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import shown
from bokehbench.fidelity.pairs import SUFFIXES

PART = ".bokehbench-part"
CHUNK_BYTES = 1 << 20

RAW_SUFFIXES = frozenset(
    [
        ".3fr",
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dng",
        ".erf",
        ".iiq",
        ".kdc",
        ".mef",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    ]
)
"""Of the cameras' own formats, which hold no picture yet."""


def write_atomic(path: Path, data: bytes) -> str:
    """Write a file under a temporary name beside it, then rename; returns its sha256.

    Raises:
        DatasetError: it can't be written; nothing is left behind.
    """
    part = path.with_name(f".{path.name}{PART}")
    try:
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{shown(path)}: can't be written ({error.strerror}): make room or give another "
            "folder, then start again; what is done stays done"
        ) from None
    return hashlib.sha256(data).hexdigest()


def is_label(label: str, name: str, roles: Collection[str]) -> bool:
    """Whether `label` names an image of the pair `name` in one of the folders: `role/name.jpg`.

    What a journal or document says comes from a file that others may have changed; only such a
    label may become a path that is read or removed.
    """
    role, _, file = label.partition("/")
    plain = not any(mark in file for mark in "/\0")
    path = Path(file)
    return plain and role in roles and path.stem == name and path.suffix.lower() in SUFFIXES


def remove_labels(out: Path, labels: Iterable[str]) -> None:
    """Remove `out`/label, those that are there.

    Raises:
        DatasetError: one can't be removed.
    """
    for label in labels:
        path = out / label
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DatasetError(
                f"{shown(path)}: can't be removed ({error.strerror}): remove it, or give another "
                "folder"
            ) from None


def remove_parts(folder: Path) -> None:
    """Remove what a killed `write_atomic` left in a folder."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f".*{PART}"):
            path.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes.

    Raises:
        DatasetError: it can't be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                digest.update(piece)
    except OSError as error:
        raise DatasetError(f"{shown(path)}: can't be read ({error.strerror})") from None
    return digest.hexdigest()


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, its links followed, lies in the folder, its own links followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def check_inside(path: Path, folder: Path) -> None:
    """Refuse a link that leads out of the folder.

    Raises:
        DatasetError: it does.
    """
    if not is_inside(path, folder):
        raise DatasetError(
            f"{shown(path)}: a link that leads out of {shown(folder)}: put the file itself there"
        )


def raw_files(folder: Path) -> Iterator[Path]:
    """Files in a folder that are a camera's raw format, by name, in order of name."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in RAW_SUFFIXES and not path.name.startswith("."):
            yield path
