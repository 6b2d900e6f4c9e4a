"""Render the eight example pairs, examples/pairs/{original,bokeh}/N.jpg, in the layout of EBB!.

Each scene is built from public-domain and CC0 photos that come inside the scikit-image and
matplotlib wheels, and photographed twice: at f/16 ("original") and at f/1.8 ("bokeh"). The result
depends on the seed alone. Needs numpy, opencv-python-headless, scikit-image and matplotlib;
takes about a minute on two cores.

    python examples/make_pairs.py
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from layered_bokeh import ByteImage, FloatImage, Layer, encode_jpeg, render_pair
from scenery import (
    View,
    backdrop,
    card,
    cut_out,
    fill_behind,
    ground,
    load_photo,
    perspective_ground,
    place,
)

SIZE = 1024
JPEG_QUALITY = 88

Scene = tuple[list[Layer], float]  # the layers and the disparity in focus

# Outlines are (x, y) in photo pixels, rough to about five pixels; GrabCut finds the edge.
ASTRONAUT = [
    (183, 145), (178, 132), (170, 118), (158, 107), (153, 85), (155, 68), (172, 52), (195, 30),
    (215, 19), (240, 15), (265, 24), (285, 41), (298, 65), (302, 90), (295, 112), (280, 132),
    (268, 138), (258, 172), (282, 190), (298, 212), (305, 232), (322, 240), (340, 258), (350, 280),
    (357, 312), (363, 350), (345, 420), (345, 520), (45, 520), (30, 490), (24, 460), (27, 420),
    (21, 395), (24, 345), (35, 318), (42, 290), (55, 260), (68, 238), (95, 213), (113, 204),
    (113, 186), (124, 183), (130, 164), (150, 150), (172, 147),
]  # fmt: skip
HELMET = [
    (277, 520), (277, 485), (280, 450), (288, 415), (302, 386), (325, 365), (355, 350), (385, 343),
    (410, 343), (437, 350), (462, 366), (482, 390), (494, 420), (498, 453), (508, 466), (513, 482),
    (513, 520),
]  # fmt: skip
HOPPER = [
    (174, 84), (178, 66), (198, 48), (218, 41), (223, 30), (239, 24), (259, 23), (282, 28),
    (300, 37), (320, 41), (338, 56), (350, 74), (353, 87), (363, 87), (370, 102), (372, 137),
    (368, 173), (376, 190), (373, 213), (367, 239), (362, 269), (356, 289), (345, 305), (331, 307),
    (330, 315), (356, 333), (386, 350), (422, 361), (457, 373), (490, 389), (500, 411), (514, 447),
    (514, 605), (8, 605), (18, 523), (25, 447), (33, 416), (41, 396), (56, 381), (86, 366),
    (132, 354), (168, 343), (188, 330), (203, 315), (203, 300), (188, 292), (170, 282), (160, 264),
    (165, 249), (168, 229), (156, 208), (154, 188), (157, 175), (152, 152), (153, 117), (157, 99),
    (168, 90),
]  # fmt: skip
CUP = [
    (173, 105), (178, 75), (195, 48), (225, 28), (260, 19), (300, 18), (345, 29), (380, 50),
    (398, 70), (405, 66), (418, 66), (425, 76), (415, 115), (408, 135), (400, 160), (388, 195),
    (384, 235), (402, 255), (407, 280), (395, 310), (370, 325), (345, 322), (325, 290), (270, 286),
    (235, 300), (215, 307), (196, 295), (198, 265), (215, 240), (190, 205), (175, 160),
]  # fmt: skip


def _studio(rng: np.random.Generator) -> Scene:
    """The astronaut in focus; flag and model behind her, her helmet nearer than the lens sees."""
    photo = load_photo("astronaut")
    person, helmet = cut_out(photo, ASTRONAUT), cut_out(photo, HELMET, slack=4)
    both = np.maximum(person, helmet)
    # The helmet's blurred rim lets the suit through, so its place is filled from the suit alone.
    suit = fill_behind(photo, np.maximum(helmet, 1.0 - person))
    view = View((256.0, 256.0), at=(512.0, 512.0), zoom=2.0)
    layers = [
        backdrop(fill_behind(photo, both), SIZE, view, disparity=0.0, rng=rng, glow=2.0),
        place(suit, person, SIZE, view, disparity=22.0, rng=rng),
        place(photo, helmet, SIZE, view, disparity=33.0, rng=rng, glow=2.0),
    ]
    return layers, 22.0


def _portrait(rng: np.random.Generator) -> Scene:
    """The rear admiral in focus before her flag."""
    photo = load_photo("hopper")
    matte = cut_out(photo, HOPPER)
    view = View((262.0, 0.0), at=(512.0, 0.0), zoom=2.0)
    layers = [
        backdrop(fill_behind(photo, matte), SIZE, view, disparity=0.0, rng=rng, glow=2.0),
        place(photo, matte, SIZE, view, disparity=20.0, rng=rng),
    ]
    return layers, 20.0


def _coffee(rng: np.random.Generator) -> Scene:
    """A cup on a wooden table that runs out of focus in front of it and behind it."""
    photo = load_photo("coffee")
    matte = cut_out(photo, CUP, slack=4)
    view = View((300.0, 200.0), at=(512.0, 512.0), zoom=2.56)
    # The empty table: what the cup's blurred rim lets through must not be a second cup.
    flat = cv2.warpAffine(
        fill_behind(photo, matte),
        np.array([[2.56, 0.0, 512.0 - 300.0 * 2.56], [0.0, 2.56, 0.0]]),
        (SIZE, SIZE),
        flags=cv2.INTER_LANCZOS4,
    )
    table = ground(flat, top=12.0, bottom=42.0, strips=14, reach=26.0, zoom=2.56, rng=rng, glow=3.0)
    # The spoon's tip touches the table at row 832: as near as the table is there.
    cup = place(photo, matte, SIZE, view, disparity=12.0 + 30.0 * 832.0 / SIZE, rng=rng, glow=2.0)
    return [*table, cup], cup.disparity


def _night(rng: np.random.Generator) -> Scene:
    """The astronaut before distant lights, which grow into disks at f/1.8."""
    photo = load_photo("astronaut")
    layers = [
        backdrop(
            load_photo("hubble"),
            SIZE,
            View((520.0, 480.0), at=(512.0, 512.0), zoom=2.2),
            disparity=0.0,
            rng=rng,
            glow=14.0,
        ),
        place(
            photo,
            cut_out(photo, ASTRONAUT),
            SIZE,
            View((230.0, 100.0), at=(600.0, 400.0), zoom=1.8),
            disparity=24.0,
            rng=rng,
        ),
    ]
    return layers, 24.0


def _guest(rng: np.random.Generator) -> Scene:
    """The rear admiral in the astronaut's studio."""
    studio, hopper = load_photo("astronaut"), load_photo("hopper")
    person, helmet = cut_out(studio, ASTRONAUT), cut_out(studio, HELMET, slack=4)
    empty = fill_behind(studio, np.maximum(person, helmet))
    layers = [
        backdrop(
            empty,
            SIZE,
            View((330.0, 130.0), at=(512.0, 400.0), zoom=2.6),
            disparity=0.0,
            rng=rng,
            glow=2.0,
        ),
        place(
            hopper,
            cut_out(hopper, HOPPER),
            SIZE,
            View((262.0, 200.0), at=(430.0, 470.0), zoom=1.5),
            disparity=23.0,
            rng=rng,
        ),
    ]
    return layers, 23.0


def _print_of(name: str, box: tuple[int, int, int, int]) -> tuple[ByteImage, FloatImage]:
    """A card with the crop (left, top, right, bottom) of a photo, and its matte."""
    left, top, right, bottom = box
    return card(np.ascontiguousarray(load_photo(name)[top:bottom, left:right]))


def _gravel(tint: tuple[float, float, float]) -> ByteImage:
    """A gravel path that runs away from the camera, (SIZE, SIZE, 3) uint8 sRGB."""
    return perspective_ground(load_photo("gravel", tint), SIZE, horizon=-420.0, near_zoom=2.6)


def _cat_on_gravel(rng: np.random.Generator) -> Scene:
    """A print of a cat that stands on gravel."""
    paper, matte = _print_of("chelsea", (0, 0, 451, 300))
    path = ground(
        _gravel((1.15, 1.0, 0.82)),
        top=0.0,
        bottom=40.0,
        strips=16,
        reach=26.0,
        zoom=1.5,
        rng=rng,
    )
    stand = place(
        paper,
        matte,
        SIZE,
        View((235.0, 318.0), at=(500.0, 690.0), zoom=1.6, angle=-4.0),
        disparity=40.0 * 690.0 / SIZE,
        rng=rng,
    )
    return [*path, stand], stand.disparity


def _three_prints(rng: np.random.Generator) -> Scene:
    """Three prints at three distances on a wooden table; the middle one is in focus."""
    wood = load_photo("coffee")[0:190, 470:600]
    floor = perspective_ground(np.ascontiguousarray(wood), SIZE, horizon=-700.0, near_zoom=4.0)
    layers = ground(floor, top=0.0, bottom=44.0, strips=16, reach=26.0, zoom=2.4, rng=rng, glow=2.0)
    prints = [
        ("hopper", (100, 0, 430, 440), (250.0, 420.0), 0.95, 3.0),
        ("astronaut", (110, 0, 340, 300), (560.0, 640.0), 1.75, -5.0),
        ("chelsea", (60, 0, 400, 300), (880.0, 1000.0), 1.5, 8.0),
    ]
    for name, box, foot, zoom, angle in prints:
        paper, matte = _print_of(name, box)
        layers.append(
            place(
                paper,
                matte,
                SIZE,
                View((paper.shape[1] / 2.0, paper.shape[0] - 2.0), at=foot, zoom=zoom, angle=angle),
                disparity=44.0 * foot[1] / SIZE,
                rng=rng,
            )
        )
    return layers, 44.0 * 640.0 / SIZE


def _helmet_on_gravel(rng: np.random.Generator) -> Scene:
    """The helmet in focus at the near end of a grey path."""
    photo = load_photo("astronaut")
    path = ground(
        _gravel((0.9, 0.98, 1.1)),
        top=0.0,
        bottom=26.0,
        strips=16,
        reach=26.0,
        zoom=1.5,
        rng=rng,
    )
    helmet = place(
        photo,
        cut_out(photo, HELMET, slack=4),
        SIZE,
        View((395.0, 512.0), at=(540.0, 1026.0), zoom=2.6),
        disparity=26.0,
        rng=rng,
        glow=3.0,
    )
    return [*path, helmet], helmet.disparity


SCENES: tuple[Callable[[np.random.Generator], Scene], ...] = (
    _studio,
    _portrait,
    _coffee,
    _night,
    _guest,
    _cat_on_gravel,
    _three_prints,
    _helmet_on_gravel,
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Render the eight example pairs.")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parent / "pairs",
        help="folder that gets original/ and bokeh/ (default: pairs/ beside this script)",
    )
    parser.add_argument("--seed", type=int, default=2022, help="seed of the grain (default: 2022)")
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error("--seed must not be negative")

    total = 0
    for number, scene in enumerate(SCENES):
        layers, focus = scene(np.random.default_rng([arguments.seed, number]))
        for kind, image in zip(("original", "bokeh"), render_pair(layers, focus), strict=True):
            data = encode_jpeg(image, JPEG_QUALITY)
            path = arguments.out / kind / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            total += len(data)
        print(f"pair {number}: {(scene.__doc__ or '').strip()}", file=sys.stderr)
    print(f"{len(SCENES)} pairs, {total / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
