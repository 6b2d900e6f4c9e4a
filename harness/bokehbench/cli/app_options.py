"""`--launch`: processes of the device's shell, of an app on it, or both side by side."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from bokehbench.cli.against import Against
    from bokehbench.cli.connect import Connection
    from bokehbench.engines import Engine
    from bokehbench.facts import Record
    from bokehbench.phone.app_install import AppPackage
    from bokehbench.schedule import LaunchRequest

KEY_VARIABLE = "BOKEHBENCH_APK_KEY"
COMPARED = ("launch", "runner")
"""What differs between the shell's record and the app's because it is what is compared."""

_F = TypeVar("_F", bound=Callable[..., Any])


def launch_option(function: _F) -> _F:
    """How processes are started; arrives as `launch`."""
    return click.option(
        "--launch",
        type=click.Choice(["shell", "app", "both"]),
        default="shell",
        show_default=True,
        help="Processes of the device's shell, of an app that is installed there, or both in "
        "turns, with the ratio; both: protocol ci by default.",
    )(function)


def see_launch(launch: "LaunchRequest", *, with_tool: bool, against: bool) -> None:
    """Refuse what does not go together, before any device is asked.

    Raises:
        UsageError: the app runs our runner alone, and one comparison is made at a time.
    """
    if launch == "shell":
        return
    if with_tool:
        raise UsageError(
            f"--launch {launch}: the app holds bokehbench's own runner; --runner benchmark_model "
            "runs in the shell alone"
        )
    if launch == "both" and against:
        raise UsageError(
            "--launch both: compares the app with the shell, --against two models; give one of them"
        )


def see_apps(connections: "Sequence[Connection]") -> None:
    """Refuse devices without apps, before anything is installed for them.

    Raises:
        UsageError: one of them is this machine, or no Android.
    """
    from bokehbench.phone.app_install import require_apps

    for connection in connections:
        require_apps(connection.device)


def app_for(connection: "Connection", engines: "Mapping[str, Engine]") -> "AppPackage":
    """The APK for a device around these engines, made anew: the same engines give the same bytes.

    Raises:
        UsageError: there are no apps on that device.
        ApkError: the libraries fit not, or the key can't be used.
        EngineError: this installation holds no native part for that ABI.
    """
    from bokehbench.apk import build_apk, bundled_app_library, load_key, require_abi
    from bokehbench.phone.app_install import AppPackage, require_apps

    require_apps(connection.device)
    abi = connection.device.facts.abi
    require_abi(abi)
    libraries = [path for e in engines.values() for path in (e.library, *e.accelerators)]
    made = build_apk(
        # A name of its own: another run may be making another one at the same time.
        _folder() / f"{abi}.{os.getpid()}.part",
        abi=abi,
        app_library=bundled_app_library(abi),
        engine_libraries=list(dict.fromkeys(libraries)),
        key=load_key(key_path()),
    )
    path = made.path.with_name(f"{made.sha256}.apk")
    made.path.replace(path)
    _forget_others(path)
    return AppPackage(path, made.sha256)


def key_path() -> "Path | None":
    """The signing key that the environment names, or None for the user's own."""
    from pathlib import Path

    named = os.environ.get(KEY_VARIABLE)
    return Path(named) if named else None


def _folder() -> "Path":
    import platformdirs

    folder = platformdirs.user_cache_path("bokehbench") / "apk"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: can't be made: {error.strerror}; set XDG_CACHE_HOME to a folder of yours"
        ) from error
    return folder


def _forget_others(path: "Path", keep: int = 8) -> None:
    """Keep the newest few: each is as large as its engines."""
    made = []
    for other in path.parent.glob("*.apk"):
        # Another run may forget it at the same time.
        with contextlib.suppress(FileNotFoundError):
            made.append((other.stat().st_mtime, other))
    for _, old in sorted(made, reverse=True)[keep:]:
        old.unlink(missing_ok=True)


def app_beside_shell(records: "Sequence[Record]") -> "Against":
    """Compare the app's record with the shell's, for every model, device, backend, precision."""
    from bokehbench.cli.against import Against
    from bokehbench.cli.compare import compared, comparison_json, describe
    from bokehbench.text import clean

    found = Against()
    groups: dict[tuple[str, ...], dict[str, Record]] = {}
    for record in records:
        evidence = record.evidence
        key = (
            evidence.label or evidence.model.name,
            evidence.model.sha256,
            evidence.device.device_id,
            evidence.engine.name,
            evidence.backend,
            evidence.precision,
        )
        groups.setdefault(key, {})[evidence.launch] = record
    for (name, _, device, engine, backend, precision), group in groups.items():
        where = f"{name}: app against shell, {backend} of {engine} on {device}, {precision}"
        if not {"shell", "app"} <= set(group):
            found.refuse(f"{where}: not both were measured")
            continue
        try:
            comparison = compared(group["shell"], group["app"], COMPARED)
        except UsageError as error:
            found.refuse(f"{where}: {error}")
            continue
        document = comparison_json(comparison)
        found.documents.append({**document, "first_launch": "shell", "second_launch": "app"})
        lines = [clean(where), ratio_text(comparison), describe(comparison)]
        found.texts.append("\n".join(lines))
    return found


def ratio_text(comparison: Any) -> str:
    """The one number that `both` is for."""
    interval = ""
    if comparison.interval is not None:
        low, high = comparison.interval
        interval = f" [{low:.3f}, {high:.3f}] ({comparison.level:.1%})"
    return f"app / shell {comparison.ratio:.3f}{interval}"
