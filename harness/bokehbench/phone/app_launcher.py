"""One TrialSpec in the app -> Trial: the same events, deadlines and failures as in the shell."""

import posixpath
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from bokehbench.errors import DeadlineExceeded, DeviceError, DeviceLost, TransferError
from bokehbench.facts import AppReport, Failure, Trial, TrialSpec
from bokehbench.facts.trial import DETERMINISTIC_FAILURES
from bokehbench.phone.app_control import App
from bokehbench.phone.app_death import exit_reason, outlives
from bokehbench.phone.app_link import AppGone, AppLink, AppRefused, AppSilent, watch_of
from bokehbench.phone.bench import (
    Bench,
    OnOutput,
    image_items,
    input_name,
    kernel_cache,
    runner_words,
    timed_items,
    utc_now,
    work_id,
)
from bokehbench.phone.evidence import has_engine_log, judge, take_outputs
from bokehbench.phone.process import GRACE_SECONDS
from bokehbench.phone.transport import Deadline
from bokehbench.runners.app_protocol import Greeting, RunWatch
from bokehbench.runners.outcome import OWN_DEADLINE_EXIT
from bokehbench.runners.protocol import (
    ENGINE_LOG,
    EventStream,
    ManifestItem,
    RunnerPaths,
    manifest_of,
)

LOG = "log"
"""The file in the app's data that takes what libraries print."""

WORK = "work"
"""The folder in the app's data with the trials' own files."""

LOG_LIMIT = 32 << 20
LOG_SECONDS = 20.0
ANSWER_SECONDS = 5.0
LOOK_WITH = "libc.so"
"""A library that each process has: asking for it tells what else is in memory."""


@dataclass(frozen=True)
class _Ended:
    """How a run came to its end: what was said, how the process ended, what the host saw."""

    watch: RunWatch
    exit_code: int
    timed_out: bool = False
    failure: Failure | None = None
    exit_reason: str | None = None


def run_app_timed(bench: Bench, spec: TrialSpec) -> Trial:
    """Run one timed process of the app on the seeded input; see launcher.run_timed.

    Raises:
        DeviceError: the app could not be started.
    """
    with _Process(bench, spec) as process:
        trial, _ = process.run(timed_items(bench, spec))
        return trial


def run_app_images(
    bench: Bench,
    spec: TrialSpec,
    images: Mapping[int, Sequence[bytes | memoryview]],
    on_output: OnOutput,
) -> Trial:
    """Run one process of the app over a batch of images; see launcher.run_images.

    Raises:
        DeviceError: the app could not be started, or the inputs not put there.
    """
    with _Process(bench, spec) as process:
        for index in spec.items:
            for tensor, data in enumerate(images[index]):
                # The app compares what arrives with its hash.
                process.push(input_name(index, tensor), data)
        trial, stream = process.run(image_items(spec.items, len(bench.model.inputs)))
        return take_outputs(bench, trial, stream, process.pull, on_output)


class _Process:
    """A fresh process of the app for one trial; it and the trial's files are gone afterwards."""

    def __init__(self, bench: Bench, spec: TrialSpec) -> None:
        assert bench.app is not None
        self._app: App = bench.app
        self._bench = bench
        self._spec = spec
        self._folder = posixpath.join(WORK, work_id(spec))
        self._link: AppLink
        self._greeting: Greeting

    def __enter__(self) -> "_Process":
        try:
            self._link = self._app.start(self._bench.stop)
            try:
                # What a trial left that was cut short: none but the app can remove it.
                with suppress(AppRefused):
                    self._link.remove(WORK)
            except BaseException:
                self._link.close()
                raise
        except BaseException:
            self._app.end()
            raise
        self._greeting = self._link.greeting
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            with suppress(DeviceError):
                self._link.remove(self._folder)
        self._link.close()
        # Also on Ctrl-C and on errors: nothing of ours stays in front of the next process.
        self._app.end()

    def push(self, name: str, data: bytes | memoryview) -> str:
        return self._link.push(posixpath.join(self._folder, name), data)

    def run(self, items: Sequence[ManifestItem]) -> tuple[Trial, EventStream]:
        """One trial, judged as one of the shell's is, and by whether it was in front."""
        bench, spec = self._bench, self._spec
        manifest = manifest_of(items)
        argv = runner_words(bench, spec, self._paths(self.push(manifest.name, manifest.data)))
        started, begun = utc_now(), time.monotonic_ns()
        ended = self._ended(argv)
        wall_ns = time.monotonic_ns() - begun
        trial, stream = judge(
            bench,
            spec,
            manifest,
            bytes(ended.watch.events),
            lambda stream: self._log(ended, with_engine=has_engine_log(stream)),
            exit_code=ended.exit_code,
            timed_out=ended.timed_out,
            started=started,
            wall_ns=wall_ns,
        )
        failure = ended.failure or trial.failure
        if not _was_in_front(ended.watch) and _may_be_from_that(failure):
            failure = _disturbed(ended.watch)
        if failure is not None:
            trial = replace(trial, status="failed", failure=failure, warmup_ns=(), invoke_ns=())
        return replace(trial, app=self._report(ended)), stream

    def pull(self, name: str, target: Path) -> str:
        """One output, which the app then need not keep; its sha256."""
        path = posixpath.join(self._folder, name)
        digest = self._link.pull(path, target)
        with suppress(AppRefused):
            self._link.remove(path)
        return digest

    @property
    def _where(self) -> str:
        return self._bench.device.facts.address

    def _paths(self, manifest: str) -> RunnerPaths:
        bench, greeting = self._bench, self._greeting
        cache_dir, cache_token = kernel_cache(bench, self._spec, self._link.folder)
        return RunnerPaths(
            runner="app",
            manifest=manifest,
            model=bench.placed_model.path,
            engine_library=posixpath.basename(bench.engine_library),
            engine_folder=greeting.library_folder or greeting.data_folder,
            cache_dir=cache_dir,
            cache_token=cache_token,
        )

    def _ended(self, argv: Sequence[str]) -> _Ended:
        """Have the run made; whatever ends it is told, nothing but Ctrl-C raises."""
        bench, spec = self._bench, self._spec
        deadline = Deadline.after(spec.deadline_seconds + GRACE_SECONDS)
        try:
            with bench.stop.watching(self._app.end):
                watch = self._link.run(argv, spec.mode, deadline, bench.stop.check)
        except DeadlineExceeded as error:
            watch = _watch(error, spec)
            if watch.started is None:
                failure = Failure(kind="timeout", message=f"the app did not begin the run: {error}")
                return _Ended(watch, -1, failure=failure)
            return _Ended(watch, OWN_DEADLINE_EXIT, timed_out=True)
        except AppSilent as error:
            if not self._is_there():
                return self._lost(error)
            failure = Failure(kind="timeout", message=str(error))
            return _Ended(_watch(error, spec), -1, failure=failure)
        except (AppGone, DeviceLost) as error:
            return self._gone(error) if self._is_there() else self._lost(error)
        except DeviceError as error:
            failure = Failure(kind="protocol", message=str(error))
            return _Ended(_watch(error, spec), -1, failure=failure)
        if watch.error is not None:
            refused = AppRefused(watch.error.code, watch.error.message)
            return _Ended(watch, -1, failure=Failure(kind="internal", message=str(refused)))
        assert watch.end is not None
        return _Ended(watch, watch.end.exit_code)

    def _is_there(self) -> bool:
        return self._bench.device.answers(ANSWER_SECONDS)

    def _lost(self, error: DeviceError) -> _Ended:
        failure = Failure(kind="device_lost", message=f"{self._where}: lost in the middle: {error}")
        return _Ended(_watch(error, self._spec), -1, failure=failure)

    def _gone(self, error: DeviceError) -> _Ended:
        """The app died while its device lives: by Android's own word, where it keeps one."""
        watch = _watch(error, self._spec)
        told = exit_reason(self._app, self._greeting.pid)
        if told is None and outlives(self._app, self._greeting.pid):
            return self._lost(error)
        if told is None:
            failure = Failure(
                kind="crash",
                message=f"the app died {watch.stage}; the device does not say of what",
            )
            return _Ended(watch, -1, failure=failure)
        reason, number = told
        if number == signal.SIGALRM:
            # The app's own last resort against a driver that hangs beyond the deadline.
            return _Ended(watch, OWN_DEADLINE_EXIT, timed_out=True, exit_reason=reason)
        if number is not None:
            # As the shell tells of a process that a signal ended.
            return _Ended(watch, 128 + number, exit_reason=reason)
        kind = "out_of_memory" if "memory" in reason else "killed"
        failure = Failure(
            kind="crash" if "crashed" in reason else kind,  # type: ignore[arg-type]
            message=f"the app died {watch.stage}: {reason}",
        )
        return _Ended(watch, -1, failure=failure, exit_reason=reason)

    def _log(self, ended: _Ended, *, with_engine: bool) -> bytes:
        """What libraries printed; of a process that died or hangs a new one brings it."""
        names = [LOG]
        if with_engine:
            # The process ended while the engine was loading: its words are still in that file.
            names.append(posixpath.join(self._folder, ENGINE_LOG))
        if ended.failure is not None and ended.failure.kind == "device_lost":
            return b""
        try:
            if not ended.watch.is_over:
                self._link.close()
                self._link = self._app.start(self._bench.stop)
        except DeviceError:
            return b""
        return self._pulled(names)

    def _pulled(self, names: Sequence[str]) -> bytes:
        """What came of these files; one that does not come takes none of the others away."""
        data = b""
        with tempfile.TemporaryDirectory(prefix="bokehbench-") as folder:
            for name in names:
                target = Path(folder) / "log"
                try:
                    self._link.pull(name, target, LOG_SECONDS, LOG_LIMIT)
                    data += target.read_bytes()
                except TransferError:
                    pass
                except DeviceError:
                    if self._link.in_step:
                        break
                if not self._link.in_step and not self._rejoined():
                    break
        return data

    def _rejoined(self) -> bool:
        """Meet the process anew, as a file broke off and what follows is no line."""
        self._link.close()
        try:
            self._link = self._app.rejoin()
        except DeviceError:
            return False
        return True

    def _report(self, ended: _Ended) -> AppReport:
        greeting, watch = self._greeting, ended.watch
        return AppReport(
            pid=watch.started.pid if watch.started else greeting.pid,
            uid=greeting.uid,
            api_level=greeting.api_level,
            nice=greeting.nice,
            cgroup=greeting.cgroup,
            oom_score_adj=greeting.oom_score_adj,
            library_folder=greeting.library_folder,
            in_front=watch.end.in_front if watch.end else None,
            changes=tuple(watch.changes),
            opencl=self._opencl(ended),
            exit_reason=ended.exit_reason,
        )

    def _opencl(self, ended: _Ended) -> tuple[str, ...]:
        """Which files of OpenCL the process has in memory, if it ran on a GPU and lives."""
        if self._spec.backend != "gpu" or ended.watch.end is None:
            return ()
        try:
            return self._link.probe([LOOK_WITH])[1]
        except DeviceError:
            return ()


def _watch(error: DeviceError, spec: TrialSpec) -> RunWatch:
    return watch_of(error) or RunWatch(spec.mode)


def _was_in_front(watch: RunWatch) -> bool:
    """Whether nothing says otherwise; of a process that died its last words tell."""
    if watch.end is not None:
        return watch.end.in_front
    return not {"paused", "focus_lost", "stopped"} & set(watch.changes)


def _may_be_from_that(failure: Failure | None) -> bool:
    """Whether being behind may be why a trial failed, or it did not fail."""
    if failure is None:
        return True
    return failure.kind not in DETERMINISTIC_FAILURES and failure.kind != "device_lost"


def _disturbed(watch: RunWatch) -> Failure:
    changes = ", ".join(dict.fromkeys(watch.changes)) or "no change was told"
    return Failure(
        kind="disturbed",
        message=f"the app was not in front all the time ({changes}): the trial is discarded",
    )
