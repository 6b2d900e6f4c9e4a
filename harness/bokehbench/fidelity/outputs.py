"""A device's output image: kept as a file, and compared with another machine's."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokehbench.errors import UsageError
from bokehbench.fidelity.images import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[Any]


@dataclass(frozen=True)
class Difference:
    """How far two outputs of one input are apart.

    `largest` is in steps of 8 bit; `psnr` in dB is None where the outputs are the same.
    """

    largest: float
    psnr: float | None


def difference(output: "Image", other: "Image") -> Difference:
    """Compare two outputs of one shape, both uint8 or both floats from 0 to 1."""
    import numpy as np

    from bokehbench.fidelity.metrics import psnr

    if output.dtype == np.uint8:
        largest = float(np.abs(output.astype(np.int16) - other).max())
    else:
        largest = float(np.abs(output - other).max()) * 255.0
    decibels = psnr(output, other)
    return Difference(largest, None if math.isinf(decibels) else decibels)


def keep_output(folder: Path, name: str, output: "Image") -> None:
    """Write an output: bytes as NAME.png, floats as NAME.npy in single precision.

    Raises:
        UsageError: it can't be written.
    """
    import numpy as np
    from PIL import Image as Pictures

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if output.dtype == np.uint8:
            # The quickest compression: a phone waits for its next image.
            Pictures.fromarray(output).save(folder / f"{name}.png", compress_level=1)
        else:
            np.save(folder / f"{name}.npy", output.astype(np.float32))
    except OSError as error:
        raise UsageError(
            f"{shown(folder)}: can't be written: {error.strerror or error}; "
            "give --keep-outputs a folder that is yours and has room"
        ) from error
