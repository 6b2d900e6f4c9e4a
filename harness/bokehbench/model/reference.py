"""The reference workload's model: small, fixed, and known by its hash."""

from pathlib import Path

REFERENCE_SHA256 = "6a938da3a61ed57884079b2d6b09c2605ca263212bc89899fdd0a73c24e22865"
"""Times of the reference workload are comparable only between runs of these very bytes."""


def reference_model() -> Path:
    """Three 3x3 convolutions at 256x256 with 16 channels: 1x256x256x3 float32 in and out."""
    return Path(__file__).with_name("reference.tflite")
