"""How images meet tensors: flags over the TOML file over the default, checked on the model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from bokehbench.errors import IoSpecError
from bokehbench.facts import InputSpec, IoSpec, ModelFacts, OutputSpec, TensorFacts
from bokehbench.facts.subject import Channels
from bokehbench.model.iocheck import (
    check_range,
    check_sizes,
    check_tensor,
    hint,
    listed,
    shape_text,
    toml_tensor,
)
from bokehbench.model.iofile import (
    CHANNELS,
    MAX_SIZE,
    SOURCES,
    Declared,
    IoFile,
    number_pair,
    read_io_file,
)

_CHANNELS_OF: Final = {count: name for name, count in CHANNELS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class IoFlags:
    """What the command line says about I/O; None where it says nothing.

    `input_range` and `output_range` are `LOW,HIGH`: the real values of bytes 0 and 255. `channels`
    is `rgb`, `rgbd` or `gray`. Sizes are a tensor's height over the image's. `output` is the
    name of the output tensor or its index from 0. Input flags need a model with one input.
    """

    input_range: str | None = None
    output_range: str | None = None
    channels: str | None = None
    input_size: float | None = None
    output_size: float | None = None
    output: str | int | None = None


def io_file_of(path_of_model: Path) -> Path:
    """Where the I/O spec of a model lies: `net.tflite` -> `net.io.toml`, in the same folder."""
    return path_of_model.with_name(f"{path_of_model.stem}.io.toml")


def resolve_io(
    model: ModelFacts,
    path_of_model: Path,
    *,
    file: Path | None = None,
    flags: IoFlags | None = None,
) -> IoSpec:
    """Says how the images of a pair become inputs and which output is the image.

    Flags win over the TOML file, the file over the default. The file is `file`, or the one
    beside the model when there is one (see `io_file_of`). The default takes a single NHWC
    input of 3 (rgb) or 4 (rgbd) channels and a single output of 3, range 0 to 1, size 1.
    `IoSpec.source` is `default`, `flags`, the file's name, or `flags, FILE`.

    Raises:
        IoSpecError: the file or a flag is wrong, the model needs a spec and has none, or
            the spec contradicts the model's shapes or types.
    """
    flags = flags or IoFlags()
    beside = io_file_of(path_of_model)
    if file is None and _exists(beside):
        file = beside
    written = read_io_file(file) if file is not None else None
    declared = _declared_inputs(model, written, beside)
    _check_flags(model, flags)
    chosen = [
        _input(model, index, model.inputs[index], entry, flags, beside) for index, entry in declared
    ]
    io = IoSpec(
        inputs=tuple(sorted(chosen, key=lambda spec: spec.tensor)),
        output=_output(model, written, flags, beside),
        source=_source(written, flags),
    )
    check_sizes(model, io)
    return io


def _exists(path: Path) -> bool:
    """False as well where the name is too long to exist."""
    try:
        return path.exists()
    except OSError:
        return False


def _source(written: IoFile | None, flags: IoFlags) -> str:
    parts = ["flags"] if flags != IoFlags() else []
    if written is not None:
        parts.append(written.path.name)
    return ", ".join(parts) or "default"


def _index(tensors: tuple[TensorFacts, ...], wanted: str | int, where: str) -> int:
    """The place of a tensor given by name or index."""
    names = [tensor.name for tensor in tensors]
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    if isinstance(wanted, int) and 0 <= wanted < len(tensors):
        return wanted
    raise IoSpecError(f"{where}: no tensor {str(wanted)[:80]!r}; there are {listed(tensors)}")


def _declared_inputs(
    model: ModelFacts, written: IoFile | None, beside: Path
) -> list[tuple[int, Declared]]:
    """One entry per input of the model: its index and what the file says of it."""
    tensors = model.inputs
    entries = written.inputs if written is not None else ()
    if not entries:
        if len(tensors) == 1:
            return [(0, Declared(model.file_name))]
        raise IoSpecError(
            f"{model.file_name}: {len(tensors)} inputs ({listed(tensors)}) and no [[inputs]] that "
            f"says which image feeds which; {hint(beside, tensors, len(tensors) - 1)}"
        )
    found: dict[int, Declared] = {}
    for entry in entries:
        if entry.tensor is None and len(tensors) > 1:
            raise IoSpecError(f"{entry.where}: no tensor is named; there are {listed(tensors)}")
        index = _index(tensors, entry.tensor or 0, entry.where)
        if index in found:
            raise IoSpecError(f"{entry.where}: input {index} is given twice; remove one")
        found[index] = entry
    for index, tensor in enumerate(tensors):
        if index not in found:
            raise IoSpecError(
                f"{entries[0].where}: nothing is said about input {index} "
                f"{tensor.name[:60]!r}; {hint(beside, tensors, index)}"
            )
    return list(found.items())


def _check_flags(model: ModelFacts, flags: IoFlags) -> None:
    given = {
        "--input-range": flags.input_range,
        "--channels": flags.channels,
        "--input-size": flags.input_size,
    }
    for flag, value in given.items():
        if value is not None and len(model.inputs) > 1:
            raise IoSpecError(
                f"{flag}: {model.file_name} has {len(model.inputs)} inputs; write it in .io.toml"
            )
    if flags.channels is not None and flags.channels not in CHANNELS:
        raise IoSpecError(f"--channels: {flags.channels!r} is not one of {', '.join(CHANNELS)}")
    for flag, size in (("--input-size", flags.input_size), ("--output-size", flags.output_size)):
        if size is not None and not 0 < size <= MAX_SIZE:
            raise IoSpecError(f"{flag}: {size} is not a number above 0, up to {MAX_SIZE:g}")


def _input(
    model: ModelFacts,
    index: int,
    tensor: TensorFacts,
    entry: Declared,
    flags: IoFlags,
    beside: Path,
) -> InputSpec:
    where = f"{model.file_name}: input {index} {tensor.name[:60]!r}"
    check_tensor(tensor, where)
    channels = flags.channels or entry.channels
    held = tensor.shape[3]
    if channels is None and entry.source is None and held not in (-1, 3, 4):
        raise IoSpecError(
            f"{where} is {shape_text(tensor)}, neither 3 (rgb) nor 4 (rgbd) channels; "
            f"{hint(beside, model.inputs, index)}"
        )
    channels = channels or _CHANNELS_OF.get(held)
    if channels is None:
        raise IoSpecError(
            f"{where} is {shape_text(tensor)}, which does not say its channels; "
            f"add `channels` ({', '.join(CHANNELS)}) to {beside.name} or give --channels"
        )
    if held not in (-1, CHANNELS[channels]):
        raise IoSpecError(
            f"{where} is {shape_text(tensor)}, but channels {channels} are {CHANNELS[channels]}; "
            "correct `channels`, or convert the model again"
        )
    source = entry.source or SOURCES[0]
    if channels == "rgbd" and source != SOURCES[0]:
        raise IoSpecError(f'{entry.where}: rgbd takes its depth by itself; use source = "original"')
    span = (
        number_pair(flags.input_range, "--input-range")
        if flags.input_range is not None
        else entry.range or (0.0, 1.0)
    )
    check_range(tensor, span, where, "--input-range")
    return InputSpec(
        tensor=index,
        source=source,
        channels=cast(Channels, channels),
        range=span,
        size=flags.input_size or entry.size or 1.0,
    )


def _output(model: ModelFacts, written: IoFile | None, flags: IoFlags, beside: Path) -> OutputSpec:
    tensors = model.outputs
    entry = written.output if written is not None else Declared(model.file_name)
    wanted: Any = entry.tensor if flags.output is None else flags.output
    where = entry.where if flags.output is None else "--output-tensor"
    if wanted is None and len(tensors) > 1:
        raise IoSpecError(
            f"{model.file_name}: {len(tensors)} outputs ({listed(tensors)}), and nothing says "
            f"which is the image; write to {beside.name} `[output]`, `{toml_tensor(tensors, 0)}`, "
            "or give --output-tensor"
        )
    names = {tensor.name for tensor in tensors}
    if isinstance(flags.output, str) and flags.output not in names and flags.output.isdecimal():
        wanted = int(flags.output[:9])
    index = _index(tensors, wanted or 0, where)
    tensor = tensors[index]
    where = f"{model.file_name}: output {index} {tensor.name[:60]!r}"
    check_tensor(tensor, where)
    if tensor.shape[3] not in (-1, 3):
        raise IoSpecError(
            f"{where} is {shape_text(tensor)}, not an image of 3 channels; "
            "choose another with --output-tensor"
        )
    span = (
        number_pair(flags.output_range, "--output-range")
        if flags.output_range is not None
        else entry.range or (0.0, 1.0)
    )
    check_range(tensor, span, where, "--output-range")
    return OutputSpec(tensor=index, range=span, size=flags.output_size or entry.size or 1.0)
