"""One TrialSpec on a Device by one of Google's benchmark tools -> Trial."""

import hashlib
import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from bokehbench.facts import Failure, Trial, TrialSpec
from bokehbench.model.fit import scaled
from bokehbench.phone.launcher import Bench, OnOutput, push, verify, work
from bokehbench.phone.tool_process import Ended, run_process
from bokehbench.phone.transport import Deadline
from bokehbench.runners.benchmark_model import TOOL, CantRun, ToolPaths
from bokehbench.runners.benchmark_model.tensors import element_bytes, from_tensor, to_tensor
from bokehbench.runners.protocol import OutputEvent


def run_tool_timed(bench: Bench, spec: TrialSpec) -> Trial:
    """Run one timed process; the tool makes up its own input.

    Raises:
        DeviceError: the work folder could not be made, or what was written did not come whole.
    """
    with work(bench, spec) as folder:
        trial = run_process(bench, spec, folder, ToolPaths()).trial
        if bench.sampler is not None:
            trial = replace(trial, series=bench.sampler.collect(folder))
        return trial


def run_tool_images(
    bench: Bench,
    spec: TrialSpec,
    images: Mapping[int, Sequence[bytes | memoryview]],
    on_output: OnOutput,
) -> Trial:
    """Run one process for each image of a batch; the first that fails ends it.

    Args:
        images: raw uint8 elements of every input tensor, by the image's index.
        on_output: called for every output with its event and a host file that holds its bytes
            in the bench's format; the file is gone when the call returns.

    Raises:
        DeviceError: inputs could not be put on the device, or outputs did not come whole.
    """
    until = Deadline.after(spec.deadline_seconds)
    logs: list[bytes] = []
    done: list[Trial] = []
    with work(bench, spec) as folder, tempfile.TemporaryDirectory(prefix="bokehbench-") as host:
        for index in spec.items:
            paths = _put_inputs(bench, folder, index, images[index])
            # A fresh process for each: the tool takes one input.
            own = replace(
                spec, warmups=0, runs=1, min_runs=1, deadline_seconds=max(1.0, until.remaining())
            )
            ended = run_process(bench, own, folder, paths)
            logs.append(ended.log)
            trial = ended.trial
            if trial.status == "ok":
                try:
                    _take(bench, spec, index, ended, Path(host), on_output)
                except CantRun as error:
                    failure = Failure(kind=error.kind, message=str(error))
                    trial = replace(trial, status="failed", failure=failure)
            done.append(trial)
            if trial.status != "ok":
                break
    return _together(bench, spec, done, b"\n".join(logs))


def _put_inputs(
    bench: Bench, folder: str, index: int, tensors: Sequence[bytes | memoryview]
) -> ToolPaths:
    """One image's inputs as the tensors' own bytes, and the names of files for the process."""
    ranges = {entry.tensor: entry.range for entry in bench.io.inputs}
    digests: dict[str, str] = {}
    for number, (data, tensor) in enumerate(zip(tensors, bench.model.inputs, strict=True)):
        name = f"{index}.{number}.in"
        raw = to_tensor(data, tensor, ranges[number])
        push(bench, raw, posixpath.join(folder, name))
        digests[name] = bench.device.digest.of(raw)
    verify(bench, folder, digests)
    return ToolPaths(
        inputs=tuple(posixpath.join(folder, name) for name in digests),
        output=posixpath.join(folder, f"{index}.out"),
    )


def _take(
    bench: Bench, spec: TrialSpec, index: int, ended: Ended, host: Path, on_output: OnOutput
) -> None:
    """One output, converted as our runner converts its own, handed on.

    Raises:
        CantRun: the tool wrote no output, or one that is not the image.
    """
    shape = _image_shape(bench, spec)
    raw = _image_bytes(bench, ended.output, shape)
    tensor, value_range = bench.model.outputs[bench.io.output.tensor], bench.io.output.range
    made = from_tensor(raw, tensor, value_range, rounding=bench.rounding, wanted=bench.image_format)
    aggregate = ended.trial.aggregate
    assert aggregate is not None
    target = host / f"{index}.out"
    target.write_bytes(made.data)
    try:
        on_output(
            OutputEvent(
                index=index,
                path=None,
                sha256=hashlib.sha256(made.data).hexdigest(),
                size_bytes=len(made.data),
                shape=shape,
                dtype=bench.image_format,
                input_ns=None,
                invoke_ns=aggregate.avg_ns,
                output_ns=None,
                nonfinite=made.nonfinite,
                low=made.low,
                high=made.high,
            ),
            target,
        )
    finally:
        target.unlink(missing_ok=True)


def _image_shape(bench: Bench, spec: TrialSpec) -> tuple[int, ...]:
    """The output image's shape, by the I/O spec: what a file holds says nothing of it."""
    first = bench.io.inputs[0]
    height, width = spec.input_shapes[first.tensor][1:3]
    size = bench.io.output.size
    return (1, *(scaled(round(side / first.size), size) for side in (height, width)), 3)


def _image_bytes(bench: Bench, data: bytes | None, shape: Sequence[int]) -> bytes:
    """The image's part of all outputs, which the tool writes one after another."""
    if data is None:
        raise CantRun("io_error", f"{TOOL} wrote no output")
    number = bench.io.output.tensor
    sizes = [_size(tensor.shape, element_bytes(tensor)) for tensor in bench.model.outputs]
    sizes[number] = _size(shape, element_bytes(bench.model.outputs[number]))
    if sum(sizes) != len(data):
        text = "x".join(map(str, shape))
        raise CantRun(
            "input_mismatch",
            f"the outputs have {len(data)} bytes, {sum(sizes)} with an image of {text}; set the "
            "output's `size` in the I/O spec",
        )
    start = sum(sizes[:number])
    return data[start : start + sizes[number]]


def _size(shape: Sequence[int], each: int) -> int:
    total = each
    for side in shape:
        total *= side
    return total


def _together(bench: Bench, spec: TrialSpec, done: Sequence[Trial], log: bytes) -> Trial:
    """One Trial for the processes of a batch."""
    first, last = done[0], done[-1]
    return replace(
        first,
        status=last.status,
        wall_ns=sum(trial.wall_ns for trial in done),
        failure=last.failure,
        exit_code=last.exit_code,
        capped=False,
        aggregate=None,
        report=last.report or first.report,
        log_sha256=bench.put_blob(log) if log.strip() else None,
        index=spec.index,
    )
