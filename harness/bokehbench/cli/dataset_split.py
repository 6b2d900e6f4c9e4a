"""`bokehbench dataset split`: train, val and test by a seed."""

from contextlib import ExitStack
from pathlib import Path

import click

from bokehbench.cli.dataset_progress import pair_bar
from bokehbench.cli.output import note


@click.command("split")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--test", type=click.IntRange(0), default=200, show_default=True, help="Pairs to test on."
)
@click.option(
    "--val", type=click.IntRange(0), default=0, show_default=True, help="Pairs to validate on."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides who goes where."
)
@click.option("--link", is_flag=True, help="Make hard links instead of copies.")
@click.option("--source", default="original", show_default=True, help="Folder of inputs.")
@click.option("--reference", default="bokeh", show_default=True, help="Folder of wanted outputs.")
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="Worker processes.  [default: usable cores]"
)
def command(
    folder: Path,
    out: Path,
    test: int,
    val: int,
    seed: int,
    link: bool,
    source: str,
    reference: str,
    jobs: int | None,
) -> None:
    """Copy the pairs in DIR to OUT/train, OUT/val and OUT/test, with their depth maps.

    The same seed and names always give the same split. Images that show the same, by perceptual
    hash, stay in one part, so nothing leaks. OUT is new, and whole or not there at all;
    OUT/split.json has the names.
    """
    from bokehbench.dataset.split import SPLITS, split_dataset
    from bokehbench.text import clean

    with ExitStack() as stack:
        on_plan, on_pair = stack.enter_context(pair_bar())
        found = split_dataset(
            folder,
            out,
            test=test,
            val=val,
            seed=seed,
            link=link,
            source=source,
            reference=reference,
            jobs=jobs,
            on_plan=on_plan,
            on_pair=on_pair,
        )
    if found.together:
        note(f"{found.together} pairs show the same as others; each such group is in one part")
    counts = ", ".join(f"{name} {len(getattr(found, name))}" for name in SPLITS)
    click.echo(f"{clean(str(out))}: {counts}, seed {seed}")
