"""`bokehbench import-log`: old logs of Google's benchmark tools become Records."""

import hashlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bokehbench.cli.log_files import Source, find_logs
from bokehbench.cli.measure import RUN_FORMAT, json_sink, new_run_id, record_code
from bokehbench.cli.model_options import parse_size
from bokehbench.cli.options import io_options, store_option
from bokehbench.cli.output import note, to_json
from bokehbench.cli.words import named
from bokehbench.errors import IoSpecError, StoreError, UsageError
from bokehbench.text import spelled

if TYPE_CHECKING:
    from bokehbench.facts import Evidence, IoSpec, ModelFacts, Record
    from bokehbench.facts.trial import Backend, Precision
    from bokehbench.model.iospec import IoFlags
    from bokehbench.session.imported import ForeignLog
    from bokehbench.store import Store

    _Read = tuple[Source, ForeignLog, bytes]

LOG_LIMIT = 32 << 20
"""Bytes of one log; the tools print some 10 KiB a run."""

BACKENDS = ("gpu", "npu", "nnapi", "hexagon", "coreml", "external", "xnnpack", "cpu")


@click.command("import-log")
@click.argument("logs", nargs=-1, metavar="LOG...")
@click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="The .tflite that was measured.",
)
@click.option(
    "--device", "device_name", metavar="NAME", required=True, help="What it was measured on."
)
@click.option("--soc", metavar="NAME", help="The device's chip.")
@click.option("--platform", type=click.Choice(["android", "linux", "ios", "unknown"]),
              default="unknown", show_default=True, help="The device's system.")  # fmt: skip
@click.option(
    "--backend", type=click.Choice(BACKENDS), help="What it was to run on, if the log is silent."
)
@click.option(
    "--precision",
    type=click.Choice(["default", "fp16", "fp32"]),
    default="default",
    show_default=True,
    help="Arithmetic of the GPU.",
)
@click.option("--threads", type=click.IntRange(1, 256), help="CPU threads, if the log is silent.")
@click.option(
    "--size",
    metavar="HxW",
    callback=parse_size,
    help="Height and width of the image that it was timed with, where FILE leaves them free.",
)
@click.option(
    "--date",
    "measured",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    metavar="DATE",
    help="When, in UTC: 2021-05-06 or 2021-05-06T12:00:00.  [default: the newest log's own time]",
)
@click.option("--name", "label", metavar="NAME", help="Name in tables.")
@click.option("--exit-code", type=click.IntRange(-(2**31), 2**32), help="The tool's, of one log.")
@io_options
@click.option("--json", "json_target", metavar="PATH|-", help="Write the records as JSON.")
@store_option
def command(
    logs: tuple[str, ...],
    model_path: Path,
    device_name: str,
    soc: str | None,
    platform: str,
    backend: "Backend | None",
    precision: "Precision",
    threads: int | None,
    size: tuple[int, int] | None,
    measured: datetime | None,
    label: str | None,
    exit_code: int | None,
    io_flags: "IoFlags",
    io_file: Path | None,
    json_target: str | None,
    store: str | None,
) -> int:
    """Make records of LOGs of benchmark_model, LiteRT's tools or run_model.

    A LOG is a file, a folder (its .log and .txt files, at any depth) or - for standard input.
    All are of one model on one device; each run in them counts as a process, and runs on one
    backend make one record. It is provisional: model, device and conditions are what you say.
    A record that was imported before is shown as it is; other words make another record.
    """
    from bokehbench.cli.summary import summary
    from bokehbench.derive import derive
    from bokehbench.facts import DeviceFacts
    from bokehbench.model.reader import read_model
    from bokehbench.session.imported import UNKNOWN, Said, evidence_of_logs
    from bokehbench.store import open_store

    if not logs:
        raise UsageError("no log given; name files or folders, or - for standard input")
    sources, _ = find_logs(logs)
    if exit_code is not None and len(sources) != 1:
        raise UsageError(f"--exit-code belongs to one log, not to {len(sources)}")
    for option, text in (("--device", device_name), ("--soc", soc), ("--name", label)):
        if text is not None:
            named(text, option)
    model = read_model(model_path)
    io = _io(model, model_path, io_file, io_flags)
    read = _read_all(sources, exit_code)
    said = Said(
        model=model,
        io=io,
        timing_shape=_shape(model, io, size),
        device=DeviceFacts(
            address="imported",
            device_id=device_name,
            platform=platform,
            abi=UNKNOWN,
            model=device_name,
            soc=soc,
        ),
        created=_when(measured, [source for source, _, _ in read]),
        label=label,
        backend=backend,
        precision=precision,
        threads=threads,
        dated=measured is not None,
    )
    run_id = new_run_id()
    made = evidence_of_logs([log for _, log, _ in read], said, run_id)
    with json_sink(json_target) as sink, open_store(store, derive=derive) as opened:
        records = _keep(opened, run_id, made, read)
        if sink is not None:
            told = [record.to_json() for record in records]
            sink.write(to_json({"format": RUN_FORMAT, "run_id": run_id, "records": told}))
        if sink is None or not sink.is_screen:
            for record in records:
                click.echo(summary(record))
    return max(map(record_code, records), default=0)


def _keep(
    store: "Store", run_id: str, made: "Sequence[Evidence]", read: "Sequence[_Read]"
) -> "list[Record]":
    """Store what is new; what is there already is shown as it is."""
    from msgspec.structs import replace

    from bokehbench.derive import derive
    from bokehbench.store import this_process

    stored = {one.record_id: found for one in made if (found := _known(store, one.record_id))}
    known = {record_id: found for record_id, found in stored.items() if found.seal is not None}
    for record_id in known:
        note(f"{record_id}: was imported before")
    new = [one for one in made if one.record_id not in known]
    if new:
        names = [log.name for _, log, _ in read]
        store.begin_run(run_id, {"imported_logs": names}, this_process())
        for _, log, data in read:
            if store.put_blob(data) != log.sha256:
                raise StoreError(f"{store.name}: {log.name} was not stored as it is")
    records = dict(known)
    for evidence in new:
        one = evidence
        if (begun := stored.get(one.record_id)) is not None:
            # An import that was killed had begun it.
            one = replace(one, run_id=begun.evidence.run_id)
        else:
            store.begin_record(one)
        records[one.record_id] = store.seal(one.record_id, one, derive(one), finished=True)
    if new:
        store.finish_run(run_id, "done")
    return [records[one.record_id] for one in made]


def _known(store: "Store", record_id: str) -> "Record | None":
    try:
        return store.get(record_id)
    except StoreError:
        return None


def _read_all(sources: Sequence[Source], exit_code: int | None) -> "list[_Read]":
    """All logs, each content once.

    Raises:
        UsageError: one that was named can't be read, is too long or is no log, or none is one.
    """
    read: list[_Read] = []
    names: dict[str, str] = {}
    for source in sources:
        try:
            data = _bytes_of(source)
            log = _log(source, data, exit_code)
        except UsageError as error:
            if not source.in_folder:
                raise
            note(f"passed over: {error}")
            continue
        if log.sha256 in names:
            note(f"passed over: {log.name}: holds the same as {names[log.sha256]}")
            continue
        names[log.sha256] = log.name
        read.append((source, log, data))
    if not read:
        raise UsageError("no file in there is a log of benchmark_model or LiteRT's tools")
    return read


def _bytes_of(source: Source) -> bytes:
    """A log's bytes, which are kept as evidence.

    Raises:
        UsageError: it can't be read, or is too long.
    """
    try:
        if source.path is None:
            data = sys.stdin.buffer.read(LOG_LIMIT + 1)
        else:
            with source.path.open("rb") as stream:
                data = stream.read(LOG_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"{source.name}: can't be read: {error.strerror}") from error
    if len(data) > LOG_LIMIT:
        raise UsageError(
            f"{source.name}: longer than {LOG_LIMIT >> 20} MiB; cut it to the runs in it"
        )
    return data


def _log(source: Source, data: bytes, exit_code: int | None) -> "ForeignLog":
    from bokehbench.runners.benchmark_model import parse_log
    from bokehbench.session.imported import ForeignLog

    file = parse_log(data, exit_code=exit_code)
    if file.empty:
        raise UsageError(f"{source.name}: is empty; was the tool's output sent elsewhere?")
    if file.binary or not file.recognised:
        raise UsageError(f"{source.name}: no line is of benchmark_model or LiteRT's tools")
    return ForeignLog(spelled(source.name), hashlib.sha256(data).hexdigest(), file, exit_code)


def _io(model: "ModelFacts", path: Path, io_file: Path | None, flags: "IoFlags") -> "IoSpec":
    """How images meet the model; a model that takes none can be imported too."""
    from bokehbench.facts import InputSpec, IoSpec, OutputSpec
    from bokehbench.model.iospec import IoFlags, resolve_io

    try:
        return resolve_io(model, path, file=io_file, flags=flags)
    except IoSpecError:
        if io_file is not None or flags != IoFlags():
            raise
    inputs = tuple(InputSpec(tensor=number) for number in range(len(model.inputs)))
    return IoSpec(inputs=inputs, output=OutputSpec(tensor=0), source="none")


def _shape(model: "ModelFacts", io: "IoSpec", size: tuple[int, int] | None) -> tuple[int, ...]:
    """The first input's shape while it was timed: the model's own, or as `--size` says.

    Raises:
        UsageError: the model leaves sides free and nobody says how large they were.
    """
    from bokehbench.model.fit import scaled

    shape = model.inputs[0].shape
    if -1 not in shape:
        if size is not None:
            raise UsageError(f"--size: {model.file_name} takes {'x'.join(map(str, shape))} only")
        return shape
    if size is None or len(shape) != 4:
        raise UsageError(
            f"{model.file_name}: takes images of any size; give the one it was timed at, --size HxW"
        )
    free = (1, *(scaled(side, io.inputs[0].size) for side in size), 3)
    return tuple(own if fixed == -1 else fixed for own, fixed in zip(free, shape, strict=True))


def _when(measured: datetime | None, sources: Sequence[Source]) -> str:
    """When it was measured: as said, else the newest file's time, else now."""
    moment = measured.replace(tzinfo=UTC) if measured is not None else None
    if moment is None:
        times = [source.path.stat().st_mtime for source in sources if source.path is not None]
        moment = datetime.fromtimestamp(max(times), UTC) if times else datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
