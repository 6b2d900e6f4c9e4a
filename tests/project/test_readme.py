"""What README shows of a run is what such a run prints today."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.command import Command

ROOT = Path(__file__).parents[2]
SAMPLE = re.compile(r"```text\n\$ bokehbench ([^\n]+)\n(.*?)```", re.DOTALL)


def cells(text: str, name: str) -> list[str]:
    [row] = [line for line in text.splitlines() if line.startswith(f" {name}")]
    return re.split(r"  +", row.strip())


def shape(text: str) -> list[str]:
    """Heading, titles of columns, and what the lines below the table are about."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    rule = next(n for n, line in enumerate(lines) if line.startswith("──"))
    told = [line.split(":")[0] for line in lines[rule + 2 :] if re.match(r"[A-Z][\w ()]*: ", line)]
    record = [re.sub("[0-9a-f]{10}", "ID", line) for line in lines if "(record " in line]
    return [*lines[:rule], *told, *record]


@pytest.fixture
def bokehbench(tmp_path: Path) -> Command:
    return Command(tmp_path)


def test_the_sample_is_what_a_run_prints(bokehbench: Command) -> None:
    found = SAMPLE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    words = [
        str(ROOT / word) if word.startswith("examples/") else word for word in shlex.split(found[1])
    ]
    ended = bokehbench(*words, "--quick")
    assert ended.code == 0, ended.err
    assert shape(found[2]) == shape(ended.out)
    shown, today = cells(found[2], "tiny_unet"), cells(ended.out, "tiny_unet")
    assert [len(shown), *shown[:3]] == [len(today), *today[:3]]
    # Other processors round differently, far below what a reader would see.
    fidelity = [float(cell) for cell in today[3:6]]
    assert [float(cell) for cell in shown[3:6]] == pytest.approx(fidelity, abs=0.011)
