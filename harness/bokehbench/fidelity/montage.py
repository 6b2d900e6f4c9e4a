"""The worst pairs side by side: prediction, reference, and a map of their error with its scale."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from bokehbench.fidelity.arrays import load_pixels, to_uint8
from bokehbench.fidelity.comparing import Compared
from bokehbench.text import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image as Pictures

ROWS: Final = 3
PANEL: Final = 560
_GAP = 12
_HEAD = 30
_LABEL = 24
_SCALE = 110
_INK = (20, 20, 20)

# Dark to light in even steps of lightness, so that a larger error is always the lighter one:
# black, purple, red, orange, pale yellow.
_COLOURS = (
    (0, 0, 0),
    (70, 15, 110),
    (175, 45, 95),
    (240, 110, 35),
    (252, 190, 70),
    (255, 255, 200),
)


def draw_montage(title: str, worst: Sequence[Compared]) -> bytes:
    """A PNG of up to `ROWS` pairs, which have scores.

    The error is the mean over channels of the absolute difference, in steps of 8 bit; all rows
    share one scale, whose upper end is the largest 99th percentile among them.

    Raises:
        UsageError: an image can't be read any more.
    """
    from PIL import Image, ImageDraw

    rows = [_Row(one) for one in worst[:ROWS]]
    top = _nice(max(row.high for row in rows))
    width = 4 * _GAP + 3 * PANEL + _SCALE
    height = _HEAD + sum(row.height + _LABEL + _GAP for row in rows) + _HEAD
    canvas = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    large, small = _fonts()
    heads = ("prediction", "reference", "error, mean of |difference| over RGB")
    y = 6
    for place, text in enumerate(heads):
        draw.text((_GAP + place * (PANEL + _GAP), y), text, fill=_INK, font=large)
    y = _HEAD
    for row in rows:
        for place, panel in enumerate(row.panels(top)):
            canvas.paste(panel, (_GAP + place * (PANEL + _GAP), y))
        _scale_bar(canvas, (4 * _GAP + 3 * PANEL, y), row.height, top, small)
        draw.text((_GAP, y + row.height + 4), row.label, fill=_INK, font=small)
        y += row.height + _LABEL + _GAP
    draw.text((_GAP, y), clean(title), fill=_INK, font=small)
    stream = io.BytesIO()
    canvas.save(stream, format="PNG")
    return stream.getvalue()


class _Row:
    """One pair, ready to be drawn."""

    def __init__(self, one: Compared) -> None:
        import numpy as np

        assert one.scores is not None
        self._pair = [
            to_uint8(np.clip(image, 0.0, 1.0) if image.dtype != np.uint8 else image, "half_even")
            for image in (load_pixels(one.pair.prediction), load_pixels(one.pair.reference))
        ]
        height, width = self._pair[0].shape[:2]
        self.height = max(1, round(height * PANEL / width))
        prediction, reference = (image.astype(np.float32) for image in self._pair)
        self._error = np.abs(prediction - reference).mean(axis=2)
        self.high = float(np.quantile(self._error, 0.99))
        scores = one.scores
        parts = [
            clean(one.pair.name),
            f"{height}x{width}",
            "identical" if scores.psnr is None else f"PSNR {scores.psnr:.2f} dB",
            f"SSIM {scores.ssim:.4f}",
        ]
        if scores.lpips is not None:
            parts.append(f"LPIPS {scores.lpips:.4f}")
        parts.append(f"largest error {float(self._error.max()):.0f}")
        self.label = "   ".join(parts)

    def panels(self, top: float) -> "list[Pictures.Image]":
        """Prediction, reference and error, all of one size."""
        from PIL import Image

        size = (PANEL, self.height)
        images = [
            Image.fromarray(image).resize(size, Image.Resampling.LANCZOS) for image in self._pair
        ]
        # Means of what a drawn pixel covers: an error is neither lost nor made larger.
        error = Image.fromarray(self._error).resize(size, Image.Resampling.BOX)
        return [*images, Image.fromarray(_coloured(error, top))]


def _coloured(error: Any, top: float) -> "NDArray[np.uint8]":
    import numpy as np

    share = np.clip(np.asarray(error, dtype=np.float64) / top, 0, 1)
    stops = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(share, stops, [colour[c] for colour in _COLOURS]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _scale_bar(
    canvas: "Pictures.Image", corner: tuple[int, int], height: int, top: float, font: Any
) -> None:
    """A bar from 0 below to `top` above, with numbers beside it."""
    import numpy as np
    from PIL import Image, ImageDraw

    draw = ImageDraw.Draw(canvas)
    left, upper = corner
    shares = np.linspace(top, 0, height)[:, None].repeat(18, axis=1)
    canvas.paste(Image.fromarray(_coloured(shares, top)), (left, upper))
    steps = 4 if height >= 100 else 1
    for step in range(steps + 1):
        value = top * step / steps
        y = upper + height - 1 - (height - 1) * step // steps
        draw.line((left + 18, y, left + 23, y), fill=_INK)
        text = f"{value:.4g}" + ("+" if step == steps and top < 255 else "")
        place = min(max(y - 7, upper), upper + height - 14)
        draw.text((left + 27, place), text, fill=_INK, font=font)
    draw.text((left, upper + height + 4), "8-bit steps", fill=_INK, font=font)


def _nice(value: float) -> float:
    """The least of 4, 8, 16 ... 128, 255 that is not below."""
    top = 4.0
    while top < min(value, 255.0):
        top *= 2
    return min(top, 255.0)


def _fonts() -> tuple[Any, Any]:
    from PIL import ImageFont

    return ImageFont.load_default(16), ImageFont.load_default(13)
