"""A .tflite as data: checked reading, ops, sizes, and how images meet its tensors."""

from bokehbench.model.fit import Fit, Placement, plan_fit, timing_shapes
from bokehbench.model.iospec import IoFlags, resolve_io
from bokehbench.model.reader import read_model

__all__ = [
    "Fit",
    "IoFlags",
    "Placement",
    "plan_fit",
    "read_model",
    "resolve_io",
    "timing_shapes",
]
