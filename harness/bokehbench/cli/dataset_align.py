"""`bokehbench dataset align`: pairs of photos -> pairs that lie on each other."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bokehbench.cli.dataset_progress import pair_bar, tell_done
from bokehbench.cli.options import FiniteRange
from bokehbench.cli.output import Sink, note, to_json
from bokehbench.errors import DatasetError, UsageError

if TYPE_CHECKING:
    from bokehbench.dataset.rows import Row
    from bokehbench.dataset.settings import AlignSettings

FAILED = 1


@click.command("align")
@click.argument("raw", type=click.Path(path_type=Path), metavar="RAW")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--height",
    type=click.IntRange(96, 16384),
    default=1024,
    show_default=True,
    help="Height of the written images; photos are never enlarged.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["jpg", "png"]),
    default="jpg",
    show_default=True,
    help="Format of the written images; depth is always PNG.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    help="Quality of JPEG, without chroma subsampling.",
)
@click.option("--narrow", default="original", show_default=True, help="Folder of narrow apertures.")
@click.option("--wide", default="bokeh", show_default=True, help="Folder of wide apertures.")
@click.option(
    "--min-overlap",
    type=FiniteRange(0.1, 1.0),
    default=0.6,
    show_default=True,
    help="Share of the narrow frame that both must show.",
)
@click.option(
    "--max-error",
    type=FiniteRange(0.01, 10.0),
    default=0.5,
    show_default=True,
    help="Pixels by which blocks, and corners by estimate, may be off.",
)
@click.option(
    "--max-exposure",
    type=FiniteRange(0.0, 10.0),
    default=1.0,
    show_default=True,
    help="Stops by which exposures may differ.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="Worker processes.  [default: usable cores]"
)
@click.option("--json", "json_target", metavar="PATH|-", help="Write all rows as JSON.")
def command(
    raw: Path,
    out: Path,
    height: int,
    kind: Literal["jpg", "png"],
    quality: int,
    narrow: str,
    wide: str,
    min_overlap: float,
    max_error: float,
    max_exposure: float,
    jobs: int | None,
    json_target: str | None,
) -> int:
    """Align the pairs in RAW and write them to OUT.

    RAW holds original/N.jpg beside bokeh/N.jpg, and original_depth/N.png if there is depth. The
    wide photo is warped onto the narrow one, both are cropped to the largest rectangle that both
    show and downscaled. OUT gets the same folders, and align.csv, align.html with the worst
    pairs, and align.json with everything. A pair that can't be aligned is not written; the report
    says why. Started again after an interruption, it goes on.

    Exit codes: 0 all pairs aligned, 1 some rejected, 2 none aligned or bad input.
    """
    from bokehbench.dataset.align import align
    from bokehbench.dataset.rows import ALIGNED
    from bokehbench.dataset.settings import AlignSettings

    for option, role in (("--narrow", narrow), ("--wide", wide)):
        if role in ("", ".", "..") or "/" in role or "\\" in role:
            raise UsageError(f"{option} {role}: give the plain name of a folder in RAW")
    settings = AlignSettings(
        narrow=narrow,
        wide=wide,
        depth=f"{narrow}_depth",
        height=height,
        format=kind,
        quality=quality,
        min_overlap=min_overlap,
        max_residual_px=max_error,
        max_standard_error_px=max_error,
        max_exposure_ev=max_exposure,
    )
    if narrow == wide or wide == settings.depth:
        raise UsageError(f"--wide {wide}: is --narrow's own folder; give another")
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(json_target, "--json")) if json_target else None
        on_plan, on_row = stack.enter_context(_progress(settings))
        rows = align(raw, out, settings, jobs=jobs, on_plan=on_plan, on_row=on_row)
        if sink is not None:
            sink.write(to_json(_document(settings, rows)))
    aligned = sum(row.verdict == ALIGNED for row in rows)
    if sink is None or not sink.is_screen:
        click.echo(_summary(rows, out))
    if aligned == 0:
        first = next(row for row in rows if row.verdict != ALIGNED)
        raise DatasetError(f"no pair could be aligned; first {first.name}: {first.reason}")
    return 0 if aligned == len(rows) else FAILED


def _tell(settings: "AlignSettings") -> None:
    import msgspec

    values = msgspec.structs.asdict(settings).items()
    note("settings: " + ", ".join(f"{key} {value}" for key, value in values))


def _document(settings: "AlignSettings", rows: "tuple[Row, ...]") -> dict[str, Any]:
    import msgspec

    from bokehbench.dataset.align import FORMAT

    return {
        "format": FORMAT,
        "settings": msgspec.to_builtins(settings),
        "rows": msgspec.to_builtins(rows),
    }


def _summary(rows: "tuple[Row, ...]", out: Path) -> str:
    from bokehbench.dataset.align import PAGE
    from bokehbench.text import clean

    counts = Counter(row.verdict for row in rows)
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return f"{len(rows)} pairs: {words}; see {clean(str(out / PAGE))}"


@contextmanager
def _progress(
    settings: "AlignSettings",
) -> "Iterator[tuple[Callable[[int, int], None], Callable[[Row], None]]]":
    """A bar on a terminal; elsewhere nothing but what was rejected."""
    from bokehbench.dataset.rows import ALIGNED

    with pair_bar() as (begin, advance):

        def planned(total: int, done: int) -> None:
            _tell(settings)
            tell_done(total, done)
            begin(total)

        def told(row: "Row") -> None:
            advance()
            if row.verdict != ALIGNED and not sys.stderr.isatty():
                note(f"warning: {row.name}: {row.verdict}: {row.reason}")

        yield planned, told
