"""How often the statistics are right: false alarms, power, coverage, and two peers' gates.

    python benchmarks/statistics.py [--pairs 2000] [--real 30] [--seed 1]

Exits 1 when a bound is missed. Noise is that of phones: process medians that differ by a
right-skewed 1-8 %, a drift over the run of up to 3 %, and one process in twenty that is 5-30 %
slow. Simulated are the medians of processes, except where findings are judged: there every
sample is.
"""

import argparse
import itertools
import math
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bokehbench.analysis import compare as comparing
from bokehbench.analysis.compare import compare
from bokehbench.analysis.gate import look
from bokehbench.analysis.latency import summarize_evidence
from bokehbench.analysis.median import median_interval
from bokehbench.analysis.verdict import judge
from bokehbench.facts import Conditions
from tests.support.evidence import make_evidence, make_trial

MS = 40.0
TOLERANCE = 0.03


class Phone:
    """Process medians in milliseconds, as a phone gives them."""

    def __init__(self, seed: object) -> None:
        self.draw = random.Random(str(seed))

    def processes(
        self,
        count: int,
        deviation: float,
        *,
        drift: float = 0.0,
        outliers: float = 0.05,
        effect: float = 1.0,
        run: float = 0.0,
    ) -> list[float]:
        """`deviation` between processes, `run` between runs, both as shares."""
        shift = math.log(MS * effect) + self.draw.gauss(0, run)
        found = []
        for place in range(count):
            # A gamma distribution of shape 4 has mean 4, deviation 2 and skewness 1.
            value = shift + deviation * (self.draw.gammavariate(4, 1) - 4) / 2
            value += drift * (place / max(1, count - 1) - 0.5)
            if self.draw.random() < outliers:
                value += self.draw.uniform(0.05, 0.3)
            found.append(math.exp(value))
        return found


class Report:
    """Lines, and whether a bound was missed."""

    def __init__(self) -> None:
        self.missed = 0

    def line(self, text: str, holds: bool | None = None) -> None:
        mark = "" if holds is None else ("  ok" if holds else "  MISSED")
        self.missed += holds is False
        print(f"{text}{mark}", flush=True)


def false_alarms(report: Report, seed: int, pairs: int) -> None:
    """Pairs without a difference, measured side by side."""
    phone = Phone(f"alarms {seed}")
    alarms = gates = 0
    for _ in range(pairs):
        deviation, drift = phone.draw.uniform(0.01, 0.08), phone.draw.uniform(0, 0.03)
        count = phone.draw.choice((5, 10, 20))
        first, second = (phone.processes(count, deviation, drift=drift) for _ in range(2))
        alarms += compare(first, second, paired=True).outcome == "slower"
        history = [phone.processes(20, deviation, drift=drift, run=0.005) for _ in range(3)]
        gates += gate(phone, history, deviation, 1.0, drift=drift)
    limit = 116 * pairs / 2000
    report.line(
        f"A/A, {pairs} pairs: compare {alarms} false alarms (limit {limit:.0f})", alarms <= limit
    )
    limit = 28 * pairs / 2000
    report.line(
        f"A/A, {pairs} pairs: gate {gates} false alarms (limit {limit:.0f})", gates <= limit
    )


def gate(
    phone: Phone,
    history: Sequence[Sequence[float]],
    deviation: float,
    effect: float,
    *,
    drift: float = 0.0,
    run: float = 0.005,
) -> bool:
    """Whether the gate fails: two fresh runs in a row are beyond the limit."""
    for _ in range(2):
        fresh = phone.processes(20, deviation, drift=drift, effect=effect, run=run)
        if not look(history, fresh, max_regression=TOLERANCE).suspected:
            return False
    return True


def power(report: Report, seed: int) -> None:
    """How often a true difference is found at 2 % between processes."""
    phone = Phone(f"power {seed}")
    for outliers, bound in ((0.0, 0.85), (0.05, None)):
        for paired in (True, False):
            hits = sum(
                compare(
                    phone.processes(10, 0.02, outliers=outliers),
                    phone.processes(10, 0.02, outliers=outliers, effect=1.03),
                    paired=paired,
                ).outcome
                == "slower"
                for _ in range(1000)
            )
            how = "side by side" if paired else "apart"
            report.line(
                f"compare finds 3 % with 10 processes {how}, {outliers:.0%} outliers: "
                f"{hits / 10:.1f} %",
                None if bound is None else hits / 1000 >= bound,
            )
    for runs, between, bound in ((1, 0.0, 0.9), (3, 0.0, 0.9), (5, 0.005, 0.9), (5, 0.01, None)):
        hits = 0
        for _ in range(500):
            history = [phone.processes(20, 0.02, outliers=0.0, run=between) for _ in range(runs)]
            found = True
            for _ in range(2):
                fresh = phone.processes(
                    20, 0.02, outliers=0.0, run=between, effect=1 + 2 * TOLERANCE
                )
                found = found and look(history, fresh, max_regression=TOLERANCE).suspected
            hits += found
        report.line(
            f"gate finds tolerance + 3 % with 20 processes, {runs} runs of history, "
            f"{between:.1%} between runs: {hits / 5:.1f} %",
            None if bound is None else hits / 500 >= bound,
        )


def detectable(report: Report, seed: int) -> None:
    """Whether the printed minimum detectable effect is what 80 % of comparisons find."""
    phone = Phone(f"detectable {seed}")
    for deviation in (0.02, 0.05):
        for count in (10, 20):
            printed = math.log(
                statistics.median(
                    compare(
                        phone.processes(count, deviation), phone.processes(count, deviation)
                    ).minimum_detectable
                    for _ in range(300)
                )
            )
            true = _effect_found_by(0.8, phone, count, deviation, printed)
            ratio = printed / true
            report.line(
                f"minimum detectable at {deviation:.0%}, {count} processes: printed "
                f"{math.expm1(printed):.2%}, true {math.expm1(true):.2%}, ratio {ratio:.2f}",
                0.8 <= ratio <= 1.2,
            )


def _effect_found_by(
    share: float, phone: Phone, count: int, deviation: float, guess: float
) -> float:
    """The effect that this share of comparisons finds, by interpolation around a guess."""
    points = []
    for factor in (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3):
        effect = math.exp(guess * factor)
        hits = sum(
            compare(
                phone.processes(count, deviation),
                phone.processes(count, deviation, effect=effect),
            ).outcome
            == "slower"
            for _ in range(400)
        )
        points.append((hits / 400, guess * factor))
    for (low, left), (high, right) in itertools.pairwise(points):
        if low <= share <= high and high > low:
            return left + (right - left) * (share - low) / (high - low)
    return points[-1][1] if points[-1][0] < share else points[0][1]


def coverage(report: Report, seed: int) -> None:
    """The 95 % interval of the median, beside two that are often used."""
    draw = random.Random(f"coverage {seed}")
    for count in (5, 10, 20):
        hits = {"ours": 0, "bootstrap": 0, "pooled samples": 0}
        rounds = 2000
        for _ in range(rounds):
            medians = [draw.lognormvariate(0, 0.05) for _ in range(count)]
            interval = median_interval(medians)
            assert interval is not None
            hits["ours"] += interval[0][0] <= 1.0 <= interval[0][1]
            low, high = _bootstrap(draw, medians)
            hits["bootstrap"] += low <= 1.0 <= high
            pooled = sorted(m * draw.gauss(1, 0.01) for m in medians for _ in range(20))
            low, high = _pooled(pooled)
            hits["pooled samples"] += low <= 1.0 <= high
        share = hits["ours"] / rounds
        level = median_interval(list(range(count)))
        assert level is not None
        report.line(
            f"coverage with {count} processes, skewed: {share:.1%} at the printed level "
            f"{level[1]:.2%}; percentile bootstrap {hits['bootstrap'] / rounds:.1%}, "
            f"pooled samples {hits['pooled samples'] / rounds:.1%}",
            None if count == 5 else 0.925 <= share <= 0.975,
        )
        naive = hits["pooled samples"] / rounds
        report.line(f"  the interval over pooled samples fails: {naive:.1%}", naive < 0.925)


def _bootstrap(draw: random.Random, values: Sequence[float]) -> tuple[float, float]:
    found = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(200))
    return found[5], found[194]


def _pooled(ordered: Sequence[float]) -> tuple[float, float]:
    half = 1.96 * math.sqrt(len(ordered)) / 2
    low = max(0, math.floor(len(ordered) / 2 - half) - 1)
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + half))
    return ordered[low], ordered[high]


def findings(report: Report, seed: int) -> None:
    """Clean runs, judged whole: 5 processes of 64 samples, 1 % within them."""
    for between in (0.01, 0.02):
        _findings(report, seed, between)


def _findings(report: Report, seed: int, between: float) -> None:
    draw = random.Random(f"findings {seed} {between}")
    rounds, flagged = 500, 0
    codes: dict[str, int] = {}
    for _ in range(rounds):

        def timed(ms: float, runs: int) -> tuple[int, ...]:
            centre = ms * math.exp(draw.gauss(0, between))
            return tuple(round(1e6 * centre * math.exp(draw.gauss(0, 0.01))) for _ in range(runs))

        evidence = make_evidence(
            trials=tuple(make_trial(index=i, invoke_ns=timed(MS, 64)) for i in range(5)),
            reference_before=tuple(make_trial(index=i, invoke_ns=timed(9, 20)) for i in range(3)),
            reference_after=tuple(make_trial(index=i, invoke_ns=timed(9, 20)) for i in range(3)),
            conditions=(Conditions(when="before", at="", cpu_busy=0.02, battery_percent=80),),
        )
        found = judge(evidence, summarize_evidence(evidence), None)
        flagged += bool(found)
        for finding in found:
            codes[finding.code] = codes.get(finding.code, 0) + 1
    report.line(
        f"clean runs with any finding at {between:.0%} between processes: {flagged / rounds:.1%} "
        f"of {rounds} {codes or ''}",
        flagged / rounds <= 0.05,
    )


def peers(report: Report, seed: int) -> None:
    """The gate beside two rules that peers use, on the same series of nightly runs."""

    def fixed(history: Sequence[Sequence[float]], run: Sequence[float]) -> bool:
        return statistics.median(run) > 1.05 * statistics.median(history[-1])

    def past_p90(history: Sequence[Sequence[float]], run: Sequence[float]) -> bool:
        p90s = sorted(sorted(old)[math.ceil(0.9 * len(old)) - 1] for old in history)
        return statistics.median(run) > p90s[math.ceil(0.9 * len(p90s)) - 1]

    def ours(history: Sequence[Sequence[float]], run: Sequence[float]) -> bool:
        return look(history, run, max_regression=TOLERANCE).suspected

    rules: dict[str, Callable[[Sequence[Sequence[float]], Sequence[float]], bool]] = {
        "fixed 5 %": fixed,
        "p50 above the 90th percentile of p90s": past_p90,
        "ours": ours,
    }
    for deviation, between, effects in (
        (0.02, 0.005, (1.0, 1.06, 1.08)),
        (0.05, 0.005, (1.0, 1.08, 1.12)),
        (0.05, 0.02, (1.0, 1.08, 1.12)),
    ):
        counts = {name: [0] * len(effects) for name in rules}
        rounds = 400
        for number in range(rounds):
            phone = Phone(f"peers {seed} {deviation} {between} {number}")
            history = [phone.processes(20, deviation, run=between) for _ in range(10)]
            for place, effect in enumerate(effects):
                first, second = (
                    phone.processes(20, deviation, run=between, effect=effect) for _ in range(2)
                )
                for name, rule in rules.items():
                    hit = rule(history, first)
                    # Only our gate measures again before it fails.
                    counts[name][place] += hit and (name != "ours" or rule(history, second))
        for name, hits in counts.items():
            shown = ", ".join(
                f"{'false alarms' if effect == 1 else f'finds {effect - 1:.0%}'} {hit / rounds:.1%}"
                for effect, hit in zip(effects, hits, strict=True)
            )
            report.line(
                f"gate rule at {deviation:.0%} noise, {between:.1%} between runs, {name}: {shown}"
            )
        for name in rules:
            if name != "ours":
                better = counts["ours"][0] <= counts[name][0]
                equal = counts["ours"][-1] >= counts[name][-1] - 0.02 * rounds
                report.line(
                    f"  ours against {name}: fewer or as many false alarms, power as good",
                    better and equal,
                )


def real(report: Report, seed: int, pairs: int) -> None:
    """A fast model against itself on this machine, A B B A, through the whole program."""
    from tests.support.command import Command

    reference = Path(__file__).parents[1] / "harness/bokehbench/model/reference.tflite"
    alarms = done = 0
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "same.tflite"
        # The same model under another name: bytes behind its end are never read.
        other.write_bytes(reference.read_bytes() + b"\0" * 16)
        bokehbench = Command(Path(folder))
        for number in range(pairs):
            ended = bokehbench(
                *("run", "--device", "local", "--backend", "xnnpack", "--processes", 10),
                *("--runs", 5, "--warmups", 2, "--seed", seed + number, other),
                *("--against", reference, "--json", "-"),
            )
            for comparison in ended.json()["comparisons"]:
                done += 1
                alarms += comparison["outcome"] == "slower"
    # Binomial(30, 0.05): more than 4 has a probability of 1.6 %.
    limit = statistics.NormalDist().inv_cdf(0.98) * math.sqrt(done * 0.05 * 0.95) + done * 0.05
    report.line(f"{done} real A/A pairs on this machine: {alarms} false alarms", alarms <= limit)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--real", type=int, default=30, help="pairs really measured; 0 for none")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    comparing.RESAMPLES = 1  # the bootstrap share is a description that no bound here needs
    report = Report()
    false_alarms(report, words.seed, words.pairs)
    power(report, words.seed)
    detectable(report, words.seed)
    coverage(report, words.seed)
    findings(report, words.seed)
    peers(report, words.seed)
    if words.real:
        real(report, words.seed, words.real)
    return 1 if report.missed else 0
