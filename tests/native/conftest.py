"""The built runner and a folder to run it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench import Bench, load_build_hook


@pytest.fixture(scope="session")
def runner_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner, compiled for this machine."""
    hook = load_build_hook()
    path: Path = tmp_path_factory.mktemp("runner") / "runner"
    hook.build_runner(hook.host_target(), path)
    return path


@pytest.fixture
def bench(runner_path: Path, tmp_path: Path) -> Bench:
    """A bench with an empty work folder."""
    return Bench(runner_path, tmp_path)
