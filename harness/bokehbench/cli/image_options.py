"""Options of `run` about images: how they are scored, compared with this host's, and kept."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bokehbench.errors import BokehbenchError, UsageError

if TYPE_CHECKING:
    from bokehbench.facts import FidelityRules
    from bokehbench.session import HostMachine, ImageOptions

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ImageWords:
    """What was said about images; None is "as usual"."""

    protocol: str | None
    reference_images: int | None
    keep_outputs: Path | None


def image_options(function: _F) -> _F:
    """How images are scored and what else happens to them; arrives as `image_words`."""

    @click.option(
        "--fidelity-protocol",
        metavar="NAME|FILE",
        help="mai22, pynet, val294, ntire23, ntire23-max, or a TOML file.  [default: mai22]",
    )
    @click.option(
        "--reference-images",
        type=click.IntRange(0, 100_000),
        metavar="N",
        help="Images that this host's CPU runs too, to compare outputs; 0 is none.  [default: 3]",
    )
    @click.option(
        "--keep-outputs",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Keep the device's output images in DIR, a folder for each record.",
    )
    @wraps(function)
    def with_images(
        *args: Any,
        fidelity_protocol: str | None,
        reference_images: int | None,
        keep_outputs: Path | None,
        **kwargs: Any,
    ) -> Any:
        words = ImageWords(fidelity_protocol, reference_images, keep_outputs)
        return function(*args, image_words=words, **kwargs)

    return with_images  # type: ignore[return-value]


def make_rules(words: ImageWords) -> "FidelityRules":
    """The fidelity protocol that was asked for.

    Raises:
        UsageError: there is none of that name, or its file can't be used.
    """
    from bokehbench.fidelity.protocols import DEFAULT_PROTOCOL, find_protocol

    return find_protocol(words.protocol or DEFAULT_PROTOCOL)


def make_image_options(
    words: ImageWords, *, dataset: bool, fit: str | None = None
) -> "ImageOptions":
    """What happens to images beside being scored.

    Raises:
        UsageError: an option needs a dataset and there is none, or outputs can't be kept.
    """
    from bokehbench.session import ImageOptions

    if not dataset:
        for value, option in (
            (fit, "--fit"),
            (words.protocol, "--fidelity-protocol"),
            (words.reference_images, "--reference-images"),
            (words.keep_outputs, "--keep-outputs"),
        ):
            if value is not None:
                raise UsageError(f"{option}: is about images; give --dataset too")
    if words.keep_outputs is not None:
        _check_folder(words.keep_outputs)
    usual = ImageOptions()
    count = usual.host_images if words.reference_images is None else words.reference_images
    return ImageOptions(host_images=count, keep_outputs=words.keep_outputs)


def _check_folder(folder: Path) -> None:
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"--keep-outputs {folder}: can't be written: {error.strerror}; "
            "give a folder that is yours"
        ) from error


def host_machine() -> "HostMachine | None":
    """This machine as a place to run models beside a device; None where it can't be one."""
    import platform

    from bokehbench.cli.connect import local_root
    from bokehbench.engines import find_engine
    from bokehbench.fidelity.threads import usable_cores
    from bokehbench.phone.limited import LimitedTransport
    from bokehbench.phone.local import LocalTransport
    from bokehbench.runners import bundled_runner
    from bokehbench.session import HostMachine

    system, abi = platform.system().lower(), platform.machine()
    try:
        target, runner = bundled_runner(system, abi)
        engine = find_engine("litert", system, abi, gpu=False)
        transport = LimitedTransport(LocalTransport(local_root()))
    except BokehbenchError:
        return None
    return HostMachine(transport, engine, target, runner, usable_cores())
