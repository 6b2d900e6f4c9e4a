"""Words of a command line -> the logs that they name."""

from dataclasses import dataclass
from pathlib import Path

from bokehbench.errors import UsageError

SUFFIXES = (".log", ".txt")
"""Files of a folder that are taken for logs."""


@dataclass(frozen=True)
class Source:
    """One log to be read: a path, or None for standard input."""

    path: Path | None
    in_folder: bool = False

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return "standard input" if self.path is None else str(self.path)


def find_logs(words: tuple[str, ...]) -> tuple[list[Source], bool]:
    """The logs that the words name, and whether several could have been meant.

    Raises:
        UsageError: a path that there is none of, or a folder without a file of a log's name.
    """
    sources: list[Source] = []
    listed = len(words) > 1
    for word in words:
        path = Path(word)
        if word == "-":
            sources.append(Source(None))
        elif path.is_dir():
            listed = True
            sources += [Source(inner, in_folder=True) for inner in _logs_in(path)]
        elif not path.exists():
            raise UsageError(f"{word}: no such file or folder")
        elif path.is_char_device() or path.is_block_device():
            raise UsageError(f"{word}: is a device; give a file, or - for standard input")
        else:
            sources.append(Source(path))
    if not sources:
        raise UsageError(f"{' '.join(words)}: no {' or '.join(SUFFIXES)} file in there")
    return sources, listed


def _logs_in(folder: Path) -> list[Path]:
    """Logs at any depth, in the order of their paths; links to folders are not followed."""
    import os

    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.suffix.lower() in SUFFIXES and path.is_file():
                found.append(path)
    return sorted(found)
