"""Weights of a model on disk: Keras's `.weights.h5`, always those of the original form."""

import os
from pathlib import Path

import keras

from bokehbench.errors import ZooError
from bokehbench.text import clean

SUFFIX = ".weights.h5"

HEADER_BYTES = 8192
"""What HDF5 writes beside the values of a variable, at most: groups, names, attributes."""


def load_weights(model: keras.Model, path: Path) -> None:
    """Give a model of the original form (not `friendly`) the weights of a file.

    Raises:
        ZooError: the file is missing, is no `.weights.h5`, or is of another model.
    """
    name = clean(str(path))
    if not path.name.endswith(SUFFIX):
        raise ZooError(
            f"{name}: weights are kept as {SUFFIX} files; save a Keras model's with "
            "model.save_weights"
        )
    if not path.is_file():
        raise ZooError(f"{name}: there is no such file of weights")
    try:
        model.load_weights(path)
    except OSError as error:
        raise ZooError(f"{name}: can't be read as HDF5 ({clean(str(error))[:200]})") from error
    # Keras and h5py raise what a foreign file trips: KeyError, ValueError, AttributeError.
    except (ValueError, KeyError, AttributeError, TypeError, RuntimeError) as error:
        first = clean(str(error)).strip().split(". ")[0][:200]
        raise ZooError(
            f"{name}: these weights do not fit {model.name} ({first}); give weights that were "
            "saved from the same model"
        ) from error


def save_weights(model: keras.Model, path: Path) -> None:
    """Write the weights of a model to a `.weights.h5` file, whole or not at all.

    Raises:
        ZooError: the name ends otherwise, or the file can't be written.
    """
    if not path.name.endswith(SUFFIX):
        raise ZooError(f"{clean(str(path))}: give a file name that ends in {SUFFIX}")
    part = path.with_name(f".{path.name.removesuffix(SUFFIX)}.part{SUFFIX}")
    try:
        _make_room(part, sum(w.nbytes + HEADER_BYTES for w in model.get_weights()))
        model.save_weights(part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ZooError(
            f"{clean(str(path))}: can't be written: {error.strerror or clean(str(error))}"
        ) from error


def _make_room(part: Path, size_bytes: int) -> None:
    """Fill `part` with that many bytes: a disk without room says so here.

    HDF5 can't be asked: where a write of its own fails, the process ends in a segmentation fault.
    Random bytes, since file systems that compress would find room for zeros.

    Raises:
        OSError: they can't be written.
    """
    with part.open("wb") as file:
        for start in range(0, size_bytes, 1 << 20):
            file.write(os.urandom(min(1 << 20, size_bytes - start)))
        file.flush()
        os.fsync(file.fileno())
