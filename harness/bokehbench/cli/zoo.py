"""`bokehbench zoo`: the challenge's models, listed, exported, and set beside the printed table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bokehbench.cli.model_options import parse_size
from bokehbench.cli.options import FiniteRange
from bokehbench.cli.output import note, to_json
from bokehbench.cli.zoo_table import table
from bokehbench.cli.zoo_train import train_model
from bokehbench.cli.zoo_waiting import waiting
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.zoo.export import Exported

MIB = 1 << 20
LIST_FORMAT = "bokehbench-zoo-list/1"
EXPORT_FORMAT = "bokehbench-zoo-export/1"


@click.group("zoo")
def command() -> None:
    """The models of the Mobile AI 2022 bokeh challenge, as far as they are public.

    Building them needs TensorFlow: pip install '.[zoo]' in the checkout.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_models(as_json: bool) -> None:
    """List the models, with what the challenge's table printed."""
    from dataclasses import asdict

    from bokehbench.report.cells import size_text
    from bokehbench.zoo import MODELS

    if as_json:
        models = [asdict(entry) for entry in MODELS]
        click.echo(to_json({"format": LIST_FORMAT, "models": models}), nl=False)
        return
    for entry in MODELS:
        printed = f"CPU {_ms(entry.cpu_ms)}, GPU {_ms(entry.gpu_ms)}"
        click.echo(f"{entry.name:<12} {size_text(entry.size_mib):>4} MiB  {entry.title}")
        click.echo(f"{'':<22}sides in multiples of {entry.multiple}; printed: {printed}")


def _ms(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g} ms"


@command.command("export")
@click.argument("name")
@click.option(
    "--size",
    metavar="HxW",
    callback=parse_size,
    help="Height and width of the image.  [default: 1024x1024]",
)
@click.option(
    "--weights",
    default="random",
    show_default=True,
    metavar="random|FILE",
    help="A .weights.h5 file of Keras, or random values from --seed.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, help="Of random weights.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="How the file keeps weights; int8 computes in integers too.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Photos that int8 takes ranges from: a folder, or a dataset with original/.",
)
@click.option("--gpu-friendly", is_flag=True, help="Rewrite what GPU delegates do not take.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write.  [default: NAME.tflite]",
)
@click.option(
    "--seconds",
    type=FiniteRange(1, 86_400),
    default=3600,
    show_default=True,
    help="Deadline of the conversion, and of the run that checks the file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def export_model(
    name: str,
    size: tuple[int, int] | None,
    weights: str,
    seed: int,
    precision: Literal["fp32", "fp16", "int8"],
    calibration: Path | None,
    gpu_friendly: bool,
    output: Path | None,
    seconds: float,
    as_json: bool,
) -> None:
    """Write the model NAME as a .tflite file.

    The conversion runs in a process of its own that takes 12 GiB of memory at most, and the file
    is run once in another before it gets its name: it loads, and its output is finite.
    """
    from bokehbench.zoo import find
    from bokehbench.zoo.export import Export, export

    entry = find(name)
    height, width = size or entry.size
    wanted = Export(
        name=entry.name,
        height=height,
        width=width,
        seed=seed,
        friendly=gpu_friendly,
        precision=precision,
        weights=None if weights == "random" else Path(weights),
        calibration=calibration,
    )
    with waiting() as tell:
        made = export(wanted, output or Path(f"{entry.name}.tflite"), seconds=seconds, tell=tell)
    for line in _warnings(made):
        note(f"warning: {line}")
    if as_json:
        click.echo(to_json(_document(made)), nl=False)
        return
    for line in _screen(made):
        click.echo(clean(line))


def _document(made: "Exported") -> dict[str, Any]:
    return {
        "format": EXPORT_FORMAT,
        "file": str(made.path),
        "size_bytes": made.structure.size_bytes,
        "parameters": made.parameters,
        "calibration_images": made.calibration_images,
        "export_peak_bytes": made.export_peak_bytes,
        "run_peak_bytes": made.run_peak_bytes,
        "output_min": made.output_min,
        "output_max": made.output_max,
        "first_run_ns": made.invoke_ns,
    }


def _warnings(made: "Exported") -> list[str]:
    if not made.constant:
        return []
    return [
        f"{made.path}: every value of the output is {made.output_min:g} for a picture of noise; "
        "either the weights are not trained, or the photos for int8 show too little"
    ]


def _screen(made: "Exported") -> list[str]:
    lines = [
        f"{made.path}: {made.structure.size_mib:.2f} MiB, {made.parameters:,} parameters",
        f"conversion  {made.export_peak_bytes / MIB:.0f} MiB of memory at most",
        f"first run   {made.invoke_ns / 1e6:.0f} ms, {made.run_peak_bytes / MIB:.0f} MiB; outputs "
        f"{made.output_min:.3f} to {made.output_max:.3f}, all finite",
    ]
    if made.calibration_images:
        lines.append(f"calibrated  on {made.calibration_images} photos")
    return lines


command.add_command(table)
command.add_command(train_model)
