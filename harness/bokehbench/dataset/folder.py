"""A folder that a command writes, or wrote in part: whose it is, and what is still good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from bokehbench.dataset.files import check_inside, file_digest
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import shown


class Noted(Protocol):
    """What is noted of a pair that is done; outputs: sha256 by `folder/file`."""

    @property
    def name(self) -> str:
        """The stem of its files."""

    @property
    def outputs(self) -> dict[str, str]:
        """What was written."""


R = TypeVar("R", bound=Noted)


@dataclass(frozen=True)
class Owner(Generic[R]):
    """The command that writes a folder.

    command: the word after `dataset`; format: its number rises whenever the same photos and
    settings give other images; roles: folders of images; row: what is noted of a pair; listed: the
    rows' key in the document; reports: more files.
    """

    command: str
    format: str
    roles: tuple[str, ...]
    row: type[R]
    listed: str = "rows"
    reports: tuple[str, ...] = ()

    @property
    def document(self) -> str:
        """The name of what a run that ended leaves."""
        return f"{self.command}.json"

    @property
    def journal(self) -> str:
        """The name of what a run that goes on keeps."""
        return f"{self.command}.journal.jsonl"


def prepare(out: Path, owner: Owner[R], roles: Sequence[str]) -> None:
    """Make `out` with the folders `roles`, after a look at what is there.

    A folder is the owner's if its journal or document is there, or nothing but its own folders,
    empty, as a run leaves them that could not go on.

    Raises:
        DatasetError: `out` is no folder, is not the owner's, leads away, or can't be written.
    """
    try:
        there = list(out.iterdir()) if out.is_dir() else []
        begun = any((out / name).is_file() for name in (owner.document, owner.journal))
        if not begun and not all(path.name in owner.roles and _is_empty(path) for path in there):
            raise DatasetError(
                f"{shown(out)}: holds files that `dataset {owner.command}` did not write: "
                "give a new or empty folder"
            )
        for name in (owner.document, owner.journal, *owner.reports, *owner.roles):
            check_inside(out / name, out)
        for role in roles:
            (out / role).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{shown(out)}: can't be written ({error.strerror}): give another folder"
        ) from None


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def digests(paths: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """The sha256 of a pair's files by `role/file`; `paths` by role.

    Raises:
        DatasetError: one can't be read, or is a link that leads out of `folder`.
    """
    found = {}
    for role, path in paths.items():
        check_inside(path, folder)
        found[f"{role}/{path.name}"] = file_digest(path)
    return found


def still_there(out: Path, outputs: Mapping[str, str]) -> bool:
    """Whether every file that was written is what it was."""
    try:
        return all(file_digest(out / label) == digest for label, digest in outputs.items())
    except DatasetError:
        return False
