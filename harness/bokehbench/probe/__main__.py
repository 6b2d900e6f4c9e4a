"""`python -m bokehbench.probe`: measure the engines of this machine and write their rules.

A tool of the project's own, not a command of users: so it stands apart from cli and writes its few
lines itself. A GPU is asked where one is found; for a software GPU set VK_DRIVER_FILES and
LD_LIBRARY_PATH as for any other program.
"""

import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click

from bokehbench.model.rulefiles import FOLDER
from bokehbench.model.rules import MEASURED, Target
from bokehbench.probe.ask import Told, ask_gpu, ask_xnnpack
from bokehbench.probe.cases import cases
from bokehbench.probe.measure import Run, to_toml
from bokehbench.probe.runner import ask_tflite


@click.command()
@click.option("--tflite", type=click.Path(path_type=Path, exists=True), help="A C library, too.")
@click.option("--tflite-version", default="2.9.0", help="What that library is.")
@click.option("--gpu/--no-gpu", default=True, help="LiteRT's GPU accelerator.")
@click.option("--only", multiple=True, metavar="OP", help="These operators alone; nothing written.")
@click.option("--output", type=click.Path(path_type=Path), default=FOLDER / MEASURED)
def main(
    tflite: Path | None, tflite_version: str, gpu: bool, only: tuple[str, ...], output: Path
) -> None:
    """Run models of one operator on the real engines here and write what they take."""
    litert = version("ai-edge-litert")
    machine = f"Linux {platform.machine()}"
    asked: list[tuple[Run, Callable[[Path], Told | None]]] = [
        (Run(Target("xnnpack", "litert", litert), machine), ask_xnnpack)
    ]
    if tflite is not None:
        target = Target("xnnpack", "tflite", tflite_version)
        asked.append((Run(target, machine), lambda path: ask_tflite(path, tflite)))
    if gpu:
        target = Target("litert-gpu", "litert", litert)
        note = f"WebGPU on {machine}"
        asked.append((Run(target, note), lambda path: ask_gpu(path, 1)))
    chosen = [case for case in cases() if not only or case.op in only]
    for run, ask in asked:
        with click.progressbar(length=len(chosen), label=run.target.title) as bar:
            run.ask(chosen, ask, lambda bar=bar: bar.update(1))  # type: ignore[misc]
        click.echo(f"{run.target.title}: {len(run.answers)} cases")
        for answer in run.answers:
            if only or answer.delegated is None or answer in run.surprises():
                why = answer.told.why if answer.told else "can't be asked"
                click.echo(
                    f"  {answer.case.label}: {answer.predicted} [{answer.rule}], "
                    f"was {answer.delegated} {why[:160]}"
                )
    if not only:
        output.write_text(to_toml([run for run, _ in asked]), encoding="utf-8")
        click.echo(f"written: {output}")


if __name__ == "__main__":
    main()
