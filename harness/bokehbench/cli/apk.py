"""`bokehbench apk`: the app as an APK for Android devices, the key it is signed with, a check."""

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from bokehbench.cli.apk_device import install, uninstall
from bokehbench.cli.app_options import KEY_VARIABLE
from bokehbench.cli.downloads import ROOT_VARIABLE, engines_root
from bokehbench.cli.output import Sink, note, to_json
from bokehbench.errors import UsageError
from bokehbench.facts.app import ABIS, PACKAGE
from bokehbench.text import clean

KIB, MIB = 2**10, 2**20
PAGE_BYTES = 16 * KIB
"""The largest pages of today's devices."""

key_option = click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar=KEY_VARIABLE,
    help="PEM file with an RSA key, its certificate optional.  [default: the user's own key]",
)
json_option = click.option("--json", "json_target", metavar="PATH|-", help="Write JSON.")


@click.group("apk")
def command() -> None:
    """Build the app that runs models inside an Android app, beside the shell.

    No Android SDK, Gradle or Java is needed: the APK is written, aligned and signed here, around
    the engine's libraries, which an app can load from nowhere else.
    """


@command.command("build")
@click.option(
    "--abi",
    default=ABIS[0],
    show_default=True,
    metavar="ABI",
    help=f"The device's ABI: {' or '.join(ABIS)}.",
)
@click.option(
    "--engine",
    type=click.Choice(["tflite", "litert"]),
    help="The installed engine that goes in.  [default: tflite]",
)
@click.option(
    "--engine-files",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An engine library of yours in place of an installed one; again for more.",
)
@click.option(
    "--engines",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    envvar=ROOT_VARIABLE,
    help="Where engines are kept.  [default: the user's own cache]",
)
@click.option(
    "--app-library",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Another build of the app's native part, as from the NDK.  [default: the one shipped]",
)
@click.option(
    "-o",
    "--out",
    "out_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the APK goes.  [default: bokehbench-ABI.apk]",
)
@key_option
@json_option
def build(
    abi: str,
    engine: str | None,
    files: tuple[Path, ...],
    folder: Path | None,
    app_library: Path | None,
    out_path: Path | None,
    key_path: Path | None,
    json_target: str | None,
) -> None:
    """Write an APK with an engine's libraries, aligned and signed.

    The same libraries and key give the same bytes, on every machine.
    """
    from bokehbench.apk import build_apk, bundled_app_library, load_key, require_abi

    if engine and files:
        raise UsageError("--engine and --engine-files: give one of them")
    require_abi(abi)
    out = out_path or Path(f"bokehbench-{abi}.apk")
    native = app_library or bundled_app_library(abi)
    name, version = "files", ""
    if not files:
        from bokehbench.engines import find_engine

        name = engine or "tflite"
        found = find_engine(name, "android", abi, gpu=True, root=folder or engines_root())
        files, version = (found.library, *found.accelerators), found.version
    _see_apart({"--out": str(out), "--json": json_target}, key_path)
    with _sink(json_target) as sink:
        key = load_key(key_path)
        made = build_apk(out, abi=abi, app_library=native, engine_libraries=files, key=key)
        for library in made.libraries:
            if library.align_bytes < PAGE_BYTES:
                note(
                    f"warning: {library.name}: built for pages of {library.align_bytes // KIB} KiB;"
                    " a device with pages of 16 KiB may refuse to load it"
                )
        document = {
            "path": str(made.path),
            "package": PACKAGE,
            "abi": made.abi,
            "engine": name,
            "engine_version": version or None,
            "sha256": made.sha256,
            "size_bytes": made.size_bytes,
            "version_code": made.version_code,
            "version_name": made.version_name,
            "key": str(key.path),
            "cert_sha256": made.cert_sha256,
            "libraries": [dataclasses.asdict(library) for library in made.libraries],
        }
        lines = [
            f"{made.path}: {PACKAGE} {made.version_name} for {made.abi}, "
            f"{made.size_bytes / MIB:.1f} MiB",
            f"  {'sha256':<12} {made.sha256}",
            f"  {'certificate':<12} {made.cert_sha256}",
            *(f"  {'library':<12} {lib.name}, sha256 {lib.sha256}" for lib in made.libraries),
        ]
        _answer(sink, document, lines)


@command.command("key")
@key_option
@click.option("--create", is_flag=True, help="Make a new key in FILE of --key.")
@click.option(
    "--certificate",
    "certificate_target",
    metavar="PATH|-",
    help="Write the certificate, which is no secret, as PEM.",
)
@json_option
def show_key(
    key_path: Path | None, create: bool, certificate_target: str | None, json_target: str | None
) -> None:
    """Show which key signs, by the fingerprint of its certificate.

    The user's own key is made on first use, readable by the user alone. Copy its file to have
    another machine sign alike: Android updates an installed app only with the same key.
    """
    from bokehbench.apk import create_key, load_key

    if create and key_path is None:
        raise UsageError("--create: name the new file with --key; your own key is made by itself")
    if certificate_target == "-" and json_target == "-":
        raise UsageError("--json - and --certificate -: only one can go to standard output")
    _see_apart({"--json": json_target, "--certificate": certificate_target}, key_path)
    if create and key_path is not None and key_path.exists():
        raise UsageError(f"--create: {key_path} exists already; name a new file")
    with _sink(json_target) as sink, _sink(certificate_target, "--certificate") as pem:
        key = create_key(key_path) if create and key_path else load_key(key_path)
        if pem is not None:
            pem.write(key.certificate_pem)
        if pem is not None and pem.is_screen:
            return
        document = {
            "path": str(key.path),
            "bits": key.private.key_size,
            "cert_sha256": key.cert_sha256,
            "subject": key.certificate.subject.rfc4514_string(),
        }
        lines = [
            f"{key.path}: RSA of {key.private.key_size} bits",
            f"  {'certificate':<12} {key.cert_sha256}",
            f"  {'subject':<12} {document['subject']}",
        ]
        _answer(sink, document, lines)


@command.command("check")
@click.argument("apk", type=click.Path(path_type=Path))
@json_option
def check(apk: Path, json_target: str | None) -> None:
    """Check an APK that `build` wrote: both signatures, every byte, where libraries lie."""
    from bokehbench.apk import check_apk

    with _sink(json_target) as sink:
        found = check_apk(apk)
        schemes = [f"v{scheme}" for scheme in found.schemes]
        document = {
            "path": str(found.path),
            "sha256": found.sha256,
            "size_bytes": found.size_bytes,
            "schemes": schemes,
            "cert_sha256": found.cert_sha256,
            "libraries": [
                {"name": name, "sha256": sha256} for name, sha256 in found.libraries.items()
            ],
        }
        lines = [
            f"{found.path}: whole, signed with {' and '.join(schemes)}",
            f"  {'sha256':<12} {found.sha256}",
            f"  {'certificate':<12} {found.cert_sha256}",
            *(f"  {'library':<12} {n}, sha256 {sha}" for n, sha in found.libraries.items()),
        ]
        _answer(sink, document, lines)


command.add_command(install)
command.add_command(uninstall)


def _see_apart(targets: Mapping[str, str | None], key_path: Path | None) -> None:
    """Refuse to write over the key, also over one that is still to be made, or twice into a file.

    Raises:
        UsageError: it names the option.
    """
    from bokehbench.apk import default_key_path

    taken = {os.path.realpath(key_path or default_key_path()): "the signing key is there"}
    for option, target in targets.items():
        goal = os.path.realpath(target or "-")
        # A pipe or a device takes all that comes.
        if target in (None, "-") or (Path(goal).exists() and not Path(goal).is_file()):
            continue
        if goal in taken:
            raise UsageError(f"{option} {target}: {taken[goal]}; give another file")
        taken[goal] = f"{option} goes there as well"


def _sink(target: str | None, option: str = "--json") -> AbstractContextManager[Sink | None]:
    return Sink(target, option) if target else contextlib.nullcontext()


def _answer(sink: Sink | None, document: dict[str, Any], lines: list[str]) -> None:
    """The document where it was asked for, and lines for people where that leaves room."""
    if sink is not None:
        sink.write(to_json(document))
    if sink is None or not sink.is_screen:
        for line in lines:
            click.echo(clean(line))
