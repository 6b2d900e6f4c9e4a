"""The probe: cases on both sides of rules, one process each, and the rules that come of it."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from bokehbench.model.describe import read_structure
from bokehbench.model.predict import forecast
from bokehbench.model.rules import DELEGATES, Target, load_book, load_measured, measured_of
from bokehbench.probe import ask
from bokehbench.probe.ask import Told, ask_gpu, ask_xnnpack
from bokehbench.probe.cases import Case, cases
from bokehbench.probe.inside import Node, inside
from bokehbench.probe.measure import Run, to_toml
from bokehbench.probe.runner import ask_tflite
from bokehbench.probe.single import single
from tests.rig.vulkan import require_software_gpu
from tests.support.tflite import require_tflite

XNNPACK = Target("xnnpack", "litert", "2.3.0")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Path]:
    folder = tmp_path_factory.mktemp("cases")
    found = {}
    for number, case in enumerate(_unique()):
        path = folder / f"{number}.tflite"
        path.write_bytes(single(case))
        found[case] = path
    return found


class _Keyed(Case):
    """A case that can be a key."""

    def __hash__(self) -> int:
        return hash(self.label)


def _unique() -> list[Case]:
    return [_Keyed(c.op, c.inputs, c.outputs, c.options, c.version) for c in cases()]


def test_no_case_comes_twice() -> None:
    assert max(Counter(case.label for case in cases()).values()) == 1


def test_every_case_is_the_operator_that_it_says(files: dict[Case, Path]) -> None:
    for case, path in files.items():
        structure = read_structure(path)
        (op,) = structure.graph.ops
        assert (op.name, op.version) == (case.op, case.version)
        told = {key: op.options[key] for key in case.options}
        assert told == case.options, case.label


def test_rules_are_tried_on_both_sides(files: dict[Case, Path]) -> None:
    """Of the rules of XNNPACK that refuse, most have a case, and all that take have."""
    used = set()
    for path in files.values():
        used.add(forecast(read_structure(path), XNNPACK, measured=()).judged[0].rule.rule)
    names = {rule.rule for rule in load_book("xnnpack").rules}
    assert {"listed", "int8", "activation", "computed", "types", "rank"} <= used
    assert len(used & names) >= len(names) / 2, names - used


def fake(delegated: int | None) -> Told:
    return Told(delegated, 1)


def test_results_become_rules_that_are_read_back(tmp_path: Path) -> None:
    run = Run(XNNPACK, "a test")
    answers = iter([fake(1), fake(0), fake(None), None])
    chosen = [case for case in cases() if case.op == "TANH"][:4]
    run.ask(chosen, lambda _: next(answers), lambda: None)
    path = tmp_path / "measured.toml"
    path.write_text(to_toml([run]), encoding="utf-8")
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    assert document["run"][0]["not_answered"] == 2
    (entry,) = load_measured(path)
    found = (entry.rule, entry.op, entry.delegated, entry.refused, entry.failed)
    assert found == ("listed", "TANH", 1, 1, 0)
    assert entry.verdict == "unknown"
    assert [answer.case for answer in run.surprises()] == [chosen[1]]


def test_an_engine_that_crashes_or_hangs_costs_one_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"\0" * 8)
    told = ask_xnnpack(path)
    assert told.delegated is None
    assert told.why
    monkeypatch.setattr(ask, "SECONDS", 0.001)
    assert ask_xnnpack(path).why == "no answer within 0 s"


@pytest.mark.parametrize("delegate", DELEGATES)
def test_shipped_measurements_are_of_whole_runs(delegate: str) -> None:
    for one in load_measured():
        assert one.delegated + one.refused + one.failed > 0
    if delegate != "tflite-gpu":
        # No phone's GPU was here to be asked: those rules stand on their sources alone.
        assert any(one.delegate == delegate for one in load_measured())


MEASURED = [
    Target(delegate, engine, version)
    for delegate, engine, version in sorted(
        {(one.delegate, one.engine, one.version) for one in load_measured()}
    )
]


@pytest.mark.parametrize("target", MEASURED, ids=lambda target: target.title)
def test_what_was_measured_is_used_and_never_contradicts_silently(
    target: Target, files: dict[Case, Path]
) -> None:
    """Every case under the rules as written and as measured: where they differ, lint says so."""
    rows = measured_of(load_measured(), target)
    used = set()
    for case, path in files.items():
        structure = read_structure(path)
        (written,) = (one.rule for one in forecast(structure, target, measured=()).judged)
        (told,) = (one.rule for one in forecast(structure, target).judged)
        row = rows.get((written.rule, case.op))
        if row is None:
            # No answer from this engine; the next rule's measurement is not taken for this one.
            assert told.provenance == "source" or told.rule != written.rule, case.label
            continue
        used.add((written.rule, case.op))
        assert f"measured: {target.engine} {target.version}" in told.provenance, case.label
        if row.verdict != "unknown":
            assert told.verdict in (row.verdict, "risky"), case.label
        if told.verdict != written.verdict:
            assert "measured: " in told.reason, case.label
    assert used == set(rows), "a rule was renamed: run python -m bokehbench.probe"


def contradictions() -> list[str]:
    """Rows of the table in docs/models.md: written rules that an engine does not follow."""
    found: dict[tuple[str, str, str, str, str], list[str]] = {}
    for one in load_measured():
        rules = {rule.rule: rule for rule in load_book(one.delegate).rules}
        written = rules[one.rule].verdict if one.rule in rules else "refused"
        if written not in (one.verdict, "unknown") and (written, one.verdict) != (
            "risky",
            "delegated",
        ):
            key = (one.delegate, f"{one.engine} {one.version}", one.rule, written, one.verdict)
            found.setdefault(key, []).append(one.op)
    return [
        f"| {delegate} | {engine} | `{rule}` | {written} | {verdict} | {', '.join(sorted(ops))} |"
        for (delegate, engine, rule, written, verdict), ops in sorted(found.items())
    ]


def test_contradictions_are_listed() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    told = [
        line for line in text.splitlines() if line.startswith(("| xnnpack |", "| litert-gpu |"))
    ]
    assert told == contradictions()


SAMPLE = ("CONV_2D", "TRANSPOSE_CONV", "SOFTMAX", "STRIDED_SLICE", "L2_NORMALIZATION")


def of(op: str, files: dict[Case, Path]) -> list[Path]:
    return [path for case, path in files.items() if case.op == op]


@pytest.mark.parametrize("op", SAMPLE)
def test_xnnpack_does_what_the_rules_say(op: str, files: dict[Case, Path]) -> None:
    answers = 0
    for path in of(op, files):
        told = ask_xnnpack(path)
        prediction = forecast(read_structure(path), XNNPACK).prediction
        if told.delegated is None:
            continue
        answers += 1
        assert prediction.delegated_low <= told.delegated <= prediction.delegated_high, path
    assert answers > 0


@pytest.mark.real("npm")
@pytest.mark.parametrize("op", SAMPLE)
def test_so_does_that_of_tensorflow_lite(op: str, files: dict[Case, Path]) -> None:
    library = require_tflite()
    target = Target("xnnpack", "tflite", "2.9.0")
    answers = 0
    for path in of(op, files):
        told = ask_tflite(path, library)
        prediction = forecast(read_structure(path), target).prediction
        if told is None or told.delegated is None:
            continue
        answers += 1
        assert prediction.delegated_low <= told.delegated <= prediction.delegated_high, path
    assert answers > 0


@pytest.mark.real("lavapipe")
@pytest.mark.parametrize("op", ["SOFTMAX", "L2_NORMALIZATION"])
def test_so_does_the_gpu(op: str, files: dict[Case, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in require_software_gpu().environment.items():
        monkeypatch.setenv(name, value)
    target = Target("litert-gpu", "litert", "2.3.0")
    answers = 0
    for path in of(op, files):
        told = ask_gpu(path, 1)
        prediction = forecast(read_structure(path), target).prediction
        if told.delegated is None:
            continue
        answers += 1
        assert prediction.delegated_low <= told.delegated <= prediction.delegated_high, path
    assert answers > 0


def test_kernels_hold_what_lies_between_their_ends() -> None:
    """Two kernels around an operator of the CPU; a variable of both."""
    nodes = [
        Node("VAR_HANDLE", (), (10,)),
        Node("READ_VARIABLE", (10,), (11,)),
        Node("ADD", (0, 11), (12,)),
        Node("L2_NORMALIZATION", (12,), (13,)),
        Node("TANH", (13,), (14,)),
        Node("SLICE", (13,), (15,)),
        Node("ASSIGN_VARIABLE", (10, 15), ()),
        Node("SHAPE", (12,), (16,)),
    ]
    first, second = Node("DELEGATE", (0,), (10, 12)), Node("DELEGATE", (10, 13), (14,))
    assert inside(nodes, [first, second]) == {0, 1, 2, 4, 5, 6}
    assert inside(nodes, [first]) == {0, 1, 2}
    assert inside(nodes, []) == set()
