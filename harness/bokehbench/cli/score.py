"""`bokehbench score`: the challenge's formula on two numbers."""

import click

from bokehbench.analysis.challenge import CHALLENGE_C, final_score, format_score
from bokehbench.cli.output import to_json


@click.command("score")
@click.option("--psnr", type=float, required=True, metavar="DB", help="Mean PSNR in dB.")
@click.option(
    "--runtime-ms", type=float, required=True, metavar="MS", help="GPU runtime in milliseconds."
)
@click.option(
    "--c",
    "constant",
    type=float,
    default=CHALLENGE_C,
    show_default="2^34.5",
    help="The formula's constant C.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the unrounded score as JSON.")
def command(psnr: float, runtime_ms: float, constant: float, as_json: bool) -> None:
    """Print 2^(2*PSNR) / (C * runtime), rounded as the challenge's table is.

    Integers from 10 up, one decimal below.
    """
    score = final_score(psnr, runtime_ms, constant)
    if as_json:
        document = {"psnr": psnr, "runtime_ms": runtime_ms, "c": constant, "score": score}
        click.echo(to_json(document), nl=False)
    else:
        click.echo(format_score(score))
