"""Options that commands share, and the values they become."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

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

CHALLENGE = {"processes": 5, "warmups": 10, "runs": 64, "min_runs": 5, "max_seconds": 150.0}


@dataclass(frozen=True)
class Protocol:
    """What was said about repetition; None is "as the protocol says"."""

    quick: bool
    processes: int | None
    warmups: int | None
    runs: int | None
    min_runs: int | None
    max_seconds: float | None


def make_protocol(words: Protocol) -> "MeasurementProtocol":
    """`challenge`, or `quick` with one process, or `custom` where a number was changed."""
    from bokehbench.facts import MeasurementProtocol

    if words.quick and words.processes is not None:
        raise click.UsageError("--quick is one process; leave out --processes, or --quick")
    base = CHALLENGE | ({"processes": 1} if words.quick else {})
    given = {key: value for key in CHALLENGE if (value := getattr(words, key)) is not None}
    merged = base | given
    name = "quick" if words.quick else "challenge"
    return MeasurementProtocol(
        name=name if merged == base else "custom",
        processes=int(merged["processes"]),
        warmups=int(merged["warmups"]),
        runs=int(merged["runs"]),
        # A run count below the floor is the user's own floor.
        min_runs=int(min(merged["min_runs"], merged["runs"])),
        max_seconds=float(merged["max_seconds"]),
    )


def _finite(
    _context: click.Context, parameter: click.Parameter, value: float | None
) -> float | None:
    """click's ranges let NaN through."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("not a number", param=parameter)
    return value


def protocol_options(function: _F) -> _F:
    """How often what is run; arrives as `protocol`."""

    @click.option("--quick", is_flag=True, help="One process; never ranked.")
    @click.option("--processes", type=click.IntRange(1, 1000), help="Processes.  [default: 5]")
    @click.option("--warmups", type=click.IntRange(0, 100_000), help="Warm-ups.  [default: 10]")
    @click.option("--runs", type=click.IntRange(1, 100_000), help="Timed runs.  [default: 64]")
    @click.option(
        "--min-runs",
        type=click.IntRange(1, 100_000),
        help="Timed runs that the cap leaves.  [default: 5]",
    )
    @click.option(
        "--max-seconds",
        type=click.FloatRange(0.001, 86_400),
        callback=_finite,
        help="Cap on a process's runs.  [default: 150]",
    )
    @wraps(function)
    def with_protocol(
        *args: Any,
        quick: bool,
        processes: int | None,
        warmups: int | None,
        runs: int | None,
        min_runs: int | None,
        max_seconds: float | None,
        **kwargs: Any,
    ) -> Any:
        words = Protocol(quick, processes, warmups, runs, min_runs, max_seconds)
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
