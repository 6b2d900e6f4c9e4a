"""What the loop that samples sensors beside a trial does to the trial's times.

    python benchmarks/sampler.py [--rounds 15]

The runner measures the example model on this machine, with and without the loop in turns, in
processes of their own. The loop reads ten files twice a second, as a phone's profile asks for.
Prints the median of the pairs' ratios of process medians, and what the loop itself uses of a core,
measured beside a process that sleeps. Ends with 1 when that is more than a hundredth, or when the
loop moves the median by more than the spread of the processes themselves.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1]))

from overhead import EXAMPLES

from bokehbench.engines import file_sha256, find_engine
from bokehbench.facts import Trial, TrialSpec
from bokehbench.model.iospec import resolve_io
from bokehbench.model.reader import read_model
from bokehbench.phone.device import Device
from bokehbench.phone.launcher import Bench, Stop, run_timed
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.sampler import Sampler
from bokehbench.phone.transport import Deadline
from bokehbench.profile import Sensor
from bokehbench.runners import bundled_runner

FILES = 10
ALONE_SECONDS = 20
MODEL = EXAMPLES / "tiny_unet.tflite"
SHARE_BOUND = 0.01
"""Of one core."""

SPEC = TrialSpec(
    record_id="sampler",
    index=0,
    mode="time",
    backend="xnnpack",
    precision="default",
    threads=1,
    core_mask=0,
    warmups=10,
    runs=64,
    min_runs=5,
    max_seconds=60,
    deadline_seconds=120,
    input_shapes=((1, 512, 512, 3),),
    seed=0,
)


def bench_of(folder: Path) -> Bench:
    """The example model on this machine."""
    device = Device.connect(LocalTransport(folder / "device"))
    facts = read_model(MODEL)
    engine = find_engine("litert", device.facts.platform, device.facts.abi, gpu=False)
    _, runner = bundled_runner(device.facts.platform, device.facts.abi)
    placed = device.place(
        runner, name="runner", sha256=file_sha256(runner), executable=True, verify=False
    )
    model = device.place(MODEL, name="model.tflite", sha256=facts.sha256, verify=False)
    return Bench(
        device=device,
        model=facts,
        io=resolve_io(facts, MODEL),
        placed_model=model,
        placed_runner=placed,
        engine=engine.name,
        engine_facts=engine.facts,
        engine_library=str(engine.library),
        engine_folder=str(engine.library.parent),
        rounding="half_even",
        put_blob=lambda _: None,
        stop=Stop(),
    )


def sampler_of(bench: Bench, folder: Path) -> Sampler:
    """A sampler with as many files as a phone's."""
    sensors = []
    for number in range(FILES):
        path = folder / f"temp{number}"
        path.write_text("31000\n", encoding="ascii")
        name = f"zone{number}"
        sensors.append(Sensor(quantity="temperature", name=name, path=str(path), unit="celsius"))
    sampler = Sampler.of(bench.device, sensors)
    assert sampler is not None
    return sampler


def median_ms(trial: Trial) -> float:
    """The median of one process."""
    assert trial.status == "ok", trial.failure
    return statistics.median(trial.invoke_ns) / 1e6


def fastest_ms(trial: Trial) -> float:
    """The fastest run of one process: what other work on the machine disturbs least."""
    return min(trial.invoke_ns) / 1e6


def spread(values: list[float]) -> float:
    """Median absolute deviation over the median."""
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values) / middle


def share_of(bench: Bench) -> float:
    """What the loop uses of one core, its ticks of a hundredth of a second counted for long."""
    sampler = bench.sampler
    assert sampler is not None
    with bench.device.work_folder("share") as folder:
        argv = sampler.around(["sleep", str(ALONE_SECONDS)], folder, 10 * ALONE_SECONDS)
        bench.device.transport.run(argv, deadline=Deadline.after(10 * ALONE_SECONDS))
        series = sampler.collect(folder)
    assert series is not None
    return (series.cpu_seconds_used or 0.0) / ALONE_SECONDS


def main() -> int:
    """Print ratios; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    bare: list[float] = []
    beside: list[float] = []
    fastest: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = bench_of(folder)
        sampling = dataclasses.replace(plain, sampler=sampler_of(plain, folder))
        run_timed(plain, SPEC)
        for number in range(rounds):
            spec = replace(SPEC, index=number)
            turn = [(plain, bare), (sampling, beside)]
            # Who comes second meets another machine: they take turns in that too.
            for bench, values in turn if number % 2 else reversed(turn):
                trial = run_timed(bench, spec)
                values.append(median_ms(trial))
                fastest[bench.sampler is not None].append(fastest_ms(trial))
        share = share_of(sampling)
    ratio = statistics.median(b / a for a, b in zip(bare, beside, strict=True))
    noise = spread(bare)
    print(f"without the loop   {statistics.median(bare):8.3f} ms, spread {100 * noise:.1f} %")
    print(
        f"with the loop      {statistics.median(beside):8.3f} ms, {ratio:.4f} of it, pair by pair"
    )
    best = statistics.median(fastest[True]) / statistics.median(fastest[False])
    print(
        f"fastest runs       {statistics.median(fastest[True]):8.3f} ms, {best:.4f} of it without"
    )
    print(f"the loop's CPU     {100 * share:8.2f} % of one core, {FILES} files twice a second")
    return int(share > SHARE_BOUND or abs(ratio - 1) > max(0.02, noise))


if __name__ == "__main__":
    sys.exit(main())
