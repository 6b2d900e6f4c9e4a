"""Workers that are killed end in one sentence, whenever the parent learns of it."""

import os
import signal
import time
from pathlib import Path

import pytest

from bokehbench.dataset.processes import KEPT, in_processes
from bokehbench.errors import RunError


def twice_or_die(task: tuple[int, str]) -> int:
    """Twice the number; one below zero leaves its mark, and kills its process."""
    number, mark = task
    if number < 0:
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def tasks(tmp_path: Path, numbers: list[int]) -> list[tuple[int, str]]:
    return [(number, str(tmp_path / "killed")) for number in numbers]


def label(task: tuple[int, str]) -> str:
    return f"n{task[0]}"


def test_results_of_all() -> None:
    made = in_processes(twice_or_die, [(number, "") for number in range(7)], 2, label)
    assert sorted(made) == [0, 2, 4, 6, 8, 10, 12]


def test_a_killed_worker_is_met_at_a_result(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"killed near pair n-1, .* fewer --jobs$"):
        list(in_processes(twice_or_die, tasks(tmp_path, [-1]), 1, label))


def test_a_killed_worker_is_met_at_a_new_task(tmp_path: Path) -> None:
    """The parent is at something else meanwhile, so the pool is broken when it hands out work."""
    made = in_processes(twice_or_die, tasks(tmp_path, [1, -1, *range(2, 20)]), 1, label, kept=KEPT)
    assert next(made) == 2
    until = time.monotonic() + 30
    while not (tmp_path / "killed").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    # From the kill to the pool's own notice of it.
    time.sleep(0.3)
    with pytest.raises(RunError, match=r"killed near pair n-1, .* what is done stays done$"):
        list(made)
