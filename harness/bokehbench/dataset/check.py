"""A dataset as it lies on disk -> what is wrong with it: files, sizes, duplicates, leakage."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from bokehbench.dataset.files import file_digest, is_inside, raw_files
from bokehbench.dataset.geometry import same_shape
from bokehbench.dataset.likeness import Print, alike, fingerprint
from bokehbench.dataset.processes import in_processes
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import load_gray, load_rgb, shown
from bokehbench.fidelity.pairs import Dataset, list_files, open_dataset
from bokehbench.fidelity.threads import usable_cores

KINDS = {
    "unpaired": "files without a partner",
    "raw": "cameras' raw files",
    "link": "links that lead out of the dataset",
    "corrupt": "files that can't be used",
    "size": "pairs of two sizes",
    "height": "pairs of another height than most",
    "same": "pairs of twice the same image",
    "blank": "images of one brightness",
    "depth": "depth maps without a photo, or of another shape",
    "duplicate": "images that show the same, in one split",
    "leakage": "images that show the same, in two splits",
}
"""The closed list of what can be wrong, worst of all at its end."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong; `files` are relative to the dataset."""

    kind: str
    files: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Look:
    """What was seen of one pair; `size` is that of the source, (height, width).

    files: source and reference, relative to the dataset; depth: their map, empty without one.
    """

    split: str
    name: str
    files: tuple[str, ...]
    size: tuple[int, int] | None = None
    print: Print | None = None
    problems: tuple[Problem, ...] = ()
    depth: str = ""


@dataclass(frozen=True)
class Checked:
    """All of a dataset: pairs by split, heights and how often, what is wrong."""

    pairs: dict[str, int]
    heights: dict[int, int]
    problems: tuple[Problem, ...]
    looks: tuple[Look, ...] = field(repr=False)


@dataclass(frozen=True)
class _Task:
    """One pair to look at; `paths` by folder."""

    base: Path
    split: str
    name: str
    paths: dict[str, Path]
    source: str
    reference: str
    depth: str


def check(
    folder: Path,
    *,
    source: str = "original",
    reference: str = "bokeh",
    jobs: int | None = None,
    on_plan: Callable[[int], None] | None = None,
    on_pair: Callable[[], None] | None = None,
) -> Checked:
    """Read every image of a dataset and of its splits (`train/`, `val/`, `test/`, any names).

    Raises:
        DatasetError: no pairs, another layout, or names that collide.
    """
    splits = open_splits(folder, source, reference)
    depth = f"{source}_depth"
    tasks, problems = [], []
    for split, dataset in splits.items():
        tasks += _tasks(folder, split, dataset, source, reference, depth)
        problems += _strays(folder, dataset, source, reference, depth)
    if on_plan is not None:
        on_plan(len(tasks))
    looks = []
    for look in in_processes(look_at, tasks, jobs or usable_cores(), lambda task: task.name):
        looks.append(look)
        if on_pair is not None:
            on_pair()
    order = {(task.split, task.name): place for place, task in enumerate(tasks)}
    looks.sort(key=lambda look: order[look.split, look.name])
    for look in looks:
        problems += look.problems
    problems += _heights(looks) + _likenesses(looks)
    kinds = list(KINDS)
    return Checked(
        {split: len(dataset.pairs) for split, dataset in splits.items()},
        dict(sorted(Counter(look.size[0] for look in looks if look.size).items())),
        tuple(sorted(problems, key=lambda one: kinds.index(one.kind))),
        tuple(looks),
    )


def open_splits(folder: Path, source: str, reference: str) -> dict[str, Dataset]:
    """The dataset's splits by name; one without a name where the images lie in `folder` itself.

    Raises:
        DatasetError: as `open_dataset`.
    """
    if not folder.is_dir() or (folder / source).is_dir():
        return {"": open_dataset(folder, reference=reference, sources=(source,))}
    names = sorted(
        path.name
        for path in folder.iterdir()
        if (path / source).is_dir() and (path / reference).is_dir()
    )
    if not names:
        return {"": open_dataset(folder, reference=reference, sources=(source,))}
    return {
        name: open_dataset(folder / name, reference=reference, sources=(source,)) for name in names
    }


def _tasks(
    base: Path, split: str, dataset: Dataset, source: str, reference: str, depth: str
) -> list[_Task]:
    maps = _maps(dataset, depth)
    tasks = []
    for pair in dataset.pairs:
        paths = dict(pair.paths)
        if pair.name in maps:
            paths[depth] = maps[pair.name]
        tasks.append(_Task(base, split, pair.name, paths, source, reference, depth))
    return tasks


def _maps(dataset: Dataset, depth: str) -> dict[str, Path]:
    folder = dataset.root / depth
    return list_files(folder, (".png",)) if folder.is_dir() else {}


def _strays(base: Path, dataset: Dataset, source: str, reference: str, depth: str) -> list[Problem]:
    found = []
    for label in dataset.unpaired:
        file = _label(dataset.root / label, base)
        found.append(Problem(kind="unpaired", files=(file,), text=f"{file}: has no partner"))
    for role in (source, reference):
        for path in raw_files(dataset.root / role):
            file = _label(path, base)
            text = f"{file}: a camera's raw file: develop it to JPEG or PNG"
            found.append(Problem(kind="raw", files=(file,), text=text))
    maps = _maps(dataset, depth)
    for name in sorted(set(maps) - {pair.name for pair in dataset.pairs}):
        file = _label(maps[name], base)
        found.append(Problem(kind="depth", files=(file,), text=f"{file}: has no photo"))
    return found


def _label(path: Path, base: Path) -> str:
    return str(path.relative_to(base))


def look_at(task: _Task) -> Look:
    """Read the files of one pair, whole."""
    files = tuple(_label(task.paths[role], task.base) for role in (task.source, task.reference))
    depth = _label(task.paths[task.depth], task.base) if task.depth in task.paths else ""
    look = Look(task.split, task.name, files, depth=depth)
    for path in task.paths.values():
        if not is_inside(path, task.base):
            file = _label(path, task.base)
            text = f"{file}: a link that leads out of the dataset: put the file itself there"
            return replace(look, problems=(Problem(kind="link", files=(file,), text=text),))
    try:
        photo, other = (load_rgb(task.paths[role]) for role in (task.source, task.reference))
        digests = [file_digest(task.paths[role]) for role in (task.source, task.reference)]
    except DatasetError as error:
        return replace(look, problems=(Problem(kind="corrupt", files=files, text=str(error)),))
    problems = []
    size, other_size = photo.shape[:2], other.shape[:2]
    if size != other_size:
        text = f"{files[0]}: is {_size(size)}, {files[1]} is {_size(other_size)}"
        problems.append(Problem(kind="size", files=files, text=text))
    elif digests[0] == digests[1] or bool((photo == other).all()):
        text = f"{files[0]} and {files[1]}: hold the same pixels"
        problems.append(Problem(kind="same", files=files, text=text))
    seen = fingerprint(photo)
    if seen.small is None:
        text = f"{files[0]}: is of one brightness"
        problems.append(Problem(kind="blank", files=files[:1], text=text))
    problems += _depth(task, (size[0], size[1]))
    return replace(look, size=(size[0], size[1]), print=seen, problems=tuple(problems))


def _depth(task: _Task, size: tuple[int, int]) -> list[Problem]:
    path = task.paths.get(task.depth)
    if path is None:
        return []
    file = _label(path, task.base)
    try:
        height, width = load_gray(path).shape
    except DatasetError as error:
        return [Problem(kind="corrupt", files=(file,), text=str(error))]
    if same_shape((height, width), size):
        return []
    text = f"{file}: is {_size((height, width))}, of another shape than its photo, {_size(size)}"
    return [Problem(kind="depth", files=(file,), text=text)]


def _size(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"


def _heights(looks: list[Look]) -> list[Problem]:
    counts = Counter(look.size[0] for look in looks if look.size)
    if len(counts) < 2:
        return []
    most = counts.most_common(1)[0][0]
    return [
        Problem(
            kind="height",
            files=look.files,
            text=f"{look.files[0]}: is {look.size[0]} rows high, most are {most}",
        )
        for look in looks
        if look.size and look.size[0] != most
    ]


def _likenesses(looks: list[Look]) -> list[Problem]:
    seen = [look for look in looks if look.print is not None]
    found = []
    for first, second in likenesses(tuple(seen)):
        a, b = seen[first], seen[second]
        kind = "duplicate" if a.split == b.split else "leakage"
        text = f"{shown(a.files[0])} and {shown(b.files[0])}: show the same"
        found.append(Problem(kind=kind, files=(a.files[0], b.files[0]), text=text))
    return found


def likenesses(looks: tuple[Look, ...]) -> list[tuple[int, int]]:
    """Places of looks whose photos show the same; those that could not be read are like none."""
    places = [place for place, look in enumerate(looks) if look.print is not None]
    prints = [look.print for look in looks if look.print is not None]
    return [(places[a], places[b]) for a, b in alike(prints)]
