"""Rows of an alignment -> one HTML page that stands by itself: totals, rejected, worst pairs."""

import base64
import html
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bokehbench.dataset.rows import ALIGNED, UNREADABLE, Row
from bokehbench.dataset.settings import AlignSettings
from bokehbench.errors import DatasetError
from bokehbench.text import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORST = 12
REJECTED_SHOWN = 12
THUMB_HEIGHT = 190
TILES = 8

_STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem;
 padding: 0 1rem; color: #222; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .7em; text-align: left; border-bottom: 1px solid #ccc; }
td.n, th.n { text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; }
.photos { display: flex; flex-wrap: wrap; gap: .5rem; margin: .4rem 0 1.6rem; }
figure { margin: 0; } figcaption { font-size: .8rem; color: #555; }
img { display: block; max-width: 100%; height: auto; }
.pair { break-inside: avoid; } .pair h3 { font-size: 1rem; margin: 0 0 .2rem; }
"""


def page(
    rows: Sequence[Row],
    settings: AlignSettings,
    out: Path,
    photos: Mapping[str, Mapping[str, Path]],
) -> str:
    """The page. `photos` are the raw files of each pair, by folder; aligned ones are in `out`."""
    aligned = [row for row in rows if row.verdict == ALIGNED]
    rejected = [row for row in rows if row.verdict != ALIGNED]
    worst = sorted(aligned, key=_badness, reverse=True)[:WORST]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Alignment of pairs</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body>",
        "<h1>Alignment of pairs</h1>",
        f"<p>{len(aligned)} of {len(rows)} pairs are aligned, {len(rejected)} rejected.</p>",
        *_totals(rows),
        *_quantiles(aligned),
        *_rejected(rejected, settings, photos),
        *_worst(worst, settings, out),
        *_settings(settings),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _badness(row: Row) -> float:
    """Worse first: what corners are not known by, blocks' residual, and what does not correlate."""
    error = row.standard_error_px if row.standard_error_px is not None else 1.0
    residual = row.residual_px if row.residual_px is not None else 1.0
    correlation = row.correlation if row.correlation is not None else 0.0
    return error + residual + (1.0 - correlation)


def _totals(rows: Sequence[Row]) -> list[str]:
    counts = sorted(Counter(row.verdict for row in rows).items(), key=lambda one: -one[1])
    lines = [[f"<code>{_text(verdict)}</code>", str(count)] for verdict, count in counts]
    return ["<h2>Verdicts</h2>", *_table(["Verdict", "Pairs"], lines, 1)]


def _quantiles(aligned: Sequence[Row]) -> list[str]:
    if not aligned:
        return []
    columns = (
        ("residual_px", "Residual of blocks, px", 3),
        ("standard_error_px", "Standard error at the corners, px", 3),
        ("correction_px", "Moved by refinement, px", 2),
        ("correlation", "Correlation", 3),
        ("overlap", "Overlap", 3),
        ("exposure_ev", "Exposure difference, EV", 2),
        ("inliers", "Inliers", 0),
    )
    lines = []
    for name, title, digits in columns:
        values = sorted(v for row in aligned if (v := getattr(row, name)) is not None)
        if values:
            picked = (values[0], values[len(values) // 2], values[-1])
            lines.append([title, *(f"{value:.{digits}f}" for value in picked)])
    return ["<h2>Aligned pairs</h2>", *_table(["", "Least", "Median", "Most"], lines, 3)]


def _rejected(
    rows: Sequence[Row], settings: AlignSettings, photos: Mapping[str, Mapping[str, Path]]
) -> list[str]:
    if not rows:
        return []
    lines = [
        [_text(row.name), f"<code>{_text(row.verdict)}</code>", _text(row.reason)] for row in rows
    ]
    parts = ["<h2>Rejected</h2>", *_table(["Pair", "Verdict", "Why"], lines, 0)]
    # What is unreadable may be a link to where nobody should look.
    readable = [row for row in rows if row.name in photos and row.verdict != UNREADABLE]
    shown = readable[:REJECTED_SHOWN]
    for row in shown:
        parts += [f'<div class="pair"><h3>{_text(row.name)}: {_text(row.verdict)}</h3>']
        parts.append('<div class="photos">')
        for role in (settings.narrow, settings.wide):
            parts.append(_figure(_thumb(photos[row.name][role]), f"{role}, as given"))
        parts.append("</div></div>")
    return parts


def _worst(rows: Sequence[Row], settings: AlignSettings, out: Path) -> list[str]:
    parts = ["<h2>The worst of the aligned pairs</h2>"] if rows else []
    for row in rows:
        parts += [
            f'<div class="pair"><h3>{_text(row.name)}</h3>',
            f"<p>{_numbers(row)}</p>",
            '<div class="photos">',
        ]
        kind = settings.format
        narrow = _thumb(out / settings.narrow / f"{row.name}.{kind}")
        wide = _thumb(out / settings.wide / f"{row.name}.{kind}")
        parts += [_figure(narrow, settings.narrow), _figure(wide, settings.wide)]
        if narrow is not None and wide is not None:
            parts.append(_figure(_chequered(narrow, wide), "in turns: edges in focus go on"))
            parts.append(_figure(_difference(narrow, wide), "difference, three times as strong"))
        parts.append("</div></div>")
    return parts


def _numbers(row: Row) -> str:
    pieces = [f"{row.inliers} of {row.matches} matches"]
    for name, unit in (
        ("residual_px", "px residual"),
        ("standard_error_px", "px at the corners"),
        ("correlation", "correlation"),
        ("exposure_ev", "EV"),
    ):
        value = getattr(row, name)
        if value is not None:
            pieces.append(f"{value:.3f} {unit}")
    return _text(", ".join(pieces))


def _settings(settings: AlignSettings) -> list[str]:
    lines = [[f"<code>{_text(k)}</code>", _text(str(v))] for k, v in _builtins(settings)]
    return ["<h2>Settings</h2>", *_table(["Setting", "Value"], lines, 0)]


def _builtins(settings: AlignSettings) -> list[tuple[str, object]]:
    return list(msgspec.structs.asdict(settings).items())


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]], numbers: int) -> list[str]:
    """A table whose last `numbers` columns are numbers; cells are HTML."""

    def row(cells: Sequence[str], tag: str) -> str:
        first = len(cells) - numbers
        marks = ("" if place < first else ' class="n"' for place in range(len(cells)))
        return "".join(
            f"<{tag}{mark}>{cell}</{tag}>" for cell, mark in zip(cells, marks, strict=True)
        )

    body = [f"<tr>{row(line, 'td')}</tr>" for line in lines]
    return ['<div class="wide"><table>', f"<tr>{row(heads, 'th')}</tr>", *body, "</table></div>"]


def _thumb(path: Path) -> "NDArray[np.uint8] | None":
    import numpy as np
    from PIL import Image

    from bokehbench.fidelity.images import load_rgb

    try:
        picture = Image.fromarray(load_rgb(path, at_least=THUMB_HEIGHT))
    except DatasetError:
        return None
    width = max(1, round(picture.width * THUMB_HEIGHT / picture.height))
    small = picture.resize((width, THUMB_HEIGHT), Image.Resampling.LANCZOS)
    return np.array(small, dtype=np.uint8)


def _chequered(narrow: "NDArray[np.uint8]", wide: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    import numpy as np

    rows, columns = narrow.shape[:2]
    side = max(1, rows // TILES)
    y, x = np.mgrid[0:rows, 0:columns]
    mixed: NDArray[np.uint8] = np.where(((x // side + y // side) % 2 == 0)[..., None], narrow, wide)
    return mixed


def _difference(narrow: "NDArray[np.uint8]", wide: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    import numpy as np

    gap = np.abs(narrow.astype(np.int16) - wide.astype(np.int16)) * 3
    shown: NDArray[np.uint8] = np.clip(gap, 0, 255).astype(np.uint8)
    return shown


def _figure(image: "NDArray[np.uint8] | None", caption: str) -> str:
    if image is None:
        return f"<figure><figcaption>{_text(caption)}: can't be read</figcaption></figure>"
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=85)
    code = base64.b64encode(data.getvalue()).decode()
    height, width = image.shape[:2]
    return (
        f'<figure><img src="data:image/jpeg;base64,{code}" width="{width}" height="{height}" '
        f'alt="{_text(caption)}"><figcaption>{_text(caption)}</figcaption></figure>'
    )


def _text(text: str) -> str:
    return html.escape(clean(text))
