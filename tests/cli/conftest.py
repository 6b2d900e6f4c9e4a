"""A command line with a home of its own, models and image pairs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support import models
from tests.support.command import Command


@pytest.fixture
def bokehbench(tmp_path: Path) -> Command:
    """The command line; nothing it does reaches outside of tmp_path."""
    return Command(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small convolution at the size of the pairs."""
    path = tmp_path / "net.tflite"
    path.write_bytes(models.conv(48, 64))
    return path


@pytest.fixture
def free_model(tmp_path: Path) -> Path:
    """The same of free height and width, which is timed at 1024x1024."""
    path = tmp_path / "free.tflite"
    path.write_bytes(models.conv(open_sides=True))
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Four pairs of 48x64."""
    return make_pairs(tmp_path / "pairs", [(48, 64)] * 4)


def make_pairs(folder: Path, sizes: list[tuple[int, int]]) -> Path:
    """Pairs of these (height, width), noise against smoother noise."""
    random = np.random.default_rng(5)
    for name in ("original", "bokeh"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (height, width) in enumerate(sizes):
        noise = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "original" / f"{number}.png")
        Image.fromarray(noise // 2 + 60).save(folder / "bokeh" / f"{number}.png")
    return folder
