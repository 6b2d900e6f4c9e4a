"""Options that say on what a model runs, and the settings they become."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.cli.connect import Connection
    from bokehbench.facts import MeasurementProtocol
    from bokehbench.schedule import BackendRequest, LaunchRequest, Settings

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class BackendWords:
    """What was said about backends; None is "as the device's profile says"."""

    backend: "BackendRequest"
    engine: str | None
    precision: Literal["default", "fp16", "fp32", "both"]
    threads: int | None
    core_mask: str
    gpu_api: Literal["auto", "opencl", "opengl", "webgpu"]
    gpu_preference: Literal["fast_single_answer", "sustained_speed"]
    max_partitions: int
    gpu_cache: Literal["none", "cold", "warm", "both"]

    def about_gpu(self) -> list[str]:
        """What was said that nothing but a GPU heeds, as it was written."""
        said: list[tuple[str, object, object]] = [
            ("--precision", self.precision, "default"),
            ("--gpu-api", self.gpu_api, "auto"),
            ("--gpu-preference", self.gpu_preference, "fast_single_answer"),
            ("--max-partitions", self.max_partitions, 1),
            ("--gpu-cache", self.gpu_cache, "none"),
        ]
        return [f"{option} {value}" for option, value, usual in said if value != usual]


def see_gpu_words(words: BackendWords) -> None:
    """Refuse words about the GPU beside a backend that never is one.

    `auto` and `all` may be one on this device and none on the next, so both take the same words
    on every device; see `idle_gpu_words`.

    Raises:
        UsageError: one was given that would be of no effect.
    """
    if words.backend in ("auto", "all", "gpu"):
        return
    said = words.about_gpu()
    if words.backend == "nnapi":
        # NNAPI has an fp16 switch of its own.
        said = [word for word in said if not word.startswith("--precision")]
    if said:
        raise UsageError(
            f"{said[0]}: of no effect with --backend {words.backend}, it is about the GPU; leave "
            "it out, or give --backend gpu, auto or all"
        )


def idle_gpu_words(words: BackendWords, planned: Collection[str]) -> str | None:
    """What was said about the GPU where no record of the plan is for one, or None.

    Args:
        planned: backends of the plan's records.
    """
    said = words.about_gpu()
    if not said or {"gpu", "nnapi"} & set(planned):
        return None
    return f"{', '.join(said)}: of no effect here, nothing runs on a GPU"


def make_settings(
    words: BackendWords,
    connection: "Connection",
    protocol: "MeasurementProtocol",
    seed: int,
    sustained_seconds: float = 0.0,
    process_timeout_seconds: float | None = None,
    launch: "LaunchRequest" = "shell",
) -> "Settings":
    """What was said, met with a device.

    Raises:
        UsageError: the core mask is none, or names cores that the device doesn't have.
    """
    from bokehbench.schedule import GpuSettings, Settings

    return Settings(
        backend=words.backend,
        precision=words.precision,
        threads=words.threads or connection.profile.threads,
        core_mask=_core_mask(words.core_mask, connection.device.facts.cores),
        protocol=protocol,
        seed=seed,
        gpu=GpuSettings(
            backend=words.gpu_api,
            preference=words.gpu_preference,
            max_partitions=words.max_partitions,
            cache=words.gpu_cache,
        ),
        engine=words.engine,
        sustained_seconds=sustained_seconds,
        process_timeout_seconds=process_timeout_seconds,
        launch=launch,
    )


def _core_mask(text: str, cores: int | None) -> int:
    try:
        mask = int(text, 16)
    except ValueError:
        mask = -1
    if mask < 0:
        raise UsageError(f"--core-mask {text}: not a hexadecimal mask, such as f0")
    if mask >= 2**64:
        raise UsageError(f"--core-mask {text}: names cores above 63; give 16 digits at most")
    if cores is not None and mask >> cores:
        raise UsageError(f"--core-mask {text}: the device has {cores} cores")
    return mask


def backend_options(function: _F) -> _F:
    """On what a model runs; arrives as `backends`."""

    @click.option(
        "--backend",
        type=click.Choice(
            ["auto", "all", "gpu", "xnnpack", "cpu", "npu", "nnapi", "hexagon", "external"]
        ),
        default="auto",
        show_default=True,
        help="auto: the profile's order, the next one where one fails; all: gpu, xnnpack and cpu, "
        "one record of each. The last four are for --runner benchmark_model.",
    )
    @click.option(
        "--engine",
        type=click.Choice(["tflite", "litert"]),
        help="The inference library.  [default: profile's]",
    )
    @click.option(
        "--precision",
        type=click.Choice(["default", "fp16", "fp32", "both"]),
        default="default",
        show_default=True,
        help="Arithmetic of the GPU; both: one record of each. CPU backends have their own.",
    )
    @click.option(
        "--threads", type=click.IntRange(1, 256), help="CPU threads.  [default: profile's]"
    )
    @click.option("--core-mask", default="0", metavar="HEX", help="CPU cores to run on; 0 is any.")
    @click.option(
        "--gpu-api",
        type=click.Choice(["auto", "opencl", "opengl", "webgpu"]),
        default="auto",
        show_default=True,
        help="Force the delegate's interface of the GPU; another one then is a failure.",
    )
    @click.option(
        "--gpu-preference",
        type=click.Choice(["fast_single_answer", "sustained_speed"]),
        default="fast_single_answer",
        show_default=True,
        help="What the delegate tunes its kernels for.",
    )
    @click.option(
        "--max-partitions",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        help="Parts of a model that the delegate may take.",
    )
    @click.option(
        "--gpu-cache",
        type=click.Choice(["none", "cold", "warm", "both"]),
        default="none",
        show_default=True,
        help="Compiled kernels: not kept, removed before loading, used; both: cold, then warm.",
    )
    @wraps(function)
    def with_backends(
        *args: Any,
        backend: Any,
        engine: str | None,
        precision: Any,
        threads: int | None,
        core_mask: str,
        gpu_api: Any,
        gpu_preference: Any,
        max_partitions: int,
        gpu_cache: Any,
        **kwargs: Any,
    ) -> Any:
        words = BackendWords(
            backend=backend,
            engine=engine,
            precision=precision,
            threads=threads,
            core_mask=core_mask,
            gpu_api=gpu_api,
            gpu_preference=gpu_preference,
            max_partitions=max_partitions,
            gpu_cache=gpu_cache,
        )
        return function(*args, backends=words, **kwargs)

    return with_backends  # type: ignore[return-value]
