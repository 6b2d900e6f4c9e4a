"""Files -> pixels, and a pair of images -> what a protocol compares.

A `.npy` file holds uint8, or floats from 0 to 1; any other file is an image of `images`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bokehbench.errors import DatasetError
from bokehbench.facts import FidelityRules
from bokehbench.fidelity.images import load_rgb, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[Any]

ARRAY_SUFFIX: Final = ".npy"
MAX_PIXELS: Final = 89_478_485
"""What Pillow takes for a decompression bomb is too large as an array, too."""

_SLACK: Final = 0.5
"""How far beyond 0 to 1 a network's floats may go before their range is taken for another."""


def load_pixels(path: Path) -> "Image":
    """A file as (height, width, 3): uint8, or float64 from 0 to 1.

    Raises:
        DatasetError: the file can't be read, is corrupt or too large, or holds what can't be
            meant as RGB; for arrays also NaN, and values that are not from 0 to 1.
    """
    if path.suffix.lower() != ARRAY_SUFFIX:
        return load_rgb(path)
    import numpy as np

    array = _array(path)
    if array.dtype == np.uint8:
        return array
    array = array.astype(np.float64)
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise DatasetError(f"{shown(path)}: {bad} NaN or infinite values: save finite ones")
    low, high = float(array.min()), float(array.max())
    if low < -_SLACK or high > 1 + _SLACK:
        raise DatasetError(
            f"{shown(path)}: values from {low:g} to {high:g}: floats are from 0 to 1; "
            "scale them, or save uint8"
        )
    return array


def _array(path: Path) -> "Image":
    """The array of a .npy file, looked at before it is read."""
    import numpy as np

    try:
        # Mapped, not read: a header that promises more than there is ends here.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        reason = error.strerror or "no whole .npy file"
        raise DatasetError(f"{shown(path)}: can't be read ({reason})") from None
    except (ValueError, EOFError, MemoryError, TypeError, SyntaxError):
        # NumPy's own words name pickles and other things that are not meant here.
        raise DatasetError(
            f"{shown(path)}: no whole .npy file of numbers: save one array with numpy.save"
        ) from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise DatasetError(f"{shown(path)}: an archive: give a .npy file with one array")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise DatasetError(
            f"{shown(path)}: {array.dtype} values: save uint8, or floats from 0 to 1"
        )
    shape = array.shape[1:] if array.ndim == 4 and array.shape[0] == 1 else array.shape
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        hint = " (transpose it)" if len(shape) == 3 and shape[0] == 3 else ""
        raise DatasetError(
            f"{shown(path)}: shape {tuple(array.shape)}: save (height, width, 3){hint}"
        )
    if shape[0] * shape[1] > MAX_PIXELS:
        raise DatasetError(f"{shown(path)}: more than {MAX_PIXELS} pixels: use smaller images")
    return np.array(array).reshape(shape)


def prepare(
    rules: FidelityRules, prediction: "Image", reference: "Image"
) -> "tuple[Image, Image, float]":
    """A pair as the protocol compares it, and the span of its values.

    Two uint8 images stay what they are, with a span of 255: no metric sees a common factor.

    Args:
        rules: say what is compared, how floats are rounded, and what is cut.
        prediction: (height, width, 3) uint8, or floats from 0 to 1, which may overshoot.
        reference: the same shape; floats from 0 to 1.

    Raises:
        DatasetError: the sizes differ, an image is smaller than what is cut, the reference is
            not from 0 to 1, or the prediction is not and may not be clipped.
    """
    import numpy as np

    if prediction.shape != reference.shape:
        raise DatasetError(
            f"the prediction is {_size(prediction)}, the reference {_size(reference)}: "
            "give images of one size"
        )
    if rules.crop:
        if min(prediction.shape[:2]) <= 2 * rules.crop:
            raise DatasetError(
                f"nothing of {_size(prediction)} is left when {rules.crop} pixels are cut from "
                "each edge: use larger images, or another protocol"
            )
        inner = slice(rules.crop, -rules.crop)
        prediction, reference = prediction[inner, inner], reference[inner, inner]
    if reference.dtype != np.uint8 and not (reference.min() >= 0 and reference.max() <= 1):
        raise DatasetError("the reference has values below 0 or above 1: save it clipped")
    if prediction.dtype != np.uint8:
        if rules.clip:
            prediction = np.clip(prediction, 0.0, 1.0)
        elif rules.values == "uint8" and not (prediction.min() >= 0 and prediction.max() <= 1):
            raise DatasetError(
                f"the prediction has values below 0 or above 1 and protocol {rules.name} does "
                "not clip: clip it, or use another protocol"
            )
    if prediction.dtype == np.uint8 and reference.dtype == np.uint8:
        return prediction, reference, 255.0
    if rules.values == "uint8":
        return to_uint8(prediction, rules.rounding), to_uint8(reference, rules.rounding), 255.0
    return (
        _scaled(prediction, rules.data_range),
        _scaled(reference, rules.data_range),
        rules.data_range,
    )


def to_uint8(image: "Image", rounding: str) -> "NDArray[np.uint8]":
    """Floats from 0 to 1 as bytes; uint8 as it is."""
    import numpy as np

    if image.dtype == np.uint8:
        return image
    scaled = image * 255.0
    if rounding == "half_even":
        scaled = np.rint(scaled)
    else:
        scaled = np.floor(scaled + 0.5 if rounding == "half_up" else scaled)
    return np.asarray(scaled, dtype=np.uint8)


def _scaled(image: "Image", data_range: float) -> "NDArray[np.float64]":
    import numpy as np

    # One division, so that bytes become the doubles that x / 255 gives.
    floats = image / 255.0 if image.dtype == np.uint8 else image
    return np.asarray(floats * data_range, dtype=np.float64)


def _size(image: "Image") -> str:
    return "x".join(map(str, image.shape[:2]))
