"""`bokehbench apk install` and `uninstall`: the app on a device, beside what runs need."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bokehbench.cli.connect import reach
from bokehbench.cli.options import adb_option
from bokehbench.cli.output import note
from bokehbench.facts.app import PACKAGE

if TYPE_CHECKING:
    from bokehbench.phone.device import Device

device_option = click.option(
    "--device",
    "address",
    required=True,
    metavar="DEV",
    help="SERIAL, tcp:HOST:PORT or usb[:SERIAL].",
)


@click.command("install")
@click.argument("apk", type=click.Path(path_type=Path))
@device_option
@adb_option
def install(apk: Path, address: str, adb_server: str | None) -> None:
    """Install an APK that `build` wrote, unless these very bytes are on the device.

    `bokehbench run --launch app` does so by itself. A refusal names its cure.
    """
    from bokehbench.apk import check_apk
    from bokehbench.phone.app_control import App
    from bokehbench.phone.app_install import AppPackage

    checked = check_apk(apk)
    with _reached(address, adb_server) as device:
        app = App(device, AppPackage(checked.path, checked.sha256))
        done = "installed" if app.install(note) else "is there already"
        click.echo(f"{PACKAGE} {checked.sha256[:12]} {done} on {device.facts.address}")


@click.command("uninstall")
@device_option
@adb_option
def uninstall(address: str, adb_server: str | None) -> None:
    """Remove the app and its data from a device, whoever signed it."""
    from bokehbench.phone.app_control import App

    with _reached(address, adb_server) as device:
        done = "removed from" if App(device).uninstall() else "is not installed on"
        click.echo(f"{PACKAGE} {done} {device.facts.address}")


@contextlib.contextmanager
def _reached(address: str, adb_server: str | None) -> "Iterator[Device]":
    device = reach(address, adb_server)
    try:
        yield device
    finally:
        device.transport.close()
