"""Devices and a server for the rig's own tests."""

from collections.abc import Iterator

import pytest

from tests.rig import AdbServer, TestDevice, require_rig


@pytest.fixture(scope="module")
def rig() -> None:
    """Skips what needs devices where there can't be any."""
    require_rig()


@pytest.fixture(scope="module")
def device() -> Iterator[TestDevice]:
    """A device that the tests of a module share."""
    require_rig()
    with TestDevice() as started:
        yield started


@pytest.fixture
def own() -> Iterator[TestDevice]:
    """A device for one test alone."""
    require_rig()
    with TestDevice() as started:
        yield started


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    """An adb server that the tests of a module share."""
    require_rig()
    with AdbServer() as started:
        yield started
