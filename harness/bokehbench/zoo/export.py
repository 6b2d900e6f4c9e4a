"""`zoo export`: a model of the zoo as a checked .tflite file, made in processes with limits."""

import errno
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from bokehbench.errors import ZooError
from bokehbench.model.describe import read_structure
from bokehbench.model.structure import ModelStructure
from bokehbench.text import clean
from bokehbench.zoo import check_size, find
from bokehbench.zoo.child import GIB, Tell, ask

Precision = Literal["fp32", "fp16", "int8"]

EXPORT_BYTES: Final = 12 * GIB
RUN_BYTES: Final = 16 * GIB
SECONDS: Final = 3600.0


@dataclass(frozen=True)
class Export:
    """What is to be exported.

    Attributes:
        weights: a `.weights.h5` file; random ones from `seed` where there is none.
        calibration: a folder of photos, or one with such a folder `original`; for int8 alone.
    """

    name: str
    height: int
    width: int
    seed: int = 0
    friendly: bool = False
    precision: Precision = "fp32"
    weights: Path | None = None
    calibration: Path | None = None

    def check(self) -> None:
        """Whether this can be asked for.

        Raises:
            ZooError: no such model, no such size, or calibration and precision do not go together.
        """
        check_size(find(self.name), self.height, self.width)
        if self.precision == "int8" and self.calibration is None:
            raise ZooError(
                "int8 needs photos to find the range of every tensor: give --calibration DIR"
            )
        if self.precision != "int8" and self.calibration is not None:
            raise ZooError(f"--calibration goes with int8, not with {self.precision}")


@dataclass(frozen=True)
class Exported:
    """What became of it.

    Attributes:
        parameters: trained values of the Keras model.
        calibration_images: photos that gave the ranges.
        export_peak_bytes: most memory that the conversion's process held.
        run_peak_bytes: the same of the process that ran the file once.
        invoke_ns: that run, the first one, on this machine.
    """

    path: Path
    structure: ModelStructure
    parameters: int
    calibration_images: int
    export_peak_bytes: int
    run_peak_bytes: int
    output_min: float
    output_max: float
    invoke_ns: int

    @property
    def constant(self) -> bool:
        """Whether every value of the output was the same, for a picture of noise."""
        return self.output_min == self.output_max


def export(
    wanted: Export,
    target: Path,
    *,
    seconds: float = SECONDS,
    export_bytes: int = EXPORT_BYTES,
    run_bytes: int = RUN_BYTES,
    tell: Tell = lambda _what: None,
) -> Exported:
    """Write the model to `target`, whole and checked, or not at all.

    Args:
        seconds: deadline of each of the two processes.
        export_bytes: the most memory of the conversion.
        run_bytes: the most memory of the run that checks the file.

    Raises:
        ZooError: it can't be built as asked, or the file can't be written.
        DatasetError: a photo for calibration can't be used.
        EngineMissing: TensorFlow is not installed.
        RunError: a process failed, took too long or too much memory; or outputs are not finite.
        ModelError: our own reader refuses the file.
    """
    wanted.check()
    goal = _goal(target)
    title = f"{wanted.name} at {wanted.height}x{wanted.width}"
    folder = _work_folder(goal)
    try:
        part = folder / goal.name
        question = {
            **asdict(wanted),
            "weights": str(wanted.weights.absolute()) if wanted.weights else None,
            "calibration": str(wanted.calibration.absolute()) if wanted.calibration else None,
            "part": str(part),
            "output": str(target),
            "folder": str(folder),
        }
        module = "bokehbench.zoo.convert"
        made = ask(module, question, f"exporting {title}", export_bytes, seconds, tell)
        structure = read_structure(part)
        seen = ask(
            "bokehbench.zoo.once",
            {"part": str(part)},
            f"running {title} once",
            run_bytes,
            seconds,
            tell,
        )
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        part.replace(goal)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Exported(
        path=target,
        structure=structure,
        parameters=made["parameters"],
        calibration_images=made["images"],
        export_peak_bytes=made["peak_bytes"],
        run_peak_bytes=seen["peak_bytes"],
        output_min=seen["output_min"],
        output_max=seen["output_max"],
        invoke_ns=seen["invoke_ns"],
    )


def _goal(target: Path) -> Path:
    """The file behind links that will be replaced."""
    goal = Path(os.path.realpath(target))
    if goal.is_dir():
        raise ZooError(f"{clean(str(target))}: is a folder; give a file name")
    if goal.exists() and not goal.is_file():
        raise ZooError(f"{clean(str(target))}: is no file; give a file name")
    return goal


def _work_folder(goal: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=f".{goal.stem[:40]}.", dir=goal.parent))
    except OSError as error:
        cure = "make room" if error.errno == errno.ENOSPC else "give a file in a folder of yours"
        raise ZooError(f"{clean(str(goal))}: can't be written: {error.strerror}; {cure}") from error
