"""The reader under atheris, guided by coverage; `python -m tests.fuzz.guided FOLDER -runs=N`.

Atheris is no dependency of the tests: `pip install '.[fuzz]'` brings it. Words after the folder
are libFuzzer's. The corpus is written to FOLDER, which grows by what reaches new code.
"""

import sys
from pathlib import Path
from tempfile import gettempdir

import atheris

with atheris.instrument_imports(include=["bokehbench.model"]):
    from bokehbench.model import read_model
    from bokehbench.model.describe import read_structure

from bokehbench.errors import ModelError, UsageError
from tests.fuzz.corpus import corpus

_PATH = Path("/dev/shm" if Path("/dev/shm").is_dir() else gettempdir()) / "guided.tflite"


def one_input(data: bytes) -> None:
    """Anything but facts or a refusal ends the run with the input that caused it."""
    _PATH.write_bytes(data)
    try:
        read_model(_PATH)
        read_structure(_PATH)
    except (ModelError, UsageError):
        pass


def main() -> None:
    """Writes the corpus and hands over to libFuzzer, which ends the process."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in corpus().items():
        (folder / f"{name}.tflite").write_bytes(data)
    atheris.Setup([sys.argv[0], str(folder), *sys.argv[2:]], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
