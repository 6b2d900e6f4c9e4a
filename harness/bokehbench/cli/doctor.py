"""`bokehbench doctor`: is everything here that a run needs, and if not, how to cure it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import click

from bokehbench.cli.connect import (
    Connection,
    connect,
    equip,
    local_root,
    runner_for,
    server_address,
)
from bokehbench.cli.options import adb_option, store_option
from bokehbench.cli.output import to_json
from bokehbench.errors import BokehbenchError, DeviceError
from bokehbench.phone.device import Device
from bokehbench.schedule import engine_for
from bokehbench.text import clean, counted

NEEDED_MIB = 64
"""Room for an engine, a runner, a small model and one batch of images."""

PROGRAMS = ("printf", "wc", "dd", "cat", "chmod", "mv", "rm", "mkdir", "find", "kill")


@dataclass(frozen=True)
class Check:
    """One question to the installation. `answer` returns what was found or raises."""

    name: str
    answer: Callable[[], str]
    needed: bool = True


@click.command("doctor")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="DEV",
    help="Check a device too.  [default: local]",
)
@click.option(
    "--app",
    "with_app",
    is_flag=True,
    help="Install the app on Android devices, to see what it can open beside the shell.",
)
@adb_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    devices: tuple[str, ...],
    with_app: bool,
    adb_server: str | None,
    store: str | None,
    as_json: bool,
) -> int:
    """Check this installation, the adb server, the store, and devices.

    Each line says what is there, or what to do. Of an Android device it tells which OpenCL and
    which engines a process of the shell can open and, where the app is installed, one of the app.
    Ends with exit code 4 when something that is needed is missing here, 3 when a device can't be
    used.
    """
    checks = [
        Check("python", lambda: sys.version.split()[0]),
        Check("runner", _runner),
        Check("engine", _engine),
        Check("gpu accelerator", _accelerator, needed=False),
        Check("store", lambda: _store(store)),
        Check("postgresql driver", _psycopg, needed=False),
        Check("adb server", lambda: _adb(adb_server), needed=False),
    ]
    results = [_ask(check) for check in checks]
    broken = any(row["state"] == "missing" for row in results)
    unusable = False
    for address in devices or ("local",):
        rows = _device_rows(address, adb_server, with_app=with_app)
        unusable |= any(row["state"] == "missing" for row in rows)
        results += rows
    if as_json:
        click.echo(to_json({"checks": results, "ok": not (broken or unusable)}), nl=False)
    else:
        for row in results:
            click.echo(f"{row['state']:<8} {row['name']:<18} {clean(row['text'])}")
    return 4 if broken else 3 if unusable else 0


def _device_rows(address: str, adb_server: str | None, *, with_app: bool) -> list[dict[str, str]]:
    """What a device has to have, asked in order; without a link the rest is not asked."""
    found: list[Connection] = []

    def link() -> str:
        connection = connect(address, None, adb_server)
        found.append(connection)
        facts = connection.device.facts
        return f"answers; {facts.platform} {facts.abi}, profile {connection.profile.name}"

    rows = [_ask(Check(f"device {address}", link))]
    if found:
        [connection] = found
        device = connection.device
        rows.append(_ask(Check("  its engine", lambda: _engine_for(connection))))
        rows.append(_ask(Check("  its folder", lambda: _folder(device))))
        rows.append(_ask(Check("  free space", lambda: _space(device))))
        rows.append(_ask(Check("  its programs", lambda: _programs(device))))
        if with_app or device.facts.platform == "android":
            rows += _library_rows(connection, with_app=with_app)
    return rows


def _library_rows(connection: Connection, *, with_app: bool) -> list[dict[str, str]]:
    from bokehbench.cli.doctor_libraries import library_rows
    from bokehbench.phone.app_install import require_apps

    if with_app:
        try:
            require_apps(connection.device)
        except BokehbenchError as error:
            return [{"name": "  app", "state": "absent", "text": str(error)}]
    return library_rows(connection, with_app=with_app)


def _ask(check: Check) -> dict[str, str]:
    try:
        return {"name": check.name, "state": "ok", "text": check.answer()}
    except BokehbenchError as error:
        state = "missing" if check.needed else "absent"
        return {"name": check.name, "state": state, "text": str(error)}


def _runner() -> str:
    from bokehbench.errors import EngineError
    from bokehbench.phone.local import LocalTransport
    from bokehbench.phone.transport import Deadline
    from bokehbench.runners.protocol import parse_events

    connection = connect("local", None)
    target, path = runner_for(connection.device)
    # The runner has to answer a wrong protocol with a refusal of its own, digest and all.
    result = LocalTransport(local_root()).run([str(path), "0"], deadline=Deadline.after(10))
    stream = parse_events(result.stdout)
    if stream.problem is not None or stream.error is None:
        raise EngineError(
            f"{path}: does not answer ({stream.problem}, exit code {result.exit_code}); "
            "reinstall with `pip install --force-reinstall .`"
        )
    return f"{target}, answers"


def _engine() -> str:
    connection = connect("local", None)
    engine = equip(connection, connection.profile.backends[0].engine, gpu=False)
    return f"{engine.name} {engine.version} ({engine.facts.library_sha256[:12]})"


def _accelerator() -> str:
    from bokehbench.errors import EngineError

    connection = connect("local", None)
    engine = equip(connection, engine_for(connection.profile, "gpu"), gpu=True)
    if not engine.accelerators:
        raise EngineError("the engine's wheel has no GPU accelerator for this machine")
    gpu = connection.device.facts.gpu
    if gpu is None:
        raise EngineError("this machine shows no GPU; `--backend gpu` tries all the same")
    return f"{engine.accelerators[0].name}, {gpu}"


def _engine_for(connection: Connection) -> str:
    target, _ = runner_for(connection.device)
    engine = equip(connection, connection.profile.backends[0].engine, gpu=False)
    return f"{engine.name} {engine.version}, runner {target}"


def _folder(device: Device) -> str:
    script = (
        'mkdir -p "$1" && d="$1/doctor.$$" && printf "#!/bin/sh\\necho runs\\n" > "$d" '
        '&& chmod 700 "$d" && "$d"; s=$?; rm -f "$d"; exit $s'
    )
    out = device.check_shell(
        "its folder can't be written or run programs; is it full, or mounted noexec?",
        script,
        device.transport.root,
    )
    return f"{device.transport.root}: writable, {out.strip()} programs"


def _space(device: Device) -> str:
    out = device.check_shell("free space", 'df -k "$1" | tail -n 1', device.transport.root)
    numbers = [int(word) for word in out.split() if word.isdigit()]
    # Filesystem, 1K-blocks, used, available: the third number on every df we met.
    free = numbers[2] / 1024 if len(numbers) >= 3 else 0.0
    if free < NEEDED_MIB:
        raise DeviceError(f"{free:.0f} MiB free; {NEEDED_MIB} MiB are needed: remove something")
    return f"{free:.0f} MiB"


def _programs(device: Device) -> str:
    """The programs that placing and cleaning up need, on the device's own PATH."""
    out = device.check_shell(
        "its programs",
        'for p in "$@"; do command -v "$p" >/dev/null 2>&1 || echo "$p"; done',
        *PROGRAMS,
    )
    if out.split():
        raise DeviceError(f"{', '.join(out.split())} missing; this device can't be used")
    return f"all there, hashes with {device.digest.program}"


def _adb(adb_server: str | None) -> str:
    from bokehbench.phone.server import AdbServer, list_devices, server_version

    host, port = server_address(adb_server)
    version = server_version(AdbServer(host, port))
    return f"{host}:{port}, version {version}, {len(list_devices(host, port))} devices"


def _store(url: str | None) -> str:
    from bokehbench.derive import derive
    from bokehbench.errors import NoStoreYet
    from bokehbench.store import open_store

    try:
        with open_store(url, readonly=True, derive=derive):
            pass
    except NoStoreYet as error:
        _see_room_for_store(url)
        return str(error)
    # One that is there is opened as a run does, which tells whether it can be written.
    with open_store(url, derive=derive) as opened:
        return f"{opened.name}, {counted(sum(1 for _ in opened.list()), 'record')}"


def _see_room_for_store(url: str | None) -> None:
    """See that a store could be made where there is none, without making it.

    Raises:
        StoreError: its folder is not there, or can't be written.
    """
    import tempfile

    from bokehbench.errors import StoreError
    from bokehbench.store import SqliteLocation, default_path, locate

    location = locate(url if url is not None else str(default_path()))
    if not isinstance(location, SqliteLocation):
        return
    folder = location.path.parent
    while url is None and not folder.exists():
        # The folder of the user's own store is made with it.
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StoreError(
            f"{location.name}: can't be made: {folder}: {error.strerror}; name a store in a folder "
            "that is there and yours"
        ) from error


def _psycopg() -> str:
    from importlib import metadata

    from bokehbench.errors import EngineError

    try:
        return metadata.version("psycopg")
    except metadata.PackageNotFoundError as error:
        raise EngineError(
            "not installed; `pip install '.[postgresql]'` in the checkout for --store postgresql://"
        ) from error
