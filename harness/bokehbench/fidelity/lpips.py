"""LPIPS-Alex v0.1 of a pair of RGB images, on LiteRT, in fp32.

Zhang et al. 2018, arXiv:1801.03924. Features come from the network in `lpips_model`; norms and
differences of a pixel are fp32, sums over pixels float64. fp16 would move values by 1e-4.
"""

import ctypes
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bokehbench.errors import UsageError
from bokehbench.fidelity import lpips_model as net
from bokehbench.fidelity.metrics import Image, Kernels, best_kernels, check_pair
from bokehbench.fidelity.quiet import quiet_stderr
from bokehbench.fidelity.threads import map_threads, usable_cores

MIN_SIDE: Final = 32
"""The smallest side; the last features of a smaller image would be empty."""

WHOLE_PIXELS: Final = 1 << 22
"""Images up to this size go through the network whole, larger ones in strips of rows."""

# One row of the last three layers stands for 16 rows of the image. Eight of them on either side
# of a cut keep what the cut spoils (five at most) out of what is summed.
_GRAIN = 16
_HALO = 8
_MIN_STRIP = 16
_CHUNK_PIXELS = 1 << 13
_NOISE = (b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",)


@dataclass(frozen=True)
class _Strip:
    """Rows of an image that go through the network, and which features of them are summed.

    `keep` holds a (first, last) row of the features, local to the strip, for each layer.
    """

    top: int
    bottom: int
    keep: tuple[tuple[int, int], ...]


class Lpips:
    """The network with its buffers, kept from one pair to the next; one pair at a time.

    Memory is about 100 bytes for each pixel of an image up to `WHOLE_PIXELS`, and does not grow
    with larger ones.
    """

    def __init__(self, threads: int | None = None, kernels: Kernels | None = None) -> None:
        self._threads = threads or usable_cores()
        self._kernels = kernels or best_kernels()
        self._lock = threading.Lock()
        self._model = net.build_model()
        self._interpreter: Any = None
        self._shape: tuple[int, int] | None = None
        self._largest = 0

    def distance(
        self,
        prediction: Image,
        reference: Image,
        *,
        value_range: tuple[float, float] = (-1.0, 1.0),
        data_range: float | None = None,
    ) -> float:
        """LPIPS; 0 for identical images.

        Args:
            prediction: (height, width, 3) uint8, or floats; both sides at least 32.
            reference: the same shape.
            value_range: what 0 and `data_range` become before the network's own scaling.
            data_range: the span of values; 255 for uint8 and 1 for floats unless given.

        Raises:
            UsageError: the arrays are not two RGB images of one shape and kind, hold NaN, or
                are too small.
        """
        pair = check_pair(prediction, reference)
        height, width = pair[0].shape[:2]
        if min(height, width) < MIN_SIDE:
            raise UsageError(
                f"an image of {height}x{width} is too small for LPIPS: "
                f"use images of at least {MIN_SIDE}x{MIN_SIDE}"
            )
        if data_range is None:
            data_range = 255.0 if pair[0].dtype == np.uint8 else 1.0
        with self._lock:
            sums = [0.0] * net.LAYERS
            for strip in _strips(height, width):
                found = self._strip_sums(pair, strip, value_range, data_range)
                sums = [a + b for a, b in zip(sums, found, strict=True)]
        rows, columns = net.feature_rows(height), net.feature_rows(width)
        return math.fsum(
            total / (rows[min(layer, 2)] * columns[min(layer, 2)])
            for layer, total in enumerate(sums)
        )

    def _strip_sums(
        self,
        pair: tuple[Image, Image],
        strip: _Strip,
        value_range: tuple[float, float],
        data_range: float,
    ) -> list[float]:
        """Each layer's distance, summed over the rows that the strip keeps."""
        height, width = pair[0].shape[:2]
        self._resize(net.blocks(strip.bottom - strip.top), net.blocks(width))
        images = self._view(self._input)
        for image, blocks in zip(pair, images, strict=True):
            # What lies beyond the image is zero; the engine uses this memory for other things
            # once it is read.
            blocks[:] = 0.0
            first = max(strip.top - net.BORDER, 0)
            corner = first - (strip.top - net.BORDER), net.BORDER
            last = min(strip.bottom + net.BORDER, height)
            # Blocks end where the last kernel does, which may be above the next strip's rows.
            last = min(last, first + 4 * blocks.shape[0] - corner[0])
            self._fill(image[first:last], corner, blocks, value_range, data_range)
        with quiet_stderr(_NOISE):
            self._interpreter.invoke()
        sums = []
        for layer, output in enumerate(self._outputs):
            features = self._view(output)
            first, last = strip.keep[layer]
            a, b = (one[first:last].reshape(-1, one.shape[-1]) for one in features)
            sums.append(self._layer_sum(a, b, net.weights()[f"lin{layer}_w"]))
        return sums

    def _layer_sum(
        self, a: NDArray[np.float32], b: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> float:
        parts = [slice(top, top + _CHUNK_PIXELS) for top in range(0, len(a), _CHUNK_PIXELS)]
        return math.fsum(
            map_threads(
                lambda part: self._kernels.lpips_layer(a[part], b[part], weights),
                parts,
                self._threads,
            )
        )

    def _fill(
        self,
        image: Image,
        corner: tuple[int, int],
        blocks: NDArray[np.float32],
        value_range: tuple[float, float],
        data_range: float,
    ) -> None:
        """An image as the first convolution wants it."""
        shift, scale = np.array(net.SHIFT), np.array(net.SCALE)
        low, high = value_range
        if image.dtype == np.uint8:
            steps = low + np.arange(256.0) * ((high - low) / data_range)
            table = (steps[None, :] - shift[:, None]) / scale[:, None]
            self._kernels.lpips_input(image, table.astype(np.float32), corner, blocks)
        else:
            values = low + image * ((high - low) / data_range)
            scaled = ((values - shift) / scale).astype(np.float32)
            net.into_blocks(scaled, corner, blocks)

    def _resize(self, rows: int, columns: int) -> None:
        if self._shape == (rows, columns):
            return
        from ai_edge_litert.interpreter import Interpreter

        # Said before: if it fails half-way, the next call starts anew.
        self._shape = None
        try:
            if self._interpreter is None or rows * columns > self._largest:
                # An engine that grows holds its old memory beside the new; another one does not.
                self._interpreter = None
                self._interpreter = Interpreter(
                    model_content=self._model, num_threads=self._threads
                )
                self._input = self._interpreter.get_input_details()[0]["index"]
                self._outputs = [one["index"] for one in self._interpreter.get_output_details()]
                self._largest = rows * columns
            self._interpreter.resize_tensor_input(self._input, [2, rows, columns, net.BLOCK])
            with quiet_stderr(_NOISE):
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise UsageError(
                f"LPIPS: no room for an image of {rows}x{columns}: use smaller images ({error})"
            ) from error
        self._shape = (rows, columns)

    def _view(self, index: int) -> NDArray[np.float32]:
        """A tensor's own memory, until the next resize.

        Not the engine's own array, which forbids further calls for as long as anything holds it,
        and a thread of the pool may hold on a moment longer.
        """
        array = self._interpreter.tensor(index)()
        address, shape = array.ctypes.data, array.shape
        del array
        memory = (ctypes.c_float * math.prod(shape)).from_address(address)
        return np.ctypeslib.as_array(memory).reshape(shape)


@cache
def shared_lpips(threads: int | None = None) -> Lpips:
    """One network for all who ask: two would take twice the memory and the same cores."""
    return Lpips(threads)


def _strips(height: int, width: int, whole_pixels: int = WHOLE_PIXELS) -> Iterator[_Strip]:
    """The strips of an image, whose kept rows together are the whole image's."""
    rows = net.feature_rows(height)
    if height * width <= whole_pixels:
        yield _Strip(0, height, tuple((0, rows[min(layer, 2)]) for layer in range(net.LAYERS)))
        return
    core = max(_MIN_STRIP, whole_pixels // width // _GRAIN - 2 * _HALO)
    count = max(1, round(rows[2] / core))
    edges = [rows[2] * number // count for number in range(count + 1)]
    for first, last in pairwise(edges):
        # In rows of the last layers: what goes in, and of it what counts.
        upper, lower = max(first - _HALO, 0), last + _HALO
        end = last == rows[2]
        bottom = height if end or lower * _GRAIN >= height else lower * _GRAIN
        keep = []
        for layer in range(net.LAYERS):
            grain = (4, 2, 1, 1, 1)[layer]
            start = (first - upper) * grain
            stop = rows[min(layer, 2)] - upper * grain if end else (last - upper) * grain
            keep.append((start, stop))
        yield _Strip(upper * _GRAIN, bottom, tuple(keep))
