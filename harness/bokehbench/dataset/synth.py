"""Photos with disparity maps -> pairs: the photo, and the same with a synthetic wide aperture.

OUT depends on the photos, the maps and the settings alone. A run that was killed goes on where it
was.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from bokehbench.dataset.files import is_inside, remove_labels, write_atomic
from bokehbench.dataset.folder import Owner, digests, prepare, still_there
from bokehbench.dataset.geometry import same_shape
from bokehbench.dataset.journal import Journal
from bokehbench.dataset.processes import KEPT, in_processes
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import load_gray, load_rgb, shown
from bokehbench.fidelity.pairs import SUFFIXES, open_dataset
from bokehbench.fidelity.threads import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    """One pair: the focus that was used, or why it could not be made.

    inputs, outputs: sha256 by `folder/file`.
    """

    name: str
    focus: float | None = None
    failure: str | None = None
    inputs: dict[str, str] = msgspec.field(default_factory=dict)
    outputs: dict[str, str] = msgspec.field(default_factory=dict)


OWNER = Owner(
    command="synth", format=FORMAT, roles=(SOURCE, TARGET, DEPTH), row=Made, listed="pairs"
)


@dataclass(frozen=True)
class _Task:
    base: Path
    out: Path
    name: str
    photo: Path
    depth: Path
    settings: SynthSettings
    before: Made | None


def synth(
    folder: Path,
    out: Path,
    settings: SynthSettings,
    *,
    jobs: int | None = None,
    on_plan: Callable[[int, int], None] | None = None,
    on_pair: Callable[[Made], None] | None = None,
) -> tuple[Made, ...]:
    """Make `out`/original/N and `out`/bokeh/N of every `original/N` with an `original_depth/N`.

    Photos are copied as they are, maps too. What an earlier run with the same settings made of the
    same files is kept.

    Args:
        folder: the photos and their maps.
        out: a new or empty folder, or one that an earlier run with the same settings wrote.
        settings: everything that decides about the result.
        jobs: worker processes, one thread each; all usable cores if None.
        on_plan: called once with the number of pairs, and of those noted as done before.
        on_pair: called after each pair, in any order.

    Returns:
        What was made of each pair, in the natural order of names.

    Raises:
        DatasetError: no photos with maps, an output folder that is not this command's or lies in
            `folder`, a disk that is full; what is done stays done.
        RunError: a worker was killed.
    """
    dataset = open_dataset(folder, reference=DEPTH, sources=(SOURCE,))
    if is_inside(out, folder) or is_inside(folder, out):
        raise DatasetError(f"{shown(out)}: lies in the photos' folder or around it: give another")
    prepare(out, OWNER, OWNER.roles)
    with Journal(out, OWNER, settings) as journal:
        done = journal.tidy({pair.name for pair in dataset.pairs})
        tasks = [
            _Task(
                base=folder,
                out=out,
                name=pair.name,
                photo=pair.paths[SOURCE],
                depth=pair.paths[DEPTH],
                settings=settings,
                before=journal.before.get(pair.name),
            )
            for pair in dataset.pairs
        ]
        if on_plan is not None:
            on_plan(len(tasks), done)
        found = {}
        for made in in_processes(
            make_pair, tasks, jobs or usable_cores(), lambda task: task.name, kept=KEPT
        ):
            journal.add(made)
            found[made.name] = made
            if on_pair is not None:
                on_pair(made)
        ordered = tuple(found[task.name] for task in tasks)
        journal.finish(ordered)
    return ordered


def make_pair(task: _Task) -> Made:
    """Make one pair, or say why not.

    What stands in `task.before` is kept if inputs and outputs are still those.

    Raises:
        DatasetError: it can't be written.
    """
    kept = task.before
    try:
        inputs = digests({SOURCE: task.photo, DEPTH: task.depth}, task.base)
    except DatasetError as error:
        _remove(task)
        return Made(name=task.name, failure=str(error))
    if kept is not None and kept.inputs == inputs and still_there(task.out, kept.outputs):
        return kept
    _remove(task)
    try:
        photo, disparity = load_rgb(task.photo), load_gray(task.depth)
        _same_shape(task, photo.shape, disparity.shape)
        copies = {
            f"{DEPTH}/{task.depth.name}": task.depth.read_bytes(),
            f"{SOURCE}/{task.photo.name}": task.photo.read_bytes(),
        }
    except DatasetError as error:
        return Made(name=task.name, failure=str(error), inputs=inputs)
    focus, bokeh = _blurred(photo, disparity, task.settings)
    images = {f"{TARGET}/{task.name}.{task.settings.format}": bokeh, **copies}
    outputs = {label: write_atomic(task.out / label, data) for label, data in images.items()}
    return Made(name=task.name, focus=round(focus, 6), inputs=inputs, outputs=outputs)


def _remove(task: _Task) -> None:
    """A pair that is made anew, or can't be, leaves nothing of an earlier time."""
    labels = {f"{role}/{task.name}{suffix}" for role in OWNER.roles for suffix in SUFFIXES}
    labels |= {f"{SOURCE}/{task.photo.name}", f"{DEPTH}/{task.depth.name}"}
    remove_labels(task.out, labels | set(task.before.outputs if task.before is not None else ()))


def _blurred(
    photo: "NDArray[np.uint8]", disparity: "NDArray[np.uint8]", settings: SynthSettings
) -> tuple[float, bytes]:
    """The focus that was used, and the image file."""
    from bokehbench.dataset.layering import central_disparity, synthesise
    from bokehbench.dataset.warping import encode

    if settings.near == "black":
        disparity = 255 - disparity
    focus = central_disparity(disparity) if settings.focus is None else settings.focus
    blurred = synthesise(
        photo, disparity, focus=focus, radius_px=settings.radius_px, layers=settings.layers
    )
    return focus, encode(blurred, settings.format, settings.quality)


def _same_shape(task: _Task, photo: tuple[int, ...], depth: tuple[int, ...]) -> None:
    if not same_shape(depth, photo):
        raise DatasetError(
            f"{shown(os.path.relpath(task.depth, task.base))}: is {depth[1]}x{depth[0]}, of "
            f"another shape than its photo, {photo[1]}x{photo[0]}"
        )
