"""A command line with a private home."""

from pathlib import Path

import pytest

from tests.support.command import Command


@pytest.fixture
def bokehbench(tmp_path: Path) -> Command:
    """`bokehbench` in a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return Command(home)
