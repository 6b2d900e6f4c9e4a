"""One pair from RAW to OUT, as a worker process does it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.dataset.files import remove_labels, write_atomic
from bokehbench.dataset.folder import digests, still_there
from bokehbench.dataset.geometry import (
    Box,
    Homography,
    largest_box,
    normalised,
    overlap,
    resizing,
    same_shape,
)
from bokehbench.dataset.registration import register
from bokehbench.dataset.rows import UNREADABLE, Row, registered
from bokehbench.dataset.sampling import at_height
from bokehbench.dataset.settings import AlignSettings
from bokehbench.dataset.warping import encode, make_frame, resample
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import header_size, load_gray, load_rgb, shown

# Photos are read at no less than this many times the written height, so that what the crop takes
# away leaves enough.
SPARE = 1.6
# Photos of up to this many times the written height are registered as they were read.
SLACK = 1.25


@dataclass(frozen=True)
class Task:
    """A pair to align: paths by folder, and what was written of it before, if anything."""

    name: str
    raw: Path
    out: Path
    paths: dict[str, Path]
    settings: AlignSettings
    before: Row | None


@dataclass(frozen=True)
class _Photo:
    """A photo, maybe smaller by a whole `factor`; `size` is (width, height) of the file."""

    rgb: NDArray[np.uint8]
    size: tuple[int, int]
    factor: int


def align_pair(task: Task) -> Row:
    """Align one pair and write it, or give a row that says why not.

    What stands in `task.before` is kept if inputs and outputs are still those.

    Raises:
        DatasetError: an output can't be written.
    """
    kept = task.before
    try:
        inputs = digests(task.paths, task.raw)
    except DatasetError as error:
        _remove(task, task.before)
        return Row(name=task.name, verdict=UNREADABLE, reason=str(error))
    if kept is not None and kept.inputs == inputs and still_there(task.out, kept.outputs):
        return kept
    _remove(task, kept)
    try:
        fields, images = _aligned(task)
    except DatasetError as error:
        return Row(name=task.name, verdict=UNREADABLE, reason=str(error), inputs=inputs)
    outputs = {label: write_atomic(task.out / label, images[label]) for label in sorted(images)}
    return Row(name=task.name, inputs=inputs, outputs=outputs, **fields)


def _remove(task: Task, before: Row | None) -> None:
    """A pair that is aligned anew, or rejected, leaves nothing of an earlier time."""
    roles = (task.settings.narrow, task.settings.wide, task.settings.depth)
    labels = {f"{role}/{task.name}.{kind}" for role in roles for kind in ("jpg", "png")}
    remove_labels(task.out, labels | set(before.outputs if before is not None else ()))


def _read(path: Path, settings: AlignSettings) -> _Photo:
    height, width = header_size(path)
    rgb = load_rgb(path, at_least=round(settings.height * SPARE))
    return _Photo(rgb, (width, height), round(max(height, width) / max(rgb.shape[:2])))


def _aligned(task: Task) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Fields of the row, and the bytes of the files to write, none if the pair is rejected."""
    settings = task.settings
    narrow = _read(task.paths[settings.narrow], settings)
    wide = _read(task.paths[settings.wide], settings)
    (gray_a, to_a), (gray_b, to_b) = (
        at_height(cv2.cvtColor(photo.rgb, cv2.COLOR_RGB2GRAY), settings.height, SLACK)
        for photo in (narrow, wide)
    )
    found = register(gray_a, gray_b, settings)
    fields: dict[str, Any] = {
        "narrow_size": f"{narrow.size[0]}x{narrow.size[1]}",
        "wide_size": f"{wide.size[0]}x{wide.size[1]}",
        **registered(found),
    }
    if found.matrix is None:
        return fields, {}
    matrix = normalised(np.linalg.inv(to_b) @ found.matrix @ to_a)
    fields["matrix"] = tuple(round(float(v), 12) for v in _full(matrix, narrow, wide).ravel())
    return _written(task, narrow, wide, matrix, fields)


def _written(
    task: Task, narrow: _Photo, wide: _Photo, matrix: Homography, fields: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The crop and what it shows; `matrix` maps pixels as read."""
    settings = task.settings
    narrow_read = (narrow.rgb.shape[1], narrow.rgb.shape[0])
    wide_read = (wide.rgb.shape[1], wide.rgb.shape[0])
    box = largest_box(overlap(matrix, narrow_read, wide_read), narrow_read)
    if box is None or box.height < settings.height:
        rows = 0 if box is None else box.height
        fields |= {
            "verdict": "too_small",
            "reason": f"{rows} rows are left after the crop, {settings.height} are wanted: "
            "give larger photos or a smaller --height",
        }
        return fields, {}
    frame = make_frame(box, settings.height)
    fields["crop"] = _crop(box, narrow)
    fields["size"] = f"{frame.width}x{frame.height}"
    to_narrow = frame.to_narrow()
    images = {
        settings.narrow: resample(narrow.rgb, frame, to_narrow),
        settings.wide: resample(wide.rgb, frame, matrix @ to_narrow),
    }
    files = {
        f"{role}/{task.name}.{settings.format}": encode(image, settings.format, settings.quality)
        for role, image in images.items()
    }
    depth = task.paths.get(settings.depth)
    if depth is not None:
        gray = _depth(depth, narrow)
        # A map keeps its own resolution beside the photo's, as EBB!'s are half as large.
        width, height = narrow.size
        small = frame.resized(min(1.0, gray.shape[0] / height))
        # From the file's size: what was read of an odd one covers up to a pixel more. Each axis has
        # its own factor, as a map's shape is a little off where a model wants a round size.
        there = small.to_narrow(
            gray.shape[1] * narrow.factor / width, gray.shape[0] * narrow.factor / height
        )
        files[f"{settings.depth}/{task.name}.png"] = encode(
            resample(gray, small, there), "png", 100
        )
    return fields, files


def _depth(path: Path, narrow: _Photo) -> NDArray[np.uint8]:
    gray = load_gray(path)
    if not same_shape(gray.shape, narrow.size[::-1]):
        height, width = gray.shape
        raise DatasetError(
            f"{shown(path)}: is {width}x{height}, of another shape than its photo, "
            f"{narrow.size[0]}x{narrow.size[1]}: make it of the same photo"
        )
    return gray


def _full(matrix: Homography, narrow: _Photo, wide: _Photo) -> Homography:
    """The homography in pixels of the files."""
    down = resizing(1 / narrow.factor, 1 / narrow.factor)
    return normalised(resizing(wide.factor, wide.factor) @ matrix @ down)


def _crop(box: Box, narrow: _Photo) -> tuple[int, int, int, int]:
    scaled = [edge * narrow.factor for edge in box]
    width, height = narrow.size
    return (scaled[0], scaled[1], min(scaled[2], width), min(scaled[3], height))
