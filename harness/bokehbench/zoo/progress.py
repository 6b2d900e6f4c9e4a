"""What a training leaves in its folder: arrays to go on from, a log, what it was told."""

import csv
import io
import json
import math
import os
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bokehbench.errors import ZooError
from bokehbench.text import clean

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATE = "state.npz"
LOG = "log.csv"
BEST = "best.weights.h5"
"""Weights of the epoch with the highest PSNR on the validation pairs."""

FORMAT = "bokehbench-training/2"


@dataclass(frozen=True)
class Measured:
    """Means over the validation pairs, of 8-bit images, by the rules of `mai22`.

    Attributes:
        psnr: dB, of the images that differ from their reference; None if all are equal to it.
        ssim: Gaussian, of all.
        identical: images equal to their reference, whose PSNR is infinite.
    """

    psnr: float | None
    ssim: float
    identical: int


@dataclass(frozen=True)
class Epoch:
    """One line of the log.

    Attributes:
        epoch: counted from 1.
        rate: the learning rate.
        loss: mean over the steps.
        psnr: as in `Measured`.
        ssim: the same.
        seconds: of training and validation.
        identical: as in `Measured`.
    """

    epoch: int
    rate: float
    loss: float
    psnr: float | None
    ssim: float
    seconds: float
    identical: int


@dataclass(frozen=True)
class State:
    """Where a training stands after a whole epoch.

    Attributes:
        told: what decides the course of the training; one that goes on must be told the same.
        log: all epochs so far.
        unchanged: of the validation inputs themselves.
        weights: of the model, in its order.
        slots: variables of the optimizer, in its order.
        best_weights: of the model after the best epoch, which `BEST` is made of.
    """

    told: dict[str, Any]
    log: tuple[Epoch, ...]
    unchanged: Measured
    weights: Sequence["NDArray[Any]"]
    slots: Sequence["NDArray[Any]"]
    best_weights: Sequence["NDArray[Any]"]

    @property
    def best(self) -> Epoch | None:
        """The epoch with the highest PSNR."""
        return best_of(self.log)


def best_of(log: Sequence[Epoch]) -> Epoch | None:
    """The epoch with the highest PSNR, the first of several; none of none."""
    return max(log, key=lambda epoch: math.inf if epoch.psnr is None else epoch.psnr, default=None)


def check_writable(folder: Path) -> None:
    """Write a small file there and remove it.

    Raises:
        ZooError: the folder can't be written.
    """
    probe = folder / ".writable.part"
    try:
        probe.write_bytes(b"?")
        probe.unlink()
    except OSError as error:
        raise ZooError(
            f"{clean(str(folder))}: can't be written: {error.strerror}; give another folder"
        ) from error


def save_state(folder: Path, state: State) -> None:
    """Write the state and the log, each whole or not at all.

    Raises:
        ZooError: the folder can't be written.
    """
    head = {
        "format": FORMAT,
        "told": state.told,
        "log": [asdict(epoch) for epoch in state.log],
        "unchanged": asdict(state.unchanged),
    }
    arrays = {f"w{number:04}": array for number, array in enumerate(state.weights)}
    arrays |= {f"s{number:04}": array for number, array in enumerate(state.slots)}
    arrays |= {f"b{number:04}": array for number, array in enumerate(state.best_weights)}
    arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    _write(folder / STATE, data.getvalue())
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([field.name for field in fields(Epoch)])
    for epoch in state.log:
        rows.writerow(asdict(epoch).values())
    _write(folder / LOG, text.getvalue().encode())


def load_state(folder: Path) -> State:
    """The state that `save_state` wrote.

    Raises:
        ZooError: there is none, or it can't be used.
    """
    path = folder / STATE
    name = clean(str(path))
    if not path.is_file():
        raise ZooError(f"{name}: there is no training to go on with; leave out --resume")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        head = json.loads(arrays.pop("head").tobytes())
        if head["format"] != FORMAT:
            raise ValueError(f"of format {head['format']}")
        return State(
            told=head["told"],
            log=tuple(Epoch(**epoch) for epoch in head["log"]),
            unchanged=Measured(**head["unchanged"]),
            weights=[arrays[key] for key in sorted(arrays) if key.startswith("w")],
            slots=[arrays[key] for key in sorted(arrays) if key.startswith("s")],
            best_weights=[arrays[key] for key in sorted(arrays) if key.startswith("b")],
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ZooError(
            f"{name}: can't be read ({clean(str(error))[:200]}); give another folder"
        ) from error


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ZooError(
            f"{clean(str(path))}: can't be written: {error.strerror}; what was there before is kept"
        ) from error
