"""`bokehbench dataset synth`: pairs out of photos with disparity maps."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bokehbench.cli.dataset_progress import pair_bar, tell_done
from bokehbench.cli.options import FiniteRange
from bokehbench.cli.output import Sink, note, to_json
from bokehbench.errors import DatasetError, UsageError

if TYPE_CHECKING:
    from bokehbench.dataset.synth import Made

FAILED = 1


def _focus(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"--focus {text}: give `auto`, or a disparity from 0 (far) to 1 (near)")
    return value


@click.command("synth")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--focus",
    default="auto",
    show_default=True,
    metavar="auto|0..1",
    help="Disparity in focus; auto is the median of each photo's middle.",
)
@click.option(
    "--radius",
    type=FiniteRange(0.5, 200.0),
    default=30.0,
    show_default=True,
    help="Disk radius in pixels of what is a whole range of disparity out of focus.",
)
@click.option(
    "--layers",
    type=click.IntRange(2, 128),
    default=24,
    show_default=True,
    help="Layers over the range of disparity.",
)
@click.option(
    "--near",
    type=click.Choice(["white", "black"]),
    default="white",
    show_default=True,
    help="Which end of the maps is near.",
)
@click.option("--format", "kind", type=click.Choice(["jpg", "png"]), default="jpg")
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="Worker processes.  [default: usable cores]"
)
@click.option("--json", "json_target", metavar="PATH|-", help="Write everything as JSON.")
def command(
    folder: Path,
    out: Path,
    focus: str,
    radius: float,
    layers: int,
    near: Literal["white", "black"],
    kind: Literal["jpg", "png"],
    quality: int,
    jobs: int | None,
    json_target: str | None,
) -> int:
    """Make OUT/bokeh/N out of DIR/original/N.jpg and DIR/original_depth/N.png.

    The photo is cut into layers of equal disparity, each blurred by a disk in linear light and
    laid over those behind it. What was hidden is filled with smooth colours. Photos and maps are
    copied to OUT beside the result; OUT/synth.json has everything. Started again after an
    interruption, it goes on.

    Exit codes: 0 all made, 1 some could not be, 2 none could be or bad input.
    """
    import msgspec

    from bokehbench.dataset.synth import FORMAT, SynthSettings, synth

    settings = SynthSettings(
        focus=_focus(focus),
        radius_px=radius,
        layers=layers,
        near=near,
        format=kind,
        quality=quality,
    )
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(json_target, "--json")) if json_target else None
        on_plan, on_pair = stack.enter_context(pair_bar())

        def planned(total: int, done: int) -> None:
            tell_done(total, done)
            on_plan(total)

        rows = synth(folder, out, settings, jobs=jobs, on_plan=planned, on_pair=_told(on_pair))
        if sink is not None:
            document = {
                "format": FORMAT,
                "settings": msgspec.to_builtins(settings),
                "pairs": msgspec.to_builtins(rows),
            }
            sink.write(to_json(document))
    failed = [row for row in rows if row.failure is not None]
    if sink is None or not sink.is_screen:
        click.echo(f"{len(rows) - len(failed)} of {len(rows)} pairs made")
    if len(failed) == len(rows):
        raise DatasetError(f"no pair could be made; first: {failed[0].failure}")
    return FAILED if failed else 0


def _told(advance: Callable[[], None]) -> "Callable[[Made], None]":
    def told(made: "Made") -> None:
        advance()
        if made.failure is not None and not sys.stderr.isatty():
            note(f"warning: {made.failure}")

    return told
