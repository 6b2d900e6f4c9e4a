"""Cell: one step met by one fault on one device; what came of it and how the device is after."""

import hashlib
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bokehbench.facts import Trial
from bokehbench.phone import launcher
from tests.faults.hurried import COMMAND_SECONDS, COPY_SECONDS, TRIAL_SECONDS
from tests.faults.judge import Truth, imperfect, outcome_of, problems_of, truth_of
from tests.faults.steps import Step, fault
from tests.faults.world import RECOVERY_SECONDS, World
from tests.rig import FaultProxy, TestDevice

DISK_BYTES = 28_000_000
OFF_SECONDS = 1.0
FIRE_SECONDS = 10.0
LATE_SECONDS = 1.0
"""How long after its deadline an operation may end."""

GUARD_SECONDS = 2.0 + 1.0
"""The device kills what outlives its deadline after this, the rest is for a busy machine."""

RUN_SECONDS = (
    # The operation that was hit, and the last look that its error calls for; then the kill and the
    # removal of the work folder, the recovery, the last try in it, and the conditions after.
    max(TRIAL_SECONDS + 2, COPY_SECONDS)
    + 2 * (COMMAND_SECONDS + LATE_SECONDS)
    + RECOVERY_SECONDS
    + 2 * (COMMAND_SECONDS + LATE_SECONDS)
    + LATE_SECONDS
)
"""No run may last longer after its fault than this."""


@dataclass(frozen=True)
class Cell:
    """What became of one step and one fault. `problems` and `slow` have to be empty."""

    step: str
    fault: str
    outcome: str
    seconds: float
    late_seconds: float
    problems: tuple[str, ...]
    slow: tuple[str, ...]
    message: str = ""


@dataclass
class Bed:
    """A test device that meets one fault after the other, and is whole again in between."""

    world: World
    folder: Path
    device: TestDevice
    truth: Truth = field(init=False)
    _count: int = 0
    _restart: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.device.start()
        with self.world.open_store(self.folder / "truth.sqlite3") as store:
            self.truth = truth_of(
                self.world.run(self.device.address, store, "truth", hurried=False)
            )

    def meet(self, step: Step, kind: str) -> Cell:
        """Run with the fault, then without, and judge both."""
        self._count += 1
        self._tidy(step)
        path = self.folder / f"{self._count}.sqlite3"
        with FaultProxy(self.device.address) as proxy, self.world.open_store(path) as store:
            at: list[float] = []
            proxy.add(fault(step, kind, lambda what: self._suffer(what)))
            ended = threading.Event()
            watch = threading.Thread(target=self._watch, args=(proxy, at, ended))
            watch.start()
            ran = self.world.run(proxy.address, store, "hit", hurried=True)
            now = time.monotonic()
            ended.set()
            watch.join()
            problems = []
            try:
                # A run may be over before the device is quite switched off.
                proxy.wait_fired(timeout=FIRE_SECONDS)
            except TimeoutError:
                problems.append("the fault did not happen")
            self._heal(kind)
            problems += self._left_running()
            problems += self._partial_files()
            problems += problems_of(ran, store, self.truth)
            slow = []
            if ran.late_seconds > LATE_SECONDS:
                slow.append(f"{ran.late_seconds:.2f} s late: {ran.late_what[:200]}")
            seconds = now - (at[0] if at else now)
            if seconds > RUN_SECONDS:
                slow.append(f"ended {seconds:.1f} s after the fault")
            again = ran.outcome is not None and bool(ran.outcome.errors)
            run_id = "hit" if again else "next"
            after = self.world.run(self.device.address, store, run_id, hurried=False, resume=again)
            problems += problems_of(after, store, self.truth) + imperfect(after, self.truth)
            problems += self._left_running() + self._partial_files()
        path.unlink()
        message = str(ran.refusal) if ran.refusal else _messages(ran.witness.trials)
        return Cell(
            step.name,
            kind,
            outcome_of(ran),
            seconds,
            ran.late_seconds,
            tuple(problems),
            tuple(slow),
            message.replace(str(self.folder), ""),
        )

    def close(self) -> None:
        """Switch the device off."""
        self.device.close()

    def _watch(self, proxy: FaultProxy, at: list[float], ended: threading.Event) -> None:
        """Note the moment of the fault."""
        while not proxy.fired and not ended.wait(0.01):
            pass
        at.append(time.monotonic())

    def _suffer(self, kind: str) -> None:
        """What happens to the device itself."""
        if kind == "frozen":
            self.device.freeze()
        elif kind == "disk full":
            self.device.fill_disk()
        else:
            self.device.power_off()
            self._restart = threading.Thread(target=self._start_again)
            self._restart.start()

    def _start_again(self) -> None:
        time.sleep(OFF_SECONDS)
        self.device.start()

    def _heal(self, kind: str) -> None:
        if kind == "frozen":
            self.device.thaw()
        elif kind == "disk full":
            self.device.empty_disk()
        if self._restart is not None:
            self._restart.join()
            self._restart = None

    @property
    def _root(self) -> Path:
        return self.device.tmp / "bokehbench"

    def _tidy(self, step: Step) -> None:
        """Only whole files are there, and not what the step is to send anew."""
        for junk in (self._root / "work", *self._root.glob("*/*arriving-*")):
            if junk.is_dir():
                shutil.rmtree(junk)
            elif junk.exists():
                junk.unlink()
        if step.fresh:
            shutil.rmtree(self._root / self.world.content[step.fresh])

    def _left_running(self) -> list[str]:
        """Processes that live on after their deadline and the device's own guard."""
        until = time.monotonic() + TRIAL_SECONDS + launcher.GRACE_SECONDS + GUARD_SECONDS
        while left := self.device.processes():
            if time.monotonic() > until:
                return [f"still running: {left}"]
            time.sleep(0.05)
        return []

    def _partial_files(self) -> list[str]:
        """Files under a final name whose bytes are not those of their folder's name."""
        # A flipped bit may make files and folders of other names, which nobody looks for.
        return [
            f"not whole: {path.parent.name[:12]}/{path.name}"
            for path in self._root.glob(f"{'[0-9a-f]' * 64}/[!.]*")
            if path.is_file() and not path.name.startswith("arriving-")
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.parent.name
        ]


def _messages(trials: Sequence[Trial]) -> str:
    return "; ".join(trial.failure.message for trial in trials if trial.failure)
