"""A .tflite as data: checked reading, ops, sizes, and how images meet its tensors."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOME = {
    **dict.fromkeys(("Fit", "Placement", "plan_fit", "timing_shapes"), "fit"),
    **dict.fromkeys(("IoFlags", "resolve_io"), "iospec"),
    "read_model": "reader",
}


def __getattr__(name: str) -> Any:
    """What the room offers, imported when it is first asked for: `lint` needs none of it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
