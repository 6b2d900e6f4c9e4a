"""How a process of the app ended, in Android's own words, and whether it ended at all."""

import time

from bokehbench.errors import DeviceError
from bokehbench.phone.app_control import App
from bokehbench.phone.transport import Deadline
from bokehbench.runners.app_protocol import exit_signal

EXIT_INFO_SECONDS = 2.0
"""Android notes how a process ended a moment later."""

AGAIN_SECONDS = 0.2


def exit_reason(app: App, pid: int) -> tuple[str, int | None] | None:
    """Android's reason, and the signal where one ended the process; None: it does not say."""
    until = Deadline.after(EXIT_INFO_SECONDS)
    while True:
        text = app.exit_info()
        told = exit_signal(text, pid)
        if told is not None or "ApplicationExitInfo" not in text or not until.remaining():
            return told
        time.sleep(AGAIN_SECONDS)


def outlives(app: App, pid: int) -> bool:
    """Whether the process is still there after its stream has ended: then the link broke."""
    until = Deadline.after(EXIT_INFO_SECONDS)
    try:
        # A driver may take its time to let go of a process that died.
        while app.device.shell('[ -d "/proc/$1" ]', str(pid)).exit_code == 0:
            if not until.remaining():
                return True
            time.sleep(AGAIN_SECONDS)
    except DeviceError:
        return True
    return False
