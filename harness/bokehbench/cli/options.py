"""Options that commands share, and the values they become."""

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

if TYPE_CHECKING:
    from bokehbench.facts import MeasurementProtocol

_F = TypeVar("_F", bound=Callable[..., Any])

store_option = click.option(
    "--store",
    metavar="URL",
    envvar="BOKEHBENCH_STORE",
    help="Where records live: a SQLite file or postgresql://…  [default: the user's own file]",
)

score_option = click.option(
    "--score-backend",
    type=click.Choice(["gpu", "xnnpack", "cpu"]),
    default="gpu",
    show_default=True,
    help="Whose runtime the score takes; any but the challenge's GPU heads it 'Score (CPU)'.",
)

adb_option = click.option(
    "--adb-server",
    metavar="HOST:PORT",
    envvar="BOKEHBENCH_ADB_SERVER",
    help="The adb server for serials.  [default: 127.0.0.1:5037]",
)

PROFILE_VARIABLE = "BOKEHBENCH_PROFILE_DIR"

profile_dir_option = click.option(
    "--profile-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    envvar=PROFILE_VARIABLE,
    help="A folder of profiles that replace others of the same name.",
)


class FiniteRange(click.FloatRange):
    """A range of numbers that are numbers: click's own lets NaN through, and infinity."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Fails where it is none, not finite, or out of range."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number; give one.", param, ctx)
        return number


class Protocol(NamedTuple):
    """What was said about repetition; None is "as the protocol says"."""

    name: str | None
    quick: bool
    processes: int | None
    warmups: int | None
    runs: int | None
    min_runs: int | None
    max_seconds: float | None


def make_protocol(words: Protocol, default: str = "challenge") -> "MeasurementProtocol":
    """The protocol that was named, `custom` where a number of it was changed.

    Raises:
        UsageError: there is no such protocol, or its numbers don't go together.
    """
    from msgspec.structs import asdict, replace

    from bokehbench.schedule import protocols

    if words.quick and words.processes is not None:
        raise click.UsageError("--quick is one process; leave out --processes, or --quick")
    if words.quick and words.name is not None:
        raise click.UsageError("--quick is --protocol quick; leave out one of them")
    base = protocols.find("quick" if words.quick else words.name or default)
    numbers = ("processes", "warmups", "runs", "min_runs", "max_seconds")
    given = {key: value for key in numbers if (value := getattr(words, key)) is not None}
    changed = {key: value for key, value in given.items() if asdict(base)[key] != value}
    if not changed:
        return base
    merged = replace(base, name="custom", **changed)
    if words.min_runs is None:
        # A run count below the floor is the user's own floor.
        merged = replace(merged, min_runs=min(merged.min_runs, merged.runs))
    protocols.check(merged, "")
    return merged


def protocol_options(function: _F) -> _F:
    """How often what is run; arrives as `protocol`."""

    @click.option(
        "--protocol",
        "name",
        metavar="NAME|FILE",
        help="challenge, quick, ci, or a TOML file.  [default: challenge]",
    )
    @click.option("--quick", is_flag=True, help="--protocol quick: one process; never ranked.")
    @click.option(
        "--processes", type=click.IntRange(1, 1000), help="Processes.  [default: protocol's]"
    )
    @click.option(
        "--warmups", type=click.IntRange(0, 100_000), help="Warm-ups.  [default: protocol's]"
    )
    @click.option(
        "--runs", type=click.IntRange(1, 100_000), help="Timed runs.  [default: protocol's]"
    )
    @click.option(
        "--min-runs",
        type=click.IntRange(1, 100_000),
        help="Timed runs that the cap leaves.  [default: protocol's]",
    )
    @click.option(
        "--max-seconds",
        type=FiniteRange(0.001, 86_400),
        help="Cap on a process's runs.  [default: protocol's]",
    )
    @wraps(function)
    def with_protocol(
        *args: Any,
        name: str | None,
        quick: bool,
        processes: int | None,
        warmups: int | None,
        runs: int | None,
        min_runs: int | None,
        max_seconds: float | None,
        **kwargs: Any,
    ) -> Any:
        words = Protocol(name, quick, processes, warmups, runs, min_runs, max_seconds)
        return function(*args, protocol=words, **kwargs)

    return with_protocol  # type: ignore[return-value]


def io_options(function: _F) -> _F:
    """How images meet tensors; arrives as `io_flags` and `io_file`."""

    @click.option(
        "--io",
        "io_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="I/O spec (TOML).  [default: MODEL.io.toml beside the model]",
    )
    @click.option("--input-range", metavar="LOW,HIGH", help="Values of bytes 0 and 255.")
    @click.option("--output-range", metavar="LOW,HIGH", help="Values of bytes 0 and 255.")
    @click.option(
        "--channels", type=click.Choice(["rgb", "rgbd", "gray"]), help="Channels of the input."
    )
    @click.option("--input-size", type=float, metavar="S", help="Input height over the image's.")
    @click.option("--output-size", type=float, metavar="S", help="Output height over the image's.")
    @click.option(
        "--output-tensor", metavar="NAME", help="The output that is the image, by name or index."
    )
    @wraps(function)
    def with_io(
        *args: Any,
        input_range: str | None,
        output_range: str | None,
        channels: str | None,
        input_size: float | None,
        output_size: float | None,
        output_tensor: str | None,
        **kwargs: Any,
    ) -> Any:
        from bokehbench.model.iospec import IoFlags

        flags = IoFlags(
            input_range=input_range,
            output_range=output_range,
            channels=channels,
            input_size=input_size,
            output_size=output_size,
            output=output_tensor,
        )
        return function(*args, io_flags=flags, **kwargs)

    return with_io  # type: ignore[return-value]
