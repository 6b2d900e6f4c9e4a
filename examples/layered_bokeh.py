"""What the scripts here share: the lens of `bokehbench.dataset.lens`, and images as bytes."""

from __future__ import annotations

import cv2
import numpy as np

from bokehbench.dataset.lens import (
    ByteImage,
    FloatImage,
    Layer,
    disk_kernel,
    linear_to_srgb,
    render,
    render_pair,
    srgb_to_linear,
)
from bokehbench.dataset.warping import encode

__all__ = [
    "ByteImage",
    "FloatImage",
    "Layer",
    "decode_image",
    "disk_kernel",
    "encode_jpeg",
    "linear_to_srgb",
    "render",
    "render_pair",
    "srgb_to_linear",
]


def encode_jpeg(image: ByteImage, quality: int) -> bytes:
    """The (H, W, 3) uint8 sRGB image as JPEG without chroma subsampling; quality is 0..100."""
    return encode(image, "jpg", quality)


def decode_image(data: bytes, source: str) -> ByteImage:
    """A JPEG or PNG as (H, W, 3) uint8 sRGB; `source` names it when it cannot be read."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{source} is not an image that OpenCV can read")
    return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)
