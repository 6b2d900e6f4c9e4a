"""The built runner and a folder to run it in."""

from pathlib import Path

import pytest

from android_app.build import build_runner, host_target
from tests.native.bench import Bench


@pytest.fixture(scope="session")
def runner_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner, compiled for this machine."""
    path = tmp_path_factory.mktemp("runner") / "runner"
    build_runner(host_target(), path)
    return path


@pytest.fixture
def bench(runner_path: Path, tmp_path: Path) -> Bench:
    """A bench with an empty work folder."""
    return Bench(runner_path, tmp_path)
