"""Start one device by hand: `python -m tests.rig [amd64|arm64]`."""

import contextlib
import signal
import sys

from tests.rig import TestDevice


def main() -> None:
    """Run a device until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with TestDevice(arch=sys.argv[1] if len(sys.argv) > 1 else None) as device:
        print(f"adb connect {device.address}", f"# /data is {device.data}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
