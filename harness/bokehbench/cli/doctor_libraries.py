"""What `bokehbench doctor` says of OpenCL and the engines, as the shell and the app see them."""

import posixpath
from typing import TYPE_CHECKING

from bokehbench.cli.app_options import app_for
from bokehbench.cli.connect import Connection, equip, runner_for
from bokehbench.cli.output import note
from bokehbench.errors import BokehbenchError, DeviceError
from bokehbench.facts.app import PACKAGE

if TYPE_CHECKING:
    from bokehbench.engines import Engine
    from bokehbench.phone.app_probe import Seen
    from bokehbench.phone.device import Placed

NOT_ASKED = f"{PACKAGE} is not installed; `doctor --app` installs it and looks"


def library_rows(connection: Connection, *, with_app: bool) -> list[dict[str, str]]:
    """A row for each library: whether a process of the shell, and one of the app, can open it.

    The app is asked where it is installed; `with_app` has it installed first.
    """
    from bokehbench.phone.app_probe import libraries_to_ask, seen_by_shell

    device = connection.device
    engines = _engines(connection)
    try:
        runner, libraries = _placed(connection, engines)
        names = libraries_to_ask(device, libraries)
        folders = list(dict.fromkeys(posixpath.dirname(path) for path in libraries))
        shell = seen_by_shell(device, runner, names, folders)
    except BokehbenchError as error:
        return [_row("  libraries, shell", "absent", str(error))]
    app: list[Seen] = []
    rows = []
    try:
        app = _asked_app(connection, engines, names, with_app=with_app)
    except BokehbenchError as error:
        rows.append(_row("  app", "absent", str(error)))
    for number, seen in enumerate(shell):
        texts = [_told("shell", seen), *([_told("app", app[number])] if app else [])]
        all_loaded = bool(seen.loaded) and (not app or app[number].loaded)
        name = seen.name if not seen.name.startswith("/data/") else posixpath.basename(seen.name)
        rows.append(_row(f"  {name}", "ok" if all_loaded else "absent", "; ".join(texts)))
    return rows


def _asked_app(
    connection: Connection, engines: "dict[str, Engine]", names: list[str], *, with_app: bool
) -> "list[Seen]":
    from bokehbench.phone.app_control import App
    from bokehbench.phone.app_probe import seen_by_app

    app = App(connection.device, app_for(connection, engines) if with_app else None)
    if with_app:
        app.install(note)
    elif app.installed_sha256() is None:
        raise DeviceError(NOT_ASKED)
    return seen_by_app(app, names)


def _engines(connection: Connection) -> "dict[str, Engine]":
    """The engines that the profile names, as far as they are installed here."""
    found = {}
    for choice in connection.profile.backends:
        gpu = any(c.name == "gpu" for c in connection.profile.backends if c.engine == choice.engine)
        try:
            found[choice.engine] = equip(connection, choice.engine, gpu=gpu)
        except BokehbenchError:
            # `its engine` says so already.
            continue
    return found


def _placed(connection: Connection, engines: "dict[str, Engine]") -> "tuple[Placed, list[str]]":
    """Runner and engines on the device, by content, as a run places them."""
    from bokehbench.engines import file_sha256

    device = connection.device
    _, path = runner_for(device)
    runner = device.place(
        path, name="runner", sha256=file_sha256(path), executable=True, verify=False
    )
    files = [file for e in engines.values() for file in (e.library, *e.accelerators)]
    placed = [
        device.place(file, name=file.name, sha256=file_sha256(file), verify=False).path
        for file in dict.fromkeys(files)
    ]
    return runner, placed


def _told(who: str, seen: "Seen") -> str:
    if seen.loaded is None:
        return f"{who} can't be asked: {seen.text}"
    if seen.loaded:
        return f"{who} opens it{f' ({seen.text})' if seen.text else ''}"
    return f"{who} can't: {seen.text}"


def _row(name: str, state: str, text: str) -> dict[str, str]:
    return {"name": name, "state": state, "text": text}
