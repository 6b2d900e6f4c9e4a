"""The EBB! layout of image pairs on disk: `original/N.jpg` beside `bokeh/N.jpg`.

Layout as the EBB! dataset ships it: folders of one name a role, files paired by stem. Names and
paths only are held; pixels are read by `images`, one at a time.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bokehbench.errors import DatasetError
from bokehbench.facts import DatasetFacts
from bokehbench.fidelity.images import header_size, shown
from bokehbench.text import counted

SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Pair:
    """One image in every folder of the dataset. `index` is its place in the natural order."""

    index: int
    name: str
    paths: Mapping[str, Path]


@dataclass(frozen=True)
class Dataset:
    """Pairs of images by name; `unpaired` lists `folder/file` of those without a partner.

    `sources` are the folders of the inputs, `reference` that of the wanted outputs.
    """

    name: str
    root: Path
    sources: tuple[str, ...]
    reference: str
    pairs: tuple[Pair, ...]
    unpaired: tuple[str, ...]
    digest: str

    @cached_property
    def _headers(self) -> tuple[tuple[int, int] | str, ...]:
        """Per pair (height, width) of its first source, or why its header can't be read."""
        found: list[tuple[int, int] | str] = []
        for pair in self.pairs:
            try:
                found.append(header_size(pair.paths[self.sources[0]]))
            except DatasetError as error:
                found.append(str(error))
        return tuple(found)

    @property
    def sizes(self) -> tuple[tuple[int, int] | None, ...]:
        """(height, width) of each pair's first source, from headers; None where unreadable.

        Headers are read once, on first use.
        """
        return tuple(None if isinstance(header, str) else header for header in self._headers)

    @property
    def problems(self) -> Mapping[int, str]:
        """Why a pair's header can't be read, by the pair's index; one bad file spoils no other."""
        return {
            index: header for index, header in enumerate(self._headers) if isinstance(header, str)
        }

    def facts(self, fit: str = "native") -> DatasetFacts:
        """What a Record keeps of the dataset. `fit` says how images meet the model's shape."""
        counts = Counter(f"{size[0]}x{size[1]}" for size in self.sizes if size is not None)
        return DatasetFacts(
            name=self.name,
            pairs=len(self.pairs),
            digest=self.digest,
            sizes=dict(sorted(counts.items())),
            unpaired=self.unpaired,
            fit=fit,
        )


def open_dataset(
    folder: Path, *, reference: str = "bokeh", sources: Sequence[str] = ("original",)
) -> Dataset:
    """Lists the pairs in `folder`, or in `train/` inside it.

    Files are `.jpg`, `.jpeg` or `.png` in any case; others and hidden ones are passed over.
    A file without a partner in every folder is reported in `unpaired`.

    Args:
        folder: holds the folders of `sources` and of `reference`.
        reference: the folder of the wanted outputs.
        sources: the folders of the inputs (`original`, `original_depth`).

    Raises:
        DatasetError: no such folder, another layout, one stem with two extensions, a name that
            is not UTF-8, or no pairs.
    """
    roles = tuple(dict.fromkeys((*sources, reference)))
    root = _root(folder, roles)
    listings = {role: list_files(root / role) for role in roles}
    stems = set.intersection(*(set(listing) for listing in listings.values()))
    if not stems:
        counts = ", ".join(f"{role} has {counted(len(listings[role]), 'image')}" for role in roles)
        raise DatasetError(f"{shown(root)}: no pairs ({counts}): {_layout(roles)}")
    digest = hashlib.sha256()
    pairs = []
    for index, stem in enumerate(sorted(stems, key=natural_order)):
        paths = {role: listings[role][stem] for role in roles}
        pairs.append(Pair(index=index, name=stem, paths=paths))
        for role, path in paths.items():
            digest.update(f"{role}/{path.name}\0{_size_bytes(path)}\n".encode())
    unpaired = tuple(
        f"{role}/{listings[role][stem].name}"
        for role in roles
        for stem in sorted(set(listings[role]) - stems, key=natural_order)
    )
    return Dataset(
        name=_name(folder),
        root=root,
        sources=tuple(sources),
        reference=reference,
        pairs=tuple(pairs),
        unpaired=unpaired,
        digest=digest.hexdigest(),
    )


def _layout(roles: Sequence[str]) -> str:
    """Folders of these roles as they should be."""
    wanted = " beside ".join(
        f"FOLDER/{role}/N.{'png' if role.endswith('depth') else 'jpg'}" for role in roles
    )
    return f"expected {wanted} (or FOLDER/train/...)"


def _root(folder: Path, roles: Sequence[str]) -> Path:
    try:
        if not folder.exists():
            raise DatasetError(f"{shown(folder)}: no such folder: {_layout(roles)}")
        if not folder.is_dir():
            raise DatasetError(f"{shown(folder)}: not a folder: {_layout(roles)}")
        for root in (folder, folder / "train"):
            if all((root / role).is_dir() for role in roles):
                return root
        inner = folder / "train"
        base = inner if any((inner / role).is_dir() for role in roles) else folder
        missing = ", ".join(f"{role}/" for role in roles if not (base / role).is_dir())
    except OSError as error:
        raise DatasetError(f"{shown(folder)}: can't be read ({error.strerror})") from None
    raise DatasetError(f"{shown(base)}: has no {missing}: {_layout(roles)}")


def list_files(folder: Path, suffixes: Sequence[str] = SUFFIXES) -> dict[str, Path]:
    """Stem -> path of the files in one folder with these suffixes, in any case.

    Raises:
        DatasetError: the folder can't be read, a name is not UTF-8, or a stem comes twice.
    """
    found: dict[str, Path] = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise DatasetError(f"{shown(folder)}: can't be read ({error.strerror})") from None
    for path in paths:
        # "._1.jpg" is what macOS leaves beside "1.jpg" on foreign disks.
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise DatasetError(f"{shown(path)}: name is not UTF-8: rename it") from None
        if path.stem in found:
            raise DatasetError(
                f"{shown(folder)}: both {shown(found[path.stem].name)} and {shown(path.name)} "
                "have one stem: remove one"
            )
        found[path.stem] = path
    return found


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DatasetError(f"{shown(path)}: can't be read ({error.strerror})") from None


def _name(folder: Path) -> str:
    name = folder.resolve().name or "dataset"
    return name.encode(errors="replace").decode()


def natural_order(stem: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key that puts 2 before 10; the stem itself decides between 1 and 01."""
    parts = re.findall(r"[0-9]+|[^0-9]+", stem)
    return tuple((0, int(p), "") if p[0] in "0123456789" else (1, 0, p) for p in parts), stem
