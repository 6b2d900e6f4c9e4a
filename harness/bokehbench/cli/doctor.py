"""`bokehbench doctor`: is everything here that a run needs, and if not, how to cure it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import click

from bokehbench.cli.connect import connect, equip, local_root
from bokehbench.cli.options import store_option
from bokehbench.cli.output import clean, to_json
from bokehbench.errors import BokehbenchError


@dataclass(frozen=True)
class Check:
    """One question to the installation. `answer` returns what was found or raises."""

    name: str
    answer: Callable[[], str]
    needed: bool = True


@click.command("doctor")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(store: str | None, as_json: bool) -> int:
    """Check this installation: runner, engine, device `local`, store.

    Ends with exit code 4 when something needed is missing.
    """
    checks = [
        Check("python", lambda: sys.version.split()[0]),
        Check("runner", _runner),
        Check("engine", _engine),
        Check("device local", _device),
        Check("gpu accelerator", _accelerator, needed=False),
        Check("store", lambda: _store(store)),
        Check("postgresql driver", _psycopg, needed=False),
    ]
    results = [_ask(check) for check in checks]
    bad = any(row["state"] == "missing" for row in results)
    if as_json:
        click.echo(to_json({"checks": results, "ok": not bad}), nl=False)
    else:
        for row in results:
            click.echo(f"{row['state']:<8} {row['name']:<18} {clean(row['text'])}")
    return 4 if bad else 0


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
    _, (target, path) = equip(connection, gpu=False)
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
    engine, _ = equip(connect("local", None), gpu=False)
    return f"{engine.name} {engine.version} ({engine.facts.library_sha256[:12]})"


def _accelerator() -> str:
    from bokehbench.errors import EngineError

    connection = connect("local", None)
    engine, _ = equip(connection, gpu=True)
    if not engine.accelerators:
        raise EngineError("the engine's wheel has no GPU accelerator for this machine")
    gpu = connection.device.facts.gpu
    if gpu is None:
        raise EngineError("this machine shows no GPU; `--backend gpu` tries all the same")
    return f"{engine.accelerators[0].name}, {gpu}"


def _device() -> str:
    device = connect("local", None).device
    probe = 'd="$1/doctor.$$" && printf "#!/bin/sh\\necho runs\\n" > "$d" && chmod 700 "$d" && "$d"'
    out = device.check_shell(
        "its folder can't run programs (mounted noexec?); set XDG_CACHE_HOME elsewhere",
        f'{probe}; s=$?; rm -f "$d"; exit $s',
        device.transport.root,
    )
    return f"{device.transport.root}: writable, {out.strip()} programs"


def _store(url: str | None) -> str:
    from bokehbench.derive import derive
    from bokehbench.store import open_store

    with open_store(url, derive=derive) as opened:
        return f"{opened.name}, {sum(1 for _ in opened.list())} records"


def _psycopg() -> str:
    from importlib import metadata

    from bokehbench.errors import EngineError

    try:
        return metadata.version("psycopg")
    except metadata.PackageNotFoundError as error:
        raise EngineError(
            "not installed; `pip install 'bokehbench[postgresql]'` for --store postgresql://"
        ) from error
