"""A GPU in software, and the runner that uses it."""

from pathlib import Path

import pytest

from android_app.build import build_runner, host_target
from tests.native.bench import Bench
from tests.rig.vulkan import require_software_gpu


@pytest.fixture
def vulkan(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment in which processes of this machine find lavapipe."""
    environment = require_software_gpu().environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture(scope="session")
def runner_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner, compiled for this machine."""
    path = tmp_path_factory.mktemp("runner") / "runner"
    build_runner(host_target(), path)
    return path


@pytest.fixture
def bench(runner_path: Path, tmp_path: Path, vulkan: dict[str, str]) -> Bench:
    """A bench with an empty work folder on a machine with a GPU."""
    assert vulkan
    return Bench(runner_path, tmp_path)
