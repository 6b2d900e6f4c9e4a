"""The kernels in C, for the hosts that they are built for: sums over pixels, in float64.

Source: android_app/fidelity. Calls let go of Python's lock, so threads run side by side.
`portable` does the same on any host.
"""

import ctypes
import platform
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bokehbench.fidelity.window import Window

INTERFACE = 2
MAX_TAPS = 65
LEVELS = ("baseline", "avx2", "avx512")
"""Instruction sets by number; each holds the ones before it."""

_FOLDER = Path(__file__).resolve().parent.parent / "_kernels"
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


class _Image(ctypes.Structure):
    _fields_ = (
        ("prediction", ctypes.c_void_p),
        ("reference", ctypes.c_void_p),
        ("prediction_stride", ctypes.c_ssize_t),
        ("reference_stride", ctypes.c_ssize_t),
        ("columns", ctypes.c_size_t),
        ("is_u8", ctypes.c_int32),
    )


class _Rule(ctypes.Structure):
    _fields_ = (
        ("window", ctypes.c_double * MAX_TAPS),
        ("taps", ctypes.c_size_t),
        ("shift", ctypes.c_double),
        ("c1", ctypes.c_double),
        ("c2", ctypes.c_double),
        ("covariance_factor", ctypes.c_double),
    )


class Native:
    """The library, at one instruction set. One instance serves any number of threads."""

    def __init__(self, path: Path, level: int | None = None) -> None:
        library = ctypes.CDLL(str(path))
        if library.fidelity_interface() != INTERFACE:
            raise OSError(f"{path}: built from other sources")
        here = int(library.fidelity_level())
        self.level = here if level is None else min(level, here)
        self._squared_u8 = library.fidelity_squared_u8
        self._squared_u8.restype = ctypes.c_uint64
        self._squared_f64 = library.fidelity_squared_f64
        self._squared_f64.restype = ctypes.c_double
        for function in (self._squared_u8, self._squared_f64):
            function.argtypes = [
                *(ctypes.c_int32, ctypes.c_void_p, ctypes.c_ssize_t),
                *(ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_size_t, ctypes.c_size_t),
            ]
        self._scratch_bytes = library.fidelity_ssim_scratch
        self._scratch_bytes.restype = ctypes.c_size_t
        self._scratch_bytes.argtypes = [ctypes.c_size_t]
        self._ssim = library.fidelity_ssim
        self._ssim.argtypes = [
            *(ctypes.c_int32, ctypes.POINTER(_Image), ctypes.POINTER(_Rule)),
            *(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p),
        ]
        self._layer = library.fidelity_lpips_layer
        self._layer.restype = ctypes.c_double
        self._layer.argtypes = [
            *(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
            *(ctypes.c_size_t, ctypes.c_size_t),
        ]
        self._input = library.fidelity_lpips_input
        self._input.restype = None
        self._input.argtypes = [
            *(ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_size_t, ctypes.c_size_t),
            *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t),
            ctypes.c_void_p,
        ]
        self._local = threading.local()

    def squared_error(self, prediction: NDArray[Any], reference: NDArray[Any]) -> float:
        """Sum of squared differences of rows of contiguous pixels; exact for uint8."""
        a, b = _rows(prediction), _rows(reference)
        function = self._squared_u8 if a.dtype == np.uint8 else self._squared_f64
        elements = a.shape[1] * a.shape[2]
        found = function(
            *(self.level, a.ctypes.data, a.strides[0], b.ctypes.data, b.strides[0]),
            *(a.shape[0], elements),
        )
        return float(found)

    def ssim_sums(
        self,
        prediction: NDArray[Any],
        reference: NDArray[Any],
        window: Window,
        top: int,
        rows: int,
    ) -> NDArray[np.float64]:
        """Sums of SSIM, then of contrast-structure, by channel: 6 values.

        Over all columns where the window fits, and `rows` rows of its upper edge from `top`.
        """
        a, b = _rows(prediction), _rows(reference)
        image = _Image(
            *(a.ctypes.data, b.ctypes.data, a.strides[0], b.strides[0]),
            *(a.shape[1], int(a.dtype == np.uint8)),
        )
        taps = len(window.taps)
        rule = _Rule(
            *((ctypes.c_double * MAX_TAPS)(*window.taps), taps),
            *(window.shift, window.c1, window.c2, window.covariance_factor),
        )
        sums = np.zeros(6)
        scratch = self._scratch(int(self._scratch_bytes(taps)))
        code = self._ssim(self.level, image, rule, top, rows, scratch.ctypes.data, sums.ctypes.data)
        if code != 0:
            raise ValueError(f"no window of {taps} in {a.shape}")
        return sums

    def lpips_layer(
        self, a: NDArray[np.float32], b: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> float:
        """Sum over pixels of one layer's distance; `a`, `b` are contiguous (pixels, channels)."""
        return float(
            self._layer(
                *(self.level, a.ctypes.data, b.ctypes.data, weights.ctypes.data),
                *(a.shape[0], a.shape[1]),
            )
        )

    def lpips_input(
        self,
        image: NDArray[np.uint8],
        values: NDArray[np.float32],
        corner: tuple[int, int],
        out: NDArray[np.float32],
    ) -> None:
        """uint8 RGB -> `values[channel, byte]` into `out`, contiguous (rows, columns, 48).

        Each of its 48 values is a block of 4x4 pixels; the image's corner is at (row, column).
        """
        source = _rows(image)
        self._input(
            *(source.ctypes.data, source.strides[0], source.shape[0], source.shape[1]),
            *(values.ctypes.data, *corner, out.shape[1], out.ctypes.data),
        )

    def _scratch(self, size_bytes: int) -> NDArray[np.float64]:
        """A buffer of this thread, kept for its next call."""
        kept: NDArray[np.float64] | None = getattr(self._local, "scratch", None)
        if kept is None or kept.nbytes < size_bytes:
            kept = self._local.scratch = np.empty(size_bytes // 8 + 1)
        return kept


@cache
def load(level: int | None = None) -> Native | None:
    """The library for this machine, or None where there is none."""
    machine = _MACHINES.get(platform.machine().lower())
    path = _FOLDER / f"{platform.system().lower()}-{machine}" / "fidelity.so"
    try:
        return Native(path, level) if path.is_file() else None
    except (OSError, AttributeError):
        # Another C library than the one it was linked for, or built from other sources.
        return None


def _rows(image: NDArray[Any]) -> NDArray[Any]:
    """The image itself when each of its rows is contiguous, else a copy."""
    item = image.itemsize
    if image.strides[1:] == (image.shape[2] * item, item) and image.strides[0] >= 0:
        return image
    return np.ascontiguousarray(image)
