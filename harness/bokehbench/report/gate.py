"""Results of a gate as JUnit XML and as Markdown for a pull request."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal
from xml.etree import ElementTree

import msgspec

from bokehbench.analysis.gate import GateLook
from bokehbench.text import clean

GateState = Literal[
    "passed",
    "regressed",
    "suspected",
    "new",
    "unmeasured",
    "invalid",
    "unlike",
    "too few",
    "unconfirmed",
    "incomplete",
    "missing",
]
"""`suspected`: no second look was wanted; `unconfirmed`: there was none to have. `incomplete`: the
run was cut short. `unmeasured`: the baseline has it, the run does not; `missing`: that, where
all of the baseline was wanted."""

FAILING: frozenset[GateState] = frozenset({"regressed", "suspected"})
UNJUDGED: frozenset[GateState] = frozenset({"new", "unmeasured"})
UNUSABLE: frozenset[GateState] = frozenset({"unlike", "too few"})
"""What was given can't be judged; the other broken ones are what became of the measurement."""

BROKEN: frozenset[GateState] = UNUSABLE | frozenset(
    {"invalid", "unconfirmed", "incomplete", "missing"}
)


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says of one record. `look` and `confirmation` are None where it can't judge.

    `record_id` is None for an entry of the baseline that the run has no record of.
    """

    name: str
    backend: str
    precision: str
    device: str
    record_id: str | None
    run_id: str
    state: GateState
    message: str
    look: GateLook | None = None
    confirmation: GateLook | None = None
    warnings: tuple[str, ...] = ()


def junit_xml(results: Sequence[GateResult], max_regression: float) -> str:
    """One test case a record: `failure` is a regression, `error` what can't be judged."""
    suite = ElementTree.Element(
        "testsuite",
        name="bokehbench gate",
        tests=str(len(results)),
        failures=str(sum(result.state in FAILING for result in results)),
        errors=str(sum(result.state in BROKEN for result in results)),
        skipped=str(sum(result.state in UNJUDGED for result in results)),
    )
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(
        properties, "property", name="max_regression", value=f"{max_regression:g}"
    )
    for run_id in _runs(results):
        ElementTree.SubElement(properties, "property", name="run", value=_xml(run_id))
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=_xml(f"{result.device}.{result.backend}.{result.precision}"),
            name=_xml(result.name),
            time=f"{(result.look.run_ms if result.look else 0.0) / 1e3:.9f}",
        )
        if result.state in FAILING:
            ElementTree.SubElement(case, "failure", message=_xml(result.message))
        elif result.state in BROKEN:
            ElementTree.SubElement(case, "error", message=_xml(result.message))
        elif result.state in UNJUDGED:
            ElementTree.SubElement(case, "skipped", message=_xml(result.message))
        if result.warnings:
            out = ElementTree.SubElement(case, "system-out")
            out.text = _xml("\n".join(result.warnings))
    ElementTree.indent(suite, " ")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, "unicode") + "\n"
    )


def markdown(results: Sequence[GateResult], max_regression: float) -> str:
    """A summary for a pull request."""
    failed = sum(result.state in FAILING for result in results)
    broken = sum(result.state in BROKEN for result in results)
    head = f"{failed} of {len(results)} became slower" if failed else _without(results)
    if broken and not failed:
        head = f"{broken} of {len(results)} can't be judged"
    lines = [
        f"### bokehbench gate: {head}",
        "",
        f"Run {_cell(', '.join(_runs(results)))}. Tolerated: {max_regression:.1%} and the noise "
        "that the device's history shows. A run fails when a fresh run confirms it."
        + (f" {broken} can't be judged." if broken and failed else ""),
        "",
        "| model | device | backend | baseline ms | now ms | change | limit | result |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        cells = [result.name, result.device, f"{result.backend} {result.precision}"]
        if result.look is None:
            cells += ["", "", "", ""]
        else:
            look = result.look
            cells += [
                f"{look.baseline_ms:.3f}",
                f"{look.run_ms:.3f}",
                f"{look.ratio - 1:+.2%}",
                f"{look.bound - 1:+.2%}",
            ]
        cells.append(f"{result.state}: {result.message}")
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    notes = [
        f"- {_cell(result.name)}: {_cell(text)}" for result in results for text in result.warnings
    ]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _without(results: Sequence[GateResult]) -> str:
    """No regression, and among how many nobody looked for one."""
    counts = Counter[str](result.state for result in results)
    said = "no regression" if counts["passed"] else "nothing to judge"
    words = (("new", "new"), ("unmeasured", "of the baseline not measured"))
    beside = [f"{counts[state]} {word}" for state, word in words if counts[state]]
    return f"{said} ({', '.join(beside)})" if beside else said


def _runs(results: Sequence[GateResult]) -> list[str]:
    return list(dict.fromkeys(result.run_id for result in results))


def _cell(text: str) -> str:
    return clean(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _xml(text: str) -> str:
    """What XML 1.0 can hold: a control character is spelled out."""
    return "\n".join(clean(line) for line in text.split("\n"))
