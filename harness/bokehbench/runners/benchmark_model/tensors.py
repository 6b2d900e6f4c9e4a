"""Image bytes to a tensor's own bytes and back, as our runner does it on the device.

benchmark_model reads and writes tensors as they lie in memory. docs/protocol.md has the rules;
android_app/runner/convert.c is the other implementation of them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from bokehbench.facts import TensorFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Rounding = str
Format = Literal["u8", "f32"]

DTYPES: Final = {"float32": "<f4", "uint8": "u1", "int8": "i1"}
"""Types of tensors that images can meet, and numpy's names for them."""


@dataclass(frozen=True)
class Converted:
    """An output in the format asked for, and what its real values are like."""

    data: bytes
    nonfinite: int
    low: float | None
    high: float | None


def element_bytes(tensor: TensorFacts) -> int:
    """Bytes of one element; 0 for a type that is none of ours."""
    return {"float32": 4, "uint8": 1, "int8": 1}.get(tensor.dtype, 0)


def to_tensor(
    data: bytes | memoryview, tensor: TensorFacts, value_range: tuple[float, float]
) -> bytes:
    """Image bytes (uint8 elements in the tensor's order) as the tensor's bytes."""
    import numpy as np

    image = np.frombuffer(data, dtype=np.uint8)
    if tensor.dtype == "uint8" and tensor.scale == 0:
        return image.tobytes()
    low, high = value_range
    real = low + np.arange(256, dtype=np.float64) * (high - low) / 255.0
    if tensor.dtype == "float32":
        table: NDArray[Any] = real.astype("<f4")
    else:
        least = -128 if tensor.dtype == "int8" else 0
        steps = np.rint(real / tensor.scale) + tensor.zero_point
        table = np.clip(steps, least, least + 255).astype(DTYPES[tensor.dtype])
    return table[image].tobytes()


def from_tensor(
    data: bytes,
    tensor: TensorFacts,
    value_range: tuple[float, float],
    *,
    rounding: Rounding,
    wanted: Format,
) -> Converted:
    """A tensor's bytes as image bytes (`u8`) or as real values (`f32`, little-endian)."""
    import numpy as np

    values = np.frombuffer(data, dtype=DTYPES[tensor.dtype])
    low, high = value_range
    if tensor.dtype == "float32":
        real: NDArray[np.float64] = values.astype(np.float64)
    elif tensor.scale == 0:
        real = low + values.astype(np.float64) * (high - low) / 255.0
    else:
        real = (values.astype(np.float64) - tensor.zero_point) * tensor.scale
    finite = np.isfinite(real)
    kept = real[finite]
    if wanted == "f32":
        out: NDArray[Any] = values if tensor.dtype == "float32" else real.astype("<f4")
    elif tensor.dtype == "uint8" and tensor.scale == 0:
        out = values
    else:
        out = _bytes(real, low, high, rounding)
    return Converted(
        data=out.tobytes(),
        nonfinite=int(values.size - kept.size),
        low=float(kept.min()) + 0.0 if kept.size else None,
        high=float(kept.max()) + 0.0 if kept.size else None,
    )


def _bytes(
    real: "NDArray[np.float64]", low: float, high: float, rounding: Rounding
) -> "NDArray[np.uint8]":
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        value = (real - low) * 255.0 / (high - low)
    value = np.clip(np.where(np.isnan(value), 0.0, value), 0.0, 255.0)
    if rounding == "half_even":
        value = np.rint(value)
    elif rounding == "half_up":
        whole = np.floor(value)
        value = whole + (value - whole >= 0.5)
    return value.astype(np.uint8)
