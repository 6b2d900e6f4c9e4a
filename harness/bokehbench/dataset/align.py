"""A folder of raw pairs -> a folder of aligned ones: plan, worker processes, journal, report.

OUT depends on RAW and the settings alone: each pair is worked on by itself in one thread, and
what is listed is in order of names. A run that was killed goes on where it was.
"""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bokehbench.dataset.files import (
    check_inside,
    is_inside,
    raw_files,
    write_atomic,
)
from bokehbench.dataset.folder import Owner, prepare
from bokehbench.dataset.journal import Journal
from bokehbench.dataset.processes import KEPT, in_processes
from bokehbench.dataset.rows import UNREADABLE, Row
from bokehbench.dataset.settings import AlignSettings
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import shown
from bokehbench.fidelity.pairs import Dataset, list_files, natural_order, open_dataset
from bokehbench.fidelity.threads import usable_cores

if TYPE_CHECKING:
    from bokehbench.dataset.work import Task

FORMAT = "bokehbench-align/1"
CSV = "align.csv"
PAGE = "align.html"


def owner(settings: AlignSettings) -> Owner[Row]:
    """What `dataset align` calls its own in an output folder."""
    roles = (settings.narrow, settings.wide, settings.depth)
    return Owner(command="align", format=FORMAT, roles=roles, row=Row, reports=(CSV, PAGE))


def align(
    raw: Path,
    out: Path,
    settings: AlignSettings,
    *,
    jobs: int | None = None,
    on_plan: Callable[[int, int], None] | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> tuple[Row, ...]:
    """Align every pair in `raw` and write those that could be to `out`.

    Args:
        raw: the EBB! layout, with the folders that the settings name.
        out: a new or empty folder, or one that an earlier run with the same settings wrote.
        settings: everything that decides about the result.
        jobs: worker processes, one thread each; all usable cores if None.
        on_plan: called once with the number of pairs, and of those noted as done before.
        on_row: called after each pair, in any order.

    Returns:
        One row a pair, rejected ones and files that are no pair of photos among them, in the
        natural order of names.

    Raises:
        DatasetError: no pairs, names that collide, links out of a folder, an output folder that
            is not this command's, or a disk that is full; what is done stays done.
        RunError: a worker was killed.
    """
    from bokehbench.dataset.work import align_pair

    dataset, strays = _planned(raw, settings)
    _prepare(out, raw, dataset, settings)
    with Journal(out, owner(settings), settings) as journal:
        done = journal.tidy({pair.name for pair in dataset.pairs})
        if on_plan is not None:
            on_plan(len(dataset.pairs), done)
        tasks = _tasks(dataset, raw, out, settings, journal)
        rows = list(strays)
        for row in in_processes(
            align_pair, tasks, jobs or usable_cores(), lambda task: task.name, kept=KEPT
        ):
            journal.add(row)
            rows.append(row)
            if on_row is not None:
                on_row(row)
        ordered = tuple(sorted(rows, key=lambda row: natural_order(row.name)))
        _report(out, dataset, settings, ordered)
        journal.finish(ordered)
    return ordered


def _planned(raw: Path, settings: AlignSettings) -> tuple[Dataset, tuple[Row, ...]]:
    """The pairs, and a row for each file that has no partner or is a camera's raw format."""
    raws = _raw_rows(raw, settings)
    try:
        dataset = open_dataset(raw, reference=settings.wide, sources=(settings.narrow,))
    except DatasetError:
        if raws:
            raise DatasetError(f"{raws[0].reason} (and {len(raws) - 1} more files)") from None
        raise
    seen: dict[str, str] = {}
    for pair in dataset.pairs:
        plain = unicodedata.normalize("NFC", pair.name).casefold()
        if plain in seen:
            raise DatasetError(
                f"{shown(dataset.root)}: {shown(seen[plain])} and {shown(pair.name)} are one name "
                "where capitals don't count: rename one"
            )
        seen[plain] = pair.name
    taken = {row.name for row in raws}
    alone = [
        Row(name=label, verdict=UNREADABLE, reason=f"{shown(label)}: has no partner")
        for label in dataset.unpaired
        if Path(label).stem not in {Path(name).stem for name in taken}
    ]
    return dataset, (*raws, *alone)


def _raw_rows(raw: Path, settings: AlignSettings) -> tuple[Row, ...]:
    rows = []
    for root in (raw, raw / "train"):
        for role in (settings.narrow, settings.wide):
            folder = root / role
            if folder.is_dir():
                rows += [
                    Row(
                        name=f"{role}/{path.name}",
                        verdict=UNREADABLE,
                        reason=f"{shown(path)}: a camera's raw file: develop it to JPEG or PNG, "
                        "both of a pair alike",
                    )
                    for path in raw_files(folder)
                ]
    return tuple(rows)


def _prepare(out: Path, raw: Path, dataset: Dataset, settings: AlignSettings) -> None:
    """The output folders, after every look at RAW and at what is there.

    Raises:
        DatasetError: a link leads out of `raw`; `out` lies in it or holds it, or as `prepare`.
    """
    roles = [settings.narrow, settings.wide]
    if (dataset.root / settings.depth).is_dir():
        roles.append(settings.depth)
    for role in roles:
        check_inside(dataset.root / role, raw)
    if is_inside(out, raw) or is_inside(raw, out):
        raise DatasetError(f"{shown(out)}: lies in RAW or around it: give a folder beside it")
    prepare(out, owner(settings), roles)


def _tasks(
    dataset: Dataset, raw: Path, out: Path, settings: AlignSettings, journal: Journal[Row]
) -> "list[Task]":
    from bokehbench.dataset.work import Task

    folder = dataset.root / settings.depth
    depths = list_files(folder, (".png",)) if folder.is_dir() else {}
    tasks = []
    for pair in dataset.pairs:
        paths = dict(pair.paths)
        if pair.name in depths:
            paths[settings.depth] = depths[pair.name]
        before = journal.before.get(pair.name)
        tasks.append(Task(pair.name, raw, out, paths, settings, before))
    return tasks


def _report(out: Path, dataset: Dataset, settings: AlignSettings, rows: tuple[Row, ...]) -> None:
    from bokehbench.dataset.page import page
    from bokehbench.dataset.sheet import sheet

    photos = {pair.name: pair.paths for pair in dataset.pairs}
    write_atomic(out / CSV, sheet(rows).encode())
    write_atomic(out / PAGE, page(rows, settings, out, photos).encode())
