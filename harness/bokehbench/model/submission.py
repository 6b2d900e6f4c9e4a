"""A challenge submission: a folder with model.tflite, factsheet.toml and perhaps an I/O spec."""

from dataclasses import dataclass
from pathlib import Path

from bokehbench.errors import IoSpecError, ModelError, SubmissionError
from bokehbench.facts import Factsheet, IoSpec, ModelFacts
from bokehbench.model.factsheet import EXAMPLE, MAX_BYTES, parse_factsheet
from bokehbench.model.iospec import io_file_of, resolve_io
from bokehbench.model.reader import read_model
from bokehbench.text import clean

MODEL = "model.tflite"
FACTSHEET = "factsheet.toml"


@dataclass(frozen=True)
class Submission:
    """A folder whose factsheet is sound. `io_file` is there only if the folder has one.

    `extras` are names of files that nothing here reads.
    """

    folder: Path
    model: Path
    io_file: Path | None
    factsheet: Factsheet
    extras: tuple[str, ...] = ()


def is_submission(path: Path) -> bool:
    """Whether `path` is meant as a submission: a folder with a factsheet or a model in it."""
    return path.is_dir() and ((path / FACTSHEET).exists() or (path / MODEL).exists())


def open_submission(path: Path) -> Submission:
    """The submission in the folder `path`; its model is found but not read yet.

    Raises:
        SubmissionError: something is missing or wrong; `problems` lists all of it, the message
            the first and how many there are.
    """
    if not path.is_dir():
        what = "not a folder" if path.exists() else "no such folder"
        raise SubmissionError(f"{path}: {what}; a submission is a folder with {MODEL}")
    problems = _misplaced(path)
    factsheet = None
    if not problems or not any(FACTSHEET in problem for problem in problems):
        factsheet, wrong = _factsheet(path / FACTSHEET)
        problems += wrong
    if problems or factsheet is None:
        raise _error(problems)
    io_file = io_file_of(path / MODEL)
    known = {MODEL, FACTSHEET, io_file.name}
    extras = sorted(clean(entry.name) for entry in path.iterdir() if entry.name not in known)
    return Submission(
        path, path / MODEL, io_file if io_file.exists() else None, factsheet, tuple(extras)
    )


def check_submission(path: Path) -> tuple[Submission, ModelFacts, IoSpec]:
    """The submission with its model read and its I/O resolved, as a run would.

    Raises:
        SubmissionError: as `open_submission`, with the problems of the model among them.
    """
    problems: list[str] = []
    submission = None
    try:
        submission = open_submission(path)
    except SubmissionError as error:
        if not path.is_dir():
            raise
        problems += error.problems
    model = io = None
    if (path / MODEL).is_file() and not any(MODEL in problem for problem in problems):
        try:
            model = read_model(path / MODEL)
            io = resolve_io(model, path / MODEL)
        except (ModelError, IoSpecError) as error:
            problems.append(str(error))
    if submission is None or model is None or io is None or problems:
        raise _error(problems)
    return submission, model, io


def _error(problems: list[str]) -> SubmissionError:
    more = len(problems) - 1
    tail = f"; and {more} more: `bokehbench challenge check` lists all" if more > 0 else ""
    return SubmissionError(problems[0] + tail, tuple(problems))


def _misplaced(folder: Path) -> list[str]:
    """What is wrong with the folder itself."""
    problems = []
    root = folder.resolve()
    for name in (MODEL, FACTSHEET, io_file_of(folder / MODEL).name):
        entry = folder / name
        if not entry.exists():
            if name == MODEL:
                others = sorted(clean(found.name) for found in folder.glob("*.tflite"))
                hint = f"rename {others[0]}" if others else "add the model"
                problems.append(f"{folder}: no {MODEL}; {hint}")
            elif name == FACTSHEET:
                problems.append(f"{folder}: no {FACTSHEET}; add one with {EXAMPLE}")
        elif not entry.is_file():
            problems.append(f"{entry}: not a file")
        elif not entry.resolve().is_relative_to(root):
            # A stranger's folder must not make this machine read its own files.
            problems.append(f"{entry}: a link that leaves the folder; put the file itself there")
    return problems


def _factsheet(path: Path) -> tuple[Factsheet | None, list[str]]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            return None, [f"{path}: larger than {MAX_BYTES >> 10} KiB; a factsheet is short"]
        text = data.decode("utf-8")
    except OSError as error:
        return None, [f"{path}: can't be read: {error.strerror}"]
    except UnicodeDecodeError as error:
        return None, [f"{path}: byte {error.start} is no UTF-8; save it as UTF-8"]
    return parse_factsheet(text, str(path))
