"""Image files -> uint8 arrays, through Pillow; what can't be meant as RGB is refused.

Pixels are taken as stored: colour profiles are not applied. An EXIF orientation is applied; of
a PNG only one that stands before the pixels counts, so that sizes need no decoding.
"""

import hashlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bokehbench.errors import DatasetError
from bokehbench.text import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image as PilImage

_EXIF_ORIENTATION = 0x0112
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_AT = 24
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))

# warnings.catch_warnings changes the whole process, so one thread at a time opens a header.
_header_lock = threading.Lock()


def shown(path: Path | str) -> str:
    """A path as text that fits in one line of a message."""
    return clean(str(path))


def load_rgb(path: Path, *, at_least: int | None = None) -> "NDArray[np.uint8]":
    """One image as (height, width, 3) uint8, EXIF orientation applied.

    Gray is replicated and a palette looked up; alpha is dropped where it is opaque
    everywhere. Of a JPEG with several pictures (MPO) the first is read.

    Args:
        path: a JPEG or PNG.
        at_least: the image may come smaller by a whole factor, each pixel the mean of those it
            stands for, as long as its shorter side keeps this many. Saves time and memory.

    Raises:
        DatasetError: the file can't be read, is corrupt or too large, or holds 16-bit, CMYK,
            animated or transparent pixels.
    """
    with _opened(path) as image:
        if at_least is not None:
            # JPEG alone: decoded at a half, a quarter or an eighth.
            image.draft(None, (at_least, at_least))
        return _pixels(path, image, "RGB", at_least)


def load_gray(path: Path) -> "NDArray[np.uint8]":
    """One 8-bit gray image (a depth map) as (height, width) uint8, EXIF orientation applied.

    A colour image is accepted where its channels are equal everywhere.

    Raises:
        DatasetError: as `load_rgb`; or the image has colours.
    """
    import numpy as np

    with _opened(path) as image:
        if image.mode in ("1", "L", "LA") and "transparency" not in image.info:
            return _pixels(path, image, "L")
        rgb = _pixels(path, image, "RGB")
    if not (np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 0], rgb[..., 2])):
        raise DatasetError(f"{shown(path)}: has colours: save depth as 8-bit gray PNG")
    return np.ascontiguousarray(rgb[..., 0])


def header_size(path: Path) -> tuple[int, int]:
    """(height, width) after EXIF orientation, from the header alone.

    Raises:
        DatasetError: the file can't be read, is not a JPEG or PNG, or is too large.
    """
    with _opened(path) as image:
        width, height = image.size
        return (width, height) if _orientation(image) >= 5 else (height, width)


def colour_profile(path: Path) -> str:
    """A name for the colours that a file's values stand for: `sRGB`, or the profile's own hash.

    A file without a profile is taken for sRGB. Profiles are told apart, not applied.

    Raises:
        DatasetError: as `load_rgb`.
    """
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        return "sRGB"
    with _opened(path) as image:
        profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or any(name in profile for name in _SRGB):
        return "sRGB"
    return hashlib.sha256(profile).hexdigest()


def fit_image(
    array: "NDArray[np.uint8]", height: int, width: int, how: Literal["resize", "crop"]
) -> "NDArray[np.uint8]":
    """An image of `height` x `width` from (h, w) or (h, w, 3) uint8.

    `resize` is Pillow's Lanczos filter of radius 3, stretched by the factor when it shrinks
    (antialiased), and does not keep the aspect ratio. `crop` takes the centre; of an odd rest
    the larger part is cut at the bottom and right.

    Raises:
        DatasetError: the image is smaller than the crop.
    """
    import numpy as np
    from PIL import Image

    have_height, have_width = array.shape[:2]
    if (have_height, have_width) == (height, width):
        return array
    if how == "crop":
        if have_height < height or have_width < width:
            raise DatasetError(
                f"an image of {have_height}x{have_width} can't be cropped to {height}x{width}: "
                "use resize, or larger images"
            )
        top, left = (have_height - height) // 2, (have_width - width) // 2
        return np.ascontiguousarray(array[top : top + height, left : left + width])
    resized = Image.fromarray(array).resize((width, height), Image.Resampling.LANCZOS)
    return np.array(resized, dtype=np.uint8)


@contextmanager
def _opened(path: Path) -> Iterator["PilImage.Image"]:
    """The image with its header read, checked for kinds that Pillow would quietly convert."""
    from PIL import Image, UnidentifiedImageError

    try:
        with path.open("rb") as file:
            head = file.read(_PNG_DEPTH_AT + 1)
            file.seek(0)
            with _header_lock, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(file, formats=("JPEG", "PNG"))
            with image:
                _refuse_kind(path, image, head)
                yield image
    except DatasetError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DatasetError(
            f"{shown(path)}: more than {Image.MAX_IMAGE_PIXELS} pixels: use smaller images"
        ) from None
    except UnidentifiedImageError:
        raise DatasetError(f"{shown(path)}: not a JPEG or PNG: replace or remove it") from None
    except MemoryError:
        raise
    # Pillow's readers raise whatever a broken file trips: OSError, SyntaxError, struct.error...
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DatasetError(f"{shown(path)}: can't be read ({error.strerror})") from None
        kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
        raise DatasetError(
            f"{shown(path)}: corrupt {kind} ({shown(str(error))}): replace or remove it"
        ) from None


def _refuse_kind(path: Path, image: "PilImage.Image", head: bytes) -> None:
    if head.startswith(_PNG_MAGIC) and head[_PNG_DEPTH_AT] == 16:
        raise DatasetError(f"{shown(path)}: 16-bit pixels: save it with 8 bits a channel")
    if image.format == "PNG" and getattr(image, "is_animated", False):
        raise DatasetError(f"{shown(path)}: animated PNG: save one frame as a still image")
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise DatasetError(f"{shown(path)}: {image.mode} pixels: save it as 8-bit RGB")


def _orientation(image: "PilImage.Image") -> int:
    from PIL import Image

    # PngImageFile.getexif decodes the whole image to look behind the pixels.
    with _header_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = Image.Image.getexif(image).get(_EXIF_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _pixels(
    path: Path,
    image: "PilImage.Image",
    mode: Literal["RGB", "L"],
    at_least: int | None = None,
) -> "NDArray[np.uint8]":
    import numpy as np
    from PIL import Image

    orientation = _orientation(image)
    image.load()
    plain: PilImage.Image = image
    if image.mode in ("LA", "RGBA") or "transparency" in image.info:
        original_mode = image.mode
        plain = image.convert("RGBA")
        if plain.getchannel("A").getextrema()[0] != 255:
            raise DatasetError(
                f"{shown(path)}: {original_mode} with transparent pixels: "
                "flatten it onto a background and save it as RGB"
            )
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    if plain.mode != mode:
        plain = plain.convert(mode)
    factor = min(plain.size) // at_least if at_least is not None else 1
    if factor > 1:
        plain = plain.reduce(factor)
    if turn is not None:
        plain = plain.transpose(turn)
    return np.array(plain, dtype=np.uint8)
