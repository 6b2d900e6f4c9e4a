"""Rules about what delegates take, as data: rules/*.toml, and what was measured of them."""

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from bokehbench.model.conditions import Condition, parse
from bokehbench.model.rulefiles import FOLDER, read_rules

Verdict = Literal["delegated", "refused", "risky", "unknown"]

EVERY_RULE: Final = "*"
"""The rule of what is known of an operator without its shapes and options."""

VERDICTS: Final = ("delegated", "refused", "risky", "unknown")
DELEGATES: Final = ("tflite-gpu", "litert-gpu", "xnnpack")
MEASURED: Final = "measured.toml"

_RANGE: Final = re.compile(r"([a-z]+)((?: (?:<|<=|>|>=|==)\d+(?:\.\d+)*)*)")


class Target(msgspec.Struct, frozen=True):
    """A delegate of one version of an engine."""

    delegate: str
    engine: str
    version: str

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return f"{self.delegate} ({self.engine} {self.version})"


class Span(msgspec.Struct, frozen=True):
    """An engine, and bounds on its version: relation and number."""

    engine: str
    bounds: tuple[tuple[str, tuple[int, ...]], ...]

    def holds(self, target: Target) -> bool:
        """Whether the target's engine lies within."""
        version = numbers(target.version)
        return self.engine == target.engine and all(
            _compare(version, relation, bound) for relation, bound in self.bounds
        )


class Rule(msgspec.Struct, frozen=True):
    """What a delegate does with operators that fit all conditions, and who says so.

    `source` is spelled out, `provenance` is `source`, or `measured` with engine and version.
    """

    rule: str
    ops: tuple[str, ...]
    when: tuple[str, ...]
    spans: tuple[Span, ...]
    verdict: Verdict
    reason: str
    source: str
    rewrite: str | None = None
    provenance: str = "source"

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Its conditions; they are parsed when they are asked for, most of them never.

        Raises:
            ValueError: one of them is none.
        """
        return tuple(parse(text) for text in self.when)

    def speaks_of(self, name: str) -> bool:
        """Whether it is about operators of this name."""
        return any(
            name == one or (one.endswith("*") and name.startswith(one[:-1])) for one in self.ops
        )


class RuleBook(msgspec.Struct, frozen=True):
    """All rules of one delegate, in the order in which they are asked.

    `folds` are the operators, with types, whose results on constants count as constants;
    `partitions` is how many parts the delegate takes at most, None for all.
    """

    delegate: str
    title: str
    rules: tuple[Rule, ...]
    default: Rule
    folds: tuple[str, ...]
    partitions: int | None
    digest: str


class Measured(msgspec.Struct, frozen=True):
    """What an engine did with the probe's models of one operator that one rule speaks of.

    `failed` counts those that it took, and then could not load, or died of.
    """

    delegate: str
    engine: str
    version: str
    rule: str
    op: str
    delegated: int
    refused: int
    note: str = ""
    failed: int = 0

    @property
    def verdict(self) -> Verdict:
        """What follows: cases that disagree leave the rule's question open."""
        if self.failed:
            return "risky"
        if self.delegated and self.refused:
            return "unknown"
        return "delegated" if self.delegated else "refused"


def load_book(delegate: str, folder: Path = FOLDER) -> RuleBook:
    """The rules of a delegate.

    Raises:
        ValueError: a rule is wrong; the message names it.
    """
    return _load(delegate, folder)


@functools.cache
def _load(delegate: str, folder: Path) -> RuleBook:
    document, digest = read_rules(folder / f"{delegate}.toml")
    sources = document["sources"]
    seen: set[str] = set()
    rules = []
    for entry in document["rule"]:
        rule = _rule(entry, sources)
        if rule.rule in seen:
            raise ValueError(f"{delegate}: two rules are called {rule.rule}")
        seen.add(rule.rule)
        rules.append(rule)
    default = _rule({"id": "not-listed", "ops": ["*"], **document["default"]}, sources)
    return RuleBook(
        delegate=delegate,
        title=document["title"],
        rules=tuple(rules),
        default=default,
        folds=tuple(document.get("folds", ())),
        partitions=document.get("partitions"),
        digest=digest,
    )


_KEYS: Final = {"id", "ops", "for", "when", "verdict", "reason", "source", "rewrite"}


def _rule(entry: dict[str, Any], sources: dict[str, str]) -> Rule:
    name = entry.get("id", "?")
    if set(entry) - _KEYS:
        raise ValueError(f"{name}: unknown keys {sorted(set(entry) - _KEYS)}")
    if entry["verdict"] not in VERDICTS:
        raise ValueError(f"{name}: {entry['verdict']!r} is no verdict")
    if entry["source"] not in sources:
        raise ValueError(f"{name}: no source is called {entry['source']}")
    return Rule(
        rule=name,
        ops=tuple(entry["ops"]),
        when=tuple(entry.get("when", ())),
        spans=tuple(parse_span(text) for text in entry.get("for", ())),
        verdict=entry["verdict"],
        reason=entry["reason"],
        source=sources[entry["source"]],
        rewrite=entry.get("rewrite"),
    )


def parse_span(text: str) -> Span:
    """`tflite >=2.9 <2.13` as a Span.

    Raises:
        ValueError: it is none.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no range of versions")
    bounds = re.findall(r"(<=|<|>=|>|==)([\d.]+)", match[2])
    return Span(match[1], tuple((relation, numbers(bound)) for relation, bound in bounds))


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: `2.16.1-rc0` is 2, 16, 1."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _compare(version: tuple[int, ...], relation: str, bound: tuple[int, ...]) -> bool:
    cut = version[: len(bound)] + (0,) * (len(bound) - len(version))
    return {
        "<": cut < bound,
        "<=": cut <= bound,
        ">": cut > bound,
        ">=": cut >= bound,
        "==": cut == bound,
    }[relation]


@functools.cache
def load_measured(path: Path = FOLDER / MEASURED) -> tuple[Measured, ...]:
    """What the probe measured; nothing where it was never run.

    `results` is one text, a line for each rule and operator with three counts: hundreds of TOML
    tables would take longer to parse than a model.
    """
    if not path.exists():
        return ()
    document, _ = read_rules(path)
    found = []
    for run in document.get("run", ()):
        of = run["delegate"], run["engine"], run["version"]
        for line in run["results"].splitlines():
            rule, op, taken, refused, failed = line.split()
            counts = int(taken), int(refused)
            found.append(Measured(*of, rule, op, *counts, run["note"], int(failed)))
    return tuple(found)


def measured_of(measured: Iterable[Measured], target: Target) -> dict[tuple[str, str], Measured]:
    """By rule and operator, what was measured on this very version of the engine.

    Patch releases count as the same version: the first two numbers decide.
    """
    wanted = numbers(target.version)[:2]
    return {
        (entry.rule, entry.op): entry
        for entry in measured
        if entry.delegate == target.delegate
        and entry.engine == target.engine
        and numbers(entry.version)[:2] == wanted
    }
