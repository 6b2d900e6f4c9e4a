"""`bokehbench dataset check`: what is wrong with a dataset."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bokehbench.cli.dataset_progress import pair_bar
from bokehbench.cli.output import Sink, to_json

if TYPE_CHECKING:
    from bokehbench.dataset.check import Checked

FORMAT = "bokehbench-dataset-check/1"
FAULTY = 1
SHOWN = 20


@click.command("check")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--source", default="original", show_default=True, help="Folder of inputs.")
@click.option("--reference", default="bokeh", show_default=True, help="Folder of wanted outputs.")
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="Worker processes.  [default: usable cores]"
)
@click.option("--json", "json_target", metavar="PATH|-", help="Write everything as JSON.")
def command(
    folder: Path, source: str, reference: str, jobs: int | None, json_target: str | None
) -> int:
    """Read every image in DIR, and in its splits, and say what is wrong.

    Finds files that are corrupt or without a partner, pairs of two sizes or of another height,
    depth maps without a photo, links that lead out, images that show the same by perceptual
    hash: duplicates in one split, leakage between two.

    Exit codes: 0 nothing wrong, 1 something is, 2 no dataset.
    """
    from bokehbench.dataset.check import check

    with ExitStack() as stack:
        sink = stack.enter_context(Sink(json_target, "--json")) if json_target else None
        on_plan, on_pair = stack.enter_context(pair_bar())
        found = check(
            folder,
            source=source,
            reference=reference,
            jobs=jobs,
            on_plan=on_plan,
            on_pair=on_pair,
        )
        if sink is not None:
            sink.write(to_json(_document(found)))
    if sink is None or not sink.is_screen:
        _show(found)
    return FAULTY if found.problems else 0


def _document(found: "Checked") -> dict[str, Any]:
    import msgspec

    return {
        "format": FORMAT,
        "pairs": found.pairs,
        "heights": {str(height): count for height, count in found.heights.items()},
        "problems": msgspec.to_builtins(found.problems),
    }


def _show(found: "Checked") -> None:
    from bokehbench.dataset.check import KINDS
    from bokehbench.text import clean

    parts = [
        f"{clean(name)} {count}" if name else str(count) for name, count in found.pairs.items()
    ]
    heights = ", ".join(f"{height} ({count})" for height, count in found.heights.items())
    click.echo(f"pairs: {', '.join(parts)}; heights: {heights or 'none'}")
    counts = Counter(problem.kind for problem in found.problems)
    for kind, count in counts.items():
        click.echo(f"{count} {kind}: {KINDS[kind]}")
        for problem in [one for one in found.problems if one.kind == kind][:SHOWN]:
            click.echo(f"  {clean(problem.text)}")
        if count > SHOWN:
            click.echo(f"  and {count - SHOWN} more; --json has all")
    if not counts:
        click.echo("nothing is wrong")
