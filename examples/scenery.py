"""Photos out of installed Python packages, turned into layers of a scene.

Every photo comes from a wheel (scikit-image, matplotlib, scikit-learn); nothing is downloaded.
Photo pixels are (h, w, 3) uint8 sRGB, frames are square with `size` pixels a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import cv2
import numpy as np
from layered_bokeh import (
    ByteImage,
    FloatImage,
    Layer,
    decode_image,
    linear_to_srgb,
    srgb_to_linear,
)
from numpy.typing import NDArray

# Photos are enlarged, and enlarging loses the finest texture that a lens in focus would show. This
# share of multiplicative grain, put on the surfaces before the lens, stands in for it.
GRAIN = 0.02

# The border of a print, sRGB.
PAPER = (214, 210, 202)


@dataclass(frozen=True)
class Photo:
    """Where a photo lies inside an installed package, and on which terms."""

    package: str
    path: str
    licence: str


@dataclass(frozen=True)
class View:
    """How a photo gets into a frame.

    anchor: photo position (x, y) that lands on the frame position `at`, both in pixels.
    zoom: frame pixels per photo pixel. angle: degrees counter-clockwise.
    """

    anchor: tuple[float, float]
    at: tuple[float, float]
    zoom: float
    angle: float = 0.0


PHOTOS: dict[str, Photo] = {
    "astronaut": Photo("skimage", "data/astronaut.png", "public domain (NASA)"),
    "chelsea": Photo("skimage", "data/chelsea.png", "CC0 (Stefan van der Walt)"),
    "coffee": Photo("skimage", "data/coffee.png", "CC0 (Rachel Michetti)"),
    "gravel": Photo("skimage", "data/gravel.png", "CC0 (CC0Textures)"),
    "hubble": Photo("skimage", "data/hubble_deep_field.jpg", "public domain (NASA)"),
    "hopper": Photo(
        "matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "public domain (US Navy)"
    ),
    "rocket": Photo("skimage", "data/rocket.jpg", "public domain (SpaceX)"),
    "camera": Photo("skimage", "data/camera.png", "CC0 (Lav Varshney)"),
    "brick": Photo("skimage", "data/brick.png", "CC0 (CC0Textures)"),
    "grass": Photo("skimage", "data/grass.png", "CC0 (linolafett)"),
    "china": Photo("sklearn", "datasets/images/china.jpg", "CC BY 2.0 (danielbuechele)"),
    "flower": Photo("sklearn", "datasets/images/flower.jpg", "CC BY 2.0 (vultilion)"),
}


def load_photo(name: str, tint: Sequence[float] = (1.0, 1.0, 1.0)) -> ByteImage:
    """The photo of that name, (h, w, 3) uint8 sRGB; `tint` scales linear R, G and B."""
    photo = PHOTOS[name]
    try:
        data = resources.files(photo.package).joinpath(photo.path).read_bytes()
    except ModuleNotFoundError as error:
        wheel = {"skimage": "scikit-image", "sklearn": "scikit-learn"}.get(
            photo.package, photo.package
        )
        raise ModuleNotFoundError(f"the photo {name!r} comes with {wheel}: install it") from error
    rgb = decode_image(data, f"{photo.package}/{photo.path}")
    if tuple(tint) == (1.0, 1.0, 1.0):
        return rgb
    return linear_to_srgb(srgb_to_linear(rgb) * np.asarray(tint, np.float32))


def cut_out(photo: ByteImage, outline: Sequence[tuple[int, int]], slack: int = 6) -> FloatImage:
    """A matte, (h, w) float32 in 0..1, for the object inside a rough outline of (x, y) pixels.

    GrabCut decides in a band of `slack` pixels on either side of the outline.
    """
    inside = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.asarray(outline, np.int32)], 1)
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * slack + 1, 2 * slack + 1))
    # Outside the photo the object goes on: an erosion must not free the photo's own border.
    sure = cv2.erode(inside, element, borderType=cv2.BORDER_REPLICATE)
    near = cv2.dilate(inside, element)
    marks = np.where(inside == 1, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[sure == 1] = cv2.GC_FGD
    marks[near == 0] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # GrabCut starts from a random clustering.
    bgr = np.ascontiguousarray(photo[..., ::-1])
    cv2.grabCut(bgr, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    matte = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    # The blurred matte is cut at 0.35..0.95, half a pixel inside: the fringe of the old background
    # stays behind.
    smooth = cv2.GaussianBlur(matte, (0, 0), 1.2)
    edge: FloatImage = np.clip((smooth - 0.35) / 0.6, 0.0, 1.0).astype(np.float32)
    return edge


def fill_behind(photo: ByteImage, matte: FloatImage) -> ByteImage:
    """The photo with the matted object replaced by smooth surroundings, same shape.

    Only a rim as wide as the blur ever shows, so colours matter here and texture does not.
    """
    # Two pixels more than the matte, which was cut inside the object's edge.
    known = (cv2.dilate(matte, np.ones((5, 5), np.uint8)) < 0.01).astype(np.float32)
    light = srgb_to_linear(photo)
    filled = np.zeros_like(light)
    for sigma in (160.0, 48.0, 12.0, 3.0):  # from coarse to fine, where the finer one reaches
        weight = cv2.GaussianBlur(known, (0, 0), sigma)[..., None]
        estimate = cv2.GaussianBlur(light * known[..., None], (0, 0), sigma)
        trust = np.clip(weight * 5.0, 0.0, 1.0)
        filled = filled * (1.0 - trust) + estimate / np.maximum(weight, 1e-6) * trust
    seam = np.minimum(cv2.GaussianBlur(known, (0, 0), 1.0), known)[..., None]
    return linear_to_srgb(light * seam + filled * (1.0 - seam))


def _radiance(srgb: ByteImage, zoom: float, glow: float, rng: np.random.Generator) -> FloatImage:
    """Linear light of an enlarged photo: sharpened by its zoom, highlights raised, with grain."""
    light_srgb = srgb.astype(np.float32)
    soft = cv2.GaussianBlur(light_srgb, (0, 0), 0.6 * max(zoom, 0.5))
    crisp = np.clip(light_srgb + 0.9 * (light_srgb - soft), 0.0, 255.0)
    light = srgb_to_linear(np.rint(crisp).astype(np.uint8))
    if glow > 1.0:
        # A photo clips its lamps at white; what they really sent is guessed here.
        lamp = np.clip((light.max(axis=2, keepdims=True) - 0.55) / 0.45, 0.0, 1.0)
        light = light * (1.0 + (glow - 1.0) * lamp**2)
    grain = rng.normal(0.0, 1.0, light.shape[:2]).astype(np.float32)
    return np.maximum(light * (1.0 + GRAIN * grain[..., None]), 0.0)


def place(
    photo: ByteImage,
    matte: FloatImage,
    size: int,
    view: View,
    *,
    disparity: float,
    rng: np.random.Generator,
    glow: float = 1.0,
) -> Layer:
    """Put a matted photo into a frame of size x size pixels as one layer.

    matte: (h, w) float32 in 0..1. glow: factor on the light of lamps and other white spots.
    """
    matrix = cv2.getRotationMatrix2D(view.anchor, view.angle, view.zoom)
    matrix[:, 2] += np.asarray(view.at) - np.asarray(view.anchor)
    frame = (size, size)
    warped = cv2.warpAffine(
        photo, matrix, frame, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
    )
    alpha = cv2.warpAffine(matte, matrix, frame, flags=cv2.INTER_LINEAR)
    return Layer(_radiance(warped, view.zoom, glow, rng), np.clip(alpha, 0.0, 1.0), disparity)


def backdrop(
    photo: ByteImage,
    size: int,
    view: View,
    *,
    disparity: float,
    rng: np.random.Generator,
    glow: float = 1.0,
) -> Layer:
    """Fill the whole frame with a photo, mirrored where it ends; arguments as for `place`."""
    matte = np.ones(photo.shape[:2], np.float32)
    layer = place(photo, matte, size, view, disparity=disparity, rng=rng, glow=glow)
    return Layer(layer.radiance, np.ones((size, size), np.float32), disparity)


def card(photo: ByteImage, border: int = 8) -> tuple[ByteImage, FloatImage]:
    """A print of the photo with a paper border of that many photo pixels, and its matte.

    Both grow by two more pixels of emptiness on each side so that the card's edge stays smooth.
    """
    height, width = photo.shape[:2]
    margin = border + 2
    paper = np.full((height + 2 * margin, width + 2 * margin, 3), PAPER, np.uint8)
    paper[margin:-margin, margin:-margin] = photo
    matte = np.zeros(paper.shape[:2], np.float32)
    matte[2:-2, 2:-2] = 1.0
    return paper, matte


def _fold(positions: NDArray[np.floating], length: int) -> FloatImage:
    """Mirror positions of any range into 0..length-1, as a tiled and mirrored photo would."""
    period = 2.0 * (length - 1)
    wrapped = np.mod(positions, period)
    folded: FloatImage = np.minimum(wrapped, period - wrapped).astype(np.float32)
    return folded


def perspective_ground(
    photo: ByteImage, size: int, *, horizon: float, near_zoom: float
) -> ByteImage:
    """The photo laid out as a floor, (size, size, 3) uint8 sRGB.

    horizon: the row where the floor would vanish, in pixels; negative is above the frame.
    near_zoom: frame pixels per photo pixel in the bottom row.
    """
    fine = 2 * size  # drawn at twice the size, as the far rows are minified
    rows = (np.arange(fine, dtype=np.float32) + 0.5) / 2.0
    distance = (size - horizon) / (rows - horizon)  # 1 at the bottom row, larger upwards
    columns = (np.arange(fine, dtype=np.float32) + 0.5) / 2.0 - size / 2.0
    x = columns[None, :] * distance[:, None] / near_zoom + photo.shape[1] / 2.0
    y = np.repeat((-distance * (size - horizon) / near_zoom)[:, None], fine, axis=1)
    drawn = cv2.remap(photo, _fold(x, photo.shape[1]), _fold(y, photo.shape[0]), cv2.INTER_CUBIC)
    floor: ByteImage = cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)
    return floor


def ground(
    floor: ByteImage,
    *,
    top: float,
    bottom: float,
    strips: int,
    reach: float,
    zoom: float,
    rng: np.random.Generator,
    glow: float = 1.0,
) -> list[Layer]:
    """A floor that fills the frame as a stack of strips, nearer towards the bottom.

    floor: (size, size, 3) uint8 sRGB. top, bottom: disparities of the first and last row; in a
    perspective view the disparity of a plane is linear in the row. reach: the largest disk radius
    in pixels that any strip gets; each strip runs on under the next one by twice as much, so that
    no gap opens where the next one's edge is blurred.
    """
    size = floor.shape[0]
    radiance = _radiance(floor, zoom, glow, rng)
    edges = np.linspace(0.0, size, strips + 1)
    rows = np.arange(size, dtype=np.float32)[:, None]
    soft = size / strips / 2.0  # strips melt into one another over half their height
    layers = []
    for index in range(strips):
        start, end = edges[index], edges[index + 1]
        column = np.clip((rows - start) / soft + 0.5, 0.0, 1.0)
        if index == 0:
            column = np.ones_like(rows)
        if index < strips - 1 and index > 0:
            column = column * (rows < end + 2.0 * reach + soft)
        middle = (start + end) / 2.0 / size
        alpha = np.repeat(column.astype(np.float32), size, axis=1)
        layers.append(Layer(radiance, alpha, top + (bottom - top) * middle))
    return layers
