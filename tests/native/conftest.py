"""The built runner and a folder to run it in; the app behind a stand-in for Android."""

import os
import shutil
from pathlib import Path

import pytest

from android_app.build import build_runner, host_target
from tests.native.bench import Bench
from tests.support.app import build_standin


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


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """App and stand-in under ASan and UBSan; without gcc, which CI has, plainly."""
    sanitize = shutil.which("gcc") is not None
    if not sanitize and os.environ.get("CI"):
        pytest.fail("gcc is missing: CI runs the app under ASan")
    return build_standin(tmp_path_factory.mktemp("standin") / "standin", sanitize=sanitize)
