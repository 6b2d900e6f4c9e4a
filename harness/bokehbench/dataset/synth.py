"""Photos with disparity maps -> pairs: the photo, and the same with a synthetic wide aperture."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from bokehbench.dataset.files import check_inside, is_inside, write_atomic
from bokehbench.dataset.geometry import same_shape
from bokehbench.dataset.processes import in_processes
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import load_gray, load_rgb, shown
from bokehbench.fidelity.pairs import open_dataset
from bokehbench.fidelity.threads import usable_cores

FORMAT = "bokehbench-synth/1"
SOURCE, TARGET, DEPTH = "original", "bokeh", "original_depth"


class SynthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How pairs are made. focus: 0 to 1, None for the middle of each photo; radius_px: disk radius
    of what lies a whole range of disparity away; near: which end of a map is near.
    """

    focus: float | None = None
    radius_px: float = 30.0
    layers: int = 24
    near: Literal["white", "black"] = "white"
    format: Literal["jpg", "png"] = "jpg"
    quality: int = 95


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One pair: the focus that was used, or why it could not be made."""

    name: str
    focus: float | None = None
    failure: str | None = None


@dataclass(frozen=True)
class _Task:
    base: Path
    out: Path
    name: str
    photo: Path
    depth: Path
    settings: SynthSettings


def synth(
    folder: Path,
    out: Path,
    settings: SynthSettings,
    *,
    jobs: int | None = None,
    on_plan: Callable[[int], None] | None = None,
    on_pair: Callable[[Made], None] | None = None,
) -> tuple[Made, ...]:
    """Make `out`/original/N and `out`/bokeh/N of every `original/N` with an `original_depth/N`.

    Photos are copied as they are, maps too.

    Raises:
        DatasetError: no photos with maps, `out` is not empty or lies in `folder`, a full disk.
    """
    dataset = open_dataset(folder, reference=DEPTH, sources=(SOURCE,))
    if is_inside(out, folder) or is_inside(folder, out):
        raise DatasetError(f"{shown(out)}: lies in the photos' folder or around it: give another")
    try:
        if out.is_dir() and any(out.iterdir()):
            raise DatasetError(f"{shown(out)}: is not empty: give a new folder")
        for role in (SOURCE, TARGET, DEPTH):
            (out / role).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{shown(out)}: can't be written ({error.strerror}): give another folder"
        ) from None
    tasks = [
        _Task(folder, out, pair.name, pair.paths[SOURCE], pair.paths[DEPTH], settings)
        for pair in dataset.pairs
    ]
    if on_plan is not None:
        on_plan(len(tasks))
    order = {task.name: place for place, task in enumerate(tasks)}
    found = []
    for made in in_processes(make_pair, tasks, jobs or usable_cores(), lambda task: task.name):
        found.append(made)
        if on_pair is not None:
            on_pair(made)
    return tuple(sorted(found, key=lambda made: order[made.name]))


def make_pair(task: _Task) -> Made:
    """Make one pair, or say why not.

    Raises:
        DatasetError: it can't be written.
    """
    from bokehbench.dataset.layering import central_disparity, synthesise
    from bokehbench.dataset.warping import encode

    settings = task.settings
    try:
        check_inside(task.photo, task.base)
        check_inside(task.depth, task.base)
        photo, disparity = load_rgb(task.photo), load_gray(task.depth)
        _same_shape(task, photo.shape, disparity.shape)
        data = task.photo.read_bytes(), task.depth.read_bytes()
    except DatasetError as error:
        return Made(name=task.name, failure=str(error))
    if settings.near == "black":
        disparity = 255 - disparity
    focus = central_disparity(disparity) if settings.focus is None else settings.focus
    blurred = synthesise(
        photo, disparity, focus=focus, radius_px=settings.radius_px, layers=settings.layers
    )
    bokeh = task.out / TARGET / f"{task.name}.{settings.format}"
    write_atomic(bokeh, encode(blurred, settings.format, settings.quality))
    write_atomic(task.out / DEPTH / task.depth.name, data[1])
    write_atomic(task.out / SOURCE / task.photo.name, data[0])
    return Made(name=task.name, focus=round(focus, 6))


def _same_shape(task: _Task, photo: tuple[int, ...], depth: tuple[int, ...]) -> None:
    if not same_shape(depth, photo):
        raise DatasetError(
            f"{shown(os.path.relpath(task.depth, task.base))}: is {depth[1]}x{depth[0]}, of "
            f"another shape than its photo, {photo[1]}x{photo[0]}"
        )
