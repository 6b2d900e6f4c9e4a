"""A rig of test devices: real adbd, real Android shell, real adb, and faults on demand."""

import os

import pytest

from tests.rig.device import TestDevice
from tests.rig.packages import RigMissing, host_arch
from tests.rig.proxy import FaultProxy
from tests.rig.sandbox import require
from tests.rig.server import AdbServer

__all__ = ["AdbServer", "FaultProxy", "RigMissing", "TestDevice", "require_rig"]


_missing: dict[str, RigMissing] = {}
"""What was found missing: a mirror that doesn't answer is asked only once."""


def require_rig(arch: str | None = None) -> None:
    """Skip the test when devices of that architecture can't be had; in CI fail it instead."""
    wanted = arch or host_arch()
    if wanted not in _missing:
        try:
            require(wanted)
            return
        except RigMissing as missing:
            _missing[wanted] = missing
    message = f"no test devices: {_missing[wanted]}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
