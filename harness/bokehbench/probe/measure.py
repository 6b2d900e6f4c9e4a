"""All cases on one engine -> rows of rules/measured.toml."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bokehbench.model.describe import read_structure
from bokehbench.model.predict import forecast
from bokehbench.model.rules import Target
from bokehbench.probe.ask import Told
from bokehbench.probe.cases import Case
from bokehbench.probe.single import single

Ask = Callable[[Path], Told | None]


@dataclass(frozen=True)
class Answer:
    """One case on one engine; `told` is None where the question can't be put to that engine."""

    case: Case
    rule: str
    predicted: str
    told: Told | None

    @property
    def delegated(self) -> bool | None:
        """Whether the delegate took the operator; None where the engine did not load the model."""
        if self.told is None or self.told.delegated is None:
            return None
        return self.told.delegated > 0

    @property
    def failed(self) -> bool:
        """Whether the delegate took the operator, and then failed with it."""
        return self.told is not None and self.told.failed


@dataclass
class Run:
    """One engine of one version under all cases. `note` says on what it was measured."""

    target: Target
    note: str
    answers: list[Answer] = field(default_factory=list)

    def ask(self, cases: Iterable[Case], ask: Ask, progress: Callable[[], None]) -> None:
        """Put every case to the engine, one process each."""
        with tempfile.TemporaryDirectory(prefix="bokehbench-probe-") as folder:
            path = Path(folder) / "case.tflite"
            for case in cases:
                path.write_bytes(single(case))
                # Without measurements: which written rule is it that this case is about?
                told = forecast(read_structure(path), self.target, measured=())
                rule = told.judged[0].rule
                self.answers.append(Answer(case, rule.rule, rule.verdict, ask(path)))
                progress()

    def rows(self) -> list[tuple[str, str, int, int, int]]:
        """Rule, operator, cases delegated, refused, and failed; in the order of their names."""
        counts: dict[tuple[str, str], list[int]] = {}
        for answer in self.answers:
            if answer.delegated is None and not answer.failed:
                continue
            entry = counts.setdefault((answer.rule, answer.case.op), [0, 0, 0])
            entry[2 if answer.failed else 0 if answer.delegated else 1] += 1
        return [(rule, op, *found) for (rule, op), found in sorted(counts.items())]  # type: ignore[misc]

    def surprises(self) -> list[Answer]:
        """Answers that are not what the written rule says."""
        words = {True: ("delegated", "risky", "unknown"), False: ("refused", "unknown", "risky")}
        return [
            answer
            for answer in self.answers
            if answer.delegated is not None and answer.predicted not in words[answer.delegated]
        ]


def to_toml(runs: Sequence[Run]) -> str:
    """The text of rules/measured.toml."""
    lines = [
        "# What engines did with models of one operator, made by `python -m bokehbench.probe`.",
        "# A line of results: rule, operator, and how many cases were taken, refused, and taken",
        "# and then failed.",
    ]
    for run in runs:
        silent = sum(1 for answer in run.answers if answer.delegated is None and not answer.failed)
        lines += [
            "",
            "[[run]]",
            f'delegate = "{run.target.delegate}"',
            f'engine = "{run.target.engine}"',
            f'version = "{run.target.version}"',
            f'note = "{run.note}"',
            f"cases = {len(run.answers)}",
            f"not_answered = {silent}",
            "results = '''",
        ]
        lines += [" ".join(map(str, row)) for row in run.rows()]
        lines.append("'''")
    return "\n".join(lines) + "\n"
