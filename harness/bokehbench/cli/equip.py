"""A request met with a device: its runner, engines and app; links and stores that get closed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bokehbench.cli.app_options import app_for
from bokehbench.cli.connect import Connection, equip_all, runner_for
from bokehbench.cli.image_options import host_machine
from bokehbench.cli.tool_options import TOOL, tool_for

if TYPE_CHECKING:
    from bokehbench.session import Prepared, RunRequest
    from bokehbench.store import Store


def equipped(
    connection: Connection,
    request: "RunRequest",
    new_id: Callable[[], str] | None = None,
    *,
    may_install: bool = True,
) -> "Prepared":
    """A request met with a device, its runner and its engines, installed where they are missing."""
    from bokehbench.engines import Engine
    from bokehbench.schedule import choose_backends
    from bokehbench.session import new_id as fresh_id
    from bokehbench.session import prepare

    device, profile = connection.device, connection.profile
    settings = request.settings
    if request.tool is not None:
        program = tool_for(connection, request.tool.path, may_install=may_install)
        engines: dict[str, Engine] = {TOOL: Engine(TOOL, program.version, program.path, ())}
        missing: dict[str, str] = {}
        runner = f"{device.facts.platform}-{device.facts.abi}", program.path
    else:
        choices, _ = choose_backends(settings, profile, device.facts.gpu)
        engines, missing = equip_all(
            connection, choices, optional=settings.backend == "auto", may_install=may_install
        )
        runner = runner_for(device)
    wanted = request.dataset is not None and request.images.host_images > 0
    host = host_machine() if wanted else None
    # A dry run makes no file either.
    app = app_for(connection, engines) if settings.launch != "shell" and may_install else None
    return prepare(
        request, device, profile, engines, runner, missing, new_id or fresh_id, host, app
    )


@contextmanager
def closing_all(devices: "Sequence[Prepared]") -> Iterator[None]:
    """Let go of the links at the end, so that a phone is not left with a dead session."""
    try:
        yield
    finally:
        for prepared in devices:
            prepared.device.transport.close()


def open_for_writing(store: str | None) -> "Store":
    """The store of a command that writes records."""
    from bokehbench.derive import derive
    from bokehbench.store import open_store

    return open_store(store, derive=derive)
