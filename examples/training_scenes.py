"""Random layered scenes, cut from photos of installed packages, as pairs to train on.

Every scene comes from a seed and its number alone. The photos are TRAINING_PHOTOS; the pairs in
`pairs/` are built from other ones.

    python examples/training_scenes.py training-pairs --scenes 64
    bokehbench zoo train antins_cv --dataset training-pairs --validation examples/pairs
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from layered_bokeh import (
    ByteImage,
    FloatImage,
    Layer,
    decode_image,
    encode_jpeg,
    render_pair,
)
from scenery import View, backdrop, card, ground, load_photo, perspective_ground, place

TRAINING_PHOTOS = ("china", "flower", "rocket", "camera", "brick", "grass")
GREY_PHOTOS = ("camera", "brick", "grass")

SCENE_SIZE = 512
JPEG_QUALITY = 88  # as of the pairs
# A scene whose two pictures are closer than this, in dB, teaches nothing.
TOO_SIMILAR = 32.0


def _random_photo(rng: np.random.Generator) -> ByteImage:
    """One of the training photos, (h, w, 3) uint8 sRGB, tinted and perhaps mirrored."""
    name = str(rng.choice(TRAINING_PHOTOS))
    spread = 0.5 if name in GREY_PHOTOS else 0.2
    photo = load_photo(name, tuple(rng.uniform(1.0 - spread, 1.1, 3) * rng.uniform(0.6, 1.2)))
    if rng.random() < 0.5:
        photo = np.ascontiguousarray(photo[:, ::-1])
    if rng.random() < 0.3:
        photo = np.ascontiguousarray(photo[..., rng.permutation(3)])
    return photo


def _random_matte(height: int, width: int, rng: np.random.Generator) -> FloatImage:
    """A smooth blob with a crisp edge, (height, width) float32 in 0..1."""
    y = (np.arange(height, dtype=np.float32)[:, None] / height - 0.5) * 2.0
    x = (np.arange(width, dtype=np.float32)[None, :] / width - 0.5) * 2.0
    field = rng.uniform(0.5, 0.9) - np.sqrt(x * x + y * y)
    for cells, strength in ((4, 0.35), (12, 0.2)):
        bumps = rng.normal(0.0, strength, (cells, cells)).astype(np.float32)
        field = field + cv2.resize(bumps, (width, height), interpolation=cv2.INTER_CUBIC)
    slope = max(float(np.abs(np.gradient(field)[0]).mean()), 1e-3)
    return np.clip(field / slope / 1.5 + 0.5, 0.0, 1.0).astype(np.float32)


def _random_object(disparity: float, rng: np.random.Generator) -> Layer:
    """A blob or a print cut from a training photo, somewhere in the frame."""
    photo = _random_photo(rng)
    height, width = photo.shape[:2]
    rows, columns = int(rng.integers(90, height // 2 + 60)), int(rng.integers(90, width // 2 + 60))
    top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    crop = np.ascontiguousarray(photo[top : top + rows, left : left + columns])
    if rng.random() < 0.3:
        crop, matte = card(crop)
    else:
        matte = _random_matte(rows, columns, rng)
    return place(
        crop,
        matte,
        SCENE_SIZE,
        View(
            (crop.shape[1] / 2.0, crop.shape[0] / 2.0),
            at=(float(rng.uniform(0, SCENE_SIZE)), float(rng.uniform(0, SCENE_SIZE))),
            zoom=float(rng.uniform(1.0, 2.7)),
            angle=float(rng.uniform(-25.0, 25.0)),
        ),
        disparity=disparity,
        rng=rng,
        glow=float(rng.choice([1.0, 2.0, 3.0])),
    )


def training_scene(seed: int, number: int) -> tuple[ByteImage, ByteImage]:
    """The first random scene of that seed and number in which the aperture matters."""
    rng = np.random.default_rng([seed, 2, number])
    while True:
        original, bokeh = _random_scene(rng)
        if psnr(original, bokeh) < TOO_SIMILAR:
            return original, bokeh


def _random_scene(rng: np.random.Generator) -> tuple[ByteImage, ByteImage]:
    """A random scene as (original, bokeh), both (SCENE_SIZE, SCENE_SIZE, 3) uint8 sRGB."""
    photo = _random_photo(rng)
    zoom = float(rng.uniform(1.0, 3.0))
    depth = float(rng.uniform(14.0, 27.0))  # radius of the furthest disk in pixels
    glow = float(rng.choice([1.0, 2.0, 4.0, 10.0], p=[0.4, 0.3, 0.2, 0.1]))
    if rng.random() < 0.6:
        layers = [
            backdrop(
                photo,
                SCENE_SIZE,
                View(
                    (rng.uniform(0, photo.shape[1]), rng.uniform(0, photo.shape[0])),
                    at=(SCENE_SIZE / 2.0, SCENE_SIZE / 2.0),
                    zoom=zoom,
                ),
                disparity=0.0,
                rng=rng,
                glow=glow,
            )
        ]
    else:
        floor = perspective_ground(
            photo, SCENE_SIZE, horizon=-float(rng.uniform(200.0, 700.0)), near_zoom=zoom * 1.3
        )
        layers = ground(
            floor,
            top=0.0,
            bottom=depth * float(rng.uniform(1.0, 1.8)),
            strips=10,
            reach=27.0,
            zoom=zoom,
            rng=rng,
            glow=glow,
        )
    for _ in range(int(rng.integers(1, 4))):  # things in focus
        layers.append(_random_object(depth, rng))
    if rng.random() < 0.4:  # something further away
        layers.append(_random_object(depth * float(rng.uniform(0.05, 0.6)), rng))
    if rng.random() < 0.3:  # something too near
        layers.append(_random_object(depth * float(rng.uniform(1.3, 1.8)), rng))
    # Pairs are kept as JPEGs, so the network meets JPEGs in training too.
    original, bokeh = (
        decode_image(encode_jpeg(image, JPEG_QUALITY), "a training scene")
        for image in render_pair(layers, depth)
    )
    return original, bokeh


def psnr(picture: ByteImage, target: ByteImage) -> float:
    """PSNR in dB of two (H, W, 3) uint8 images: full frame, RGB, range 255."""
    difference = picture.astype(np.float64) - target.astype(np.float64)
    return float(10.0 * np.log10(255.0**2 / np.mean(difference**2)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Write random pairs in the layout of EBB!.")
    parser.add_argument("folder", type=Path, help="folder to write, new or empty")
    parser.add_argument("--scenes", type=int, default=64, help="pairs (default: 64)")
    parser.add_argument("--seed", type=int, default=2022, help="seed of all (default: 2022)")
    words = parser.parse_args()
    if words.scenes < 1:
        parser.error(f"--scenes must be at least 1, not {words.scenes}")
    if words.folder.exists() and (not words.folder.is_dir() or any(words.folder.iterdir())):
        parser.error(f"{words.folder} is there already and not empty")
    for role in ("original", "bokeh"):
        (words.folder / role).mkdir(parents=True)
    for number in range(words.scenes):
        pictures = training_scene(words.seed, number)
        for role, picture in zip(("original", "bokeh"), pictures, strict=True):
            path = words.folder / role / f"{number}.jpg"
            path.write_bytes(encode_jpeg(picture, JPEG_QUALITY))
    print(f"{words.scenes} pairs in {words.folder}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
