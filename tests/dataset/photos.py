"""Folders of raw pairs for tests: small photos with known homographies."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.warped import Image as Rgb
from tests.support.warped import warped_pair

ROWS = 360
HEIGHT = 280
"""Raw rows and written rows: 20 pixels are lost at each edge at most."""

NAMES = ("astronaut.png", "coffee.png", "rocket.jpg", "gravel.png")


def save(path: Path, image: NDArray[np.uint8], **options: Any) -> Path:
    """An image file, as its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        options = {"quality": 92, **options}
    Image.fromarray(image).save(path, **options)
    return path


def photos(number: int) -> tuple[Rgb, Rgb]:
    """Narrow and wide of the pair with that number."""
    pair = warped_pair(NAMES[number % len(NAMES)], (4, 8, 15)[number % 3], number, ROWS)
    return pair.narrow, pair.wide


def make_raw(root: Path, pairs: int) -> Path:
    """A raw folder with pairs 1 to `pairs`."""
    for number in range(1, pairs + 1):
        narrow, wide = photos(number)
        save(root / "original" / f"{number}.jpg", narrow)
        save(root / "bokeh" / f"{number}.jpg", wide)
    return root


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
