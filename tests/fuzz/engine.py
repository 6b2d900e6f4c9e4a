"""Accepted mutants through the engine: a child for each, and whatever it does is a Trial."""

import platform
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from bokehbench.engines import find_engine
from bokehbench.facts import IoSpec, ModelFacts, Trial, TrialSpec
from bokehbench.facts.subject import InputSpec, OutputSpec
from bokehbench.facts.trial import Backend
from bokehbench.model import read_model
from bokehbench.phone.device import Device, Placed
from bokehbench.phone.launcher import Bench, Stop, run_timed
from bokehbench.phone.limited import LimitedTransport
from bokehbench.phone.local import LocalTransport
from bokehbench.runners import bundled_runner
from tests.fuzz.mutate import mutant

MEMORY_BYTES = 2 << 30
DEADLINE_SECONDS = 10.0
FREE_SIDE = 8
"""What a free dimension becomes."""

_BACKENDS: tuple[Backend, ...] = ("xnnpack", "cpu")


class EngineBench:
    """This machine under limits, with its engine; runs any file that the reader accepts."""

    def __init__(self, folder: Path) -> None:
        abi = platform.machine()
        _, runner = bundled_runner("linux", abi)
        self.engine = find_engine("litert", "linux", abi, gpu=False)
        self.device = Device.connect(LimitedTransport(LocalTransport(folder), MEMORY_BYTES))
        self.runner = Placed(str(runner), "", 0)
        self.path = folder / "model.tflite"
        self.work = folder / "work"

    def run(self, data: bytes, backend: Backend) -> Trial:
        """One child that loads `data`, which the reader accepts, and runs it once."""
        self.path.write_bytes(data)
        return self.run_as(read_model(self.path), data, backend)

    def run_as(self, facts: ModelFacts, data: bytes, backend: Backend) -> Trial:
        """As `run`, for a file that is believed to be another one."""
        self.path.write_bytes(data)
        bench = Bench(
            device=self.device,
            model=facts,
            io=_any_io(facts),
            placed_model=Placed(str(self.path), facts.sha256, len(data)),
            placed_runner=self.runner,
            engine=self.engine.name,
            engine_facts=self.engine.facts,
            engine_library=str(self.engine.library),
            engine_folder=str(self.engine.library.parent),
            rounding="half_even",
            put_blob=lambda _: None,
            stop=Stop(),
        )
        spec = TrialSpec(
            record_id="fuzz",
            index=0,
            mode="time",
            backend=backend,
            precision="fp32",
            threads=1,
            core_mask=0,
            warmups=0,
            runs=1,
            min_runs=1,
            max_seconds=5.0,
            deadline_seconds=DEADLINE_SECONDS,
            input_shapes=tuple(
                tuple(FREE_SIDE if side == -1 else side for side in tensor.shape)
                for tensor in facts.inputs
            ),
            seed=1,
        )
        return run_timed(bench, spec)


def _any_io(facts: ModelFacts) -> IoSpec:
    """Every input takes the seeded numbers; the first output is hashed."""
    inputs = tuple(InputSpec(tensor=index) for index in range(len(facts.inputs)))
    return IoSpec(inputs=inputs, output=OutputSpec(tensor=0))


def verdict(trial: Trial) -> str:
    """`ok`, or the kind of its failure; empty where a Trial says neither."""
    if trial.status == "ok":
        return "ok"
    return trial.failure.kind if trial.failure is not None else ""


def run_accepted(
    seed: int, accepted: Sequence[int], count: int, say: Callable[[str], None], workers: int = 1
) -> list[tuple[int, str, str]]:
    """Runs `count` of the accepted mutants, evenly spread; what went wrong with this process.

    A crash in the child is none of that: it is a Failure.
    """
    step = max(1, len(accepted) // max(count, 1))
    waiting: SimpleQueue[int] = SimpleQueue()
    for number in accepted[::step][:count]:
        waiting.put(number)
    kinds: Counter[str] = Counter()
    findings: list[tuple[int, str, str]] = []
    crashes: list[int] = []
    started = time.monotonic()
    lock = threading.Lock()

    def work() -> None:
        with tempfile.TemporaryDirectory(prefix="fuzz-engine-") as name:
            bench = EngineBench(Path(name))
            while True:
                try:
                    number = waiting.get_nowait()
                except Empty:
                    return
                finding = None
                try:
                    kind = verdict(bench.run(mutant(seed, number), _BACKENDS[number % 2]))
                    if not kind:
                        finding = "a trial that neither failed nor went well"
                    elif bench.work.exists() and any(bench.work.iterdir()):
                        finding = "its work folder is still there"
                except Exception as error:
                    kind, finding = "parent", f"{type(error).__name__}: {error}"
                with lock:
                    kinds[kind] += 1
                    if kind == "crash":
                        crashes.append(number)
                    if finding is not None:
                        findings.append((number, "engine", finding))
                    if kinds.total() % 500 == 0:
                        say(f"{kinds.total()} run, {time.monotonic() - started:.0f} s: {kinds}")

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(f"engine: {kinds.total()} accepted mutants run, each in a child")
    for kind, times in kinds.most_common():
        say(f"  {times:8} {kind}")
    say(f"  crashed with: {' '.join(map(str, sorted(crashes)[:40]))}")
    return findings
