"""A model and a delegate's rules -> which operators it takes, in how many parts, and why not."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bokehbench.facts.prediction import Outcome, Prediction
from bokehbench.model.conditions import Asked, Condition
from bokehbench.model.partition import largest, partitions, with_effects
from bokehbench.model.rules import (
    EVERY_RULE,
    Measured,
    Rule,
    RuleBook,
    Target,
    load_book,
    load_measured,
    measured_of,
)
from bokehbench.model.structure import ModelStructure, OpEntry, SubGraphEntry

UNPACKS: Final = "unpacks"
"""The name of the verdict on operators that only unpack constants."""

DEFAULT_TARGETS: Final = (
    Target("tflite-gpu", "tflite", "2.16.1"),
    Target("litert-gpu", "litert", "2.3.0"),
    Target("xnnpack", "litert", "2.3.0"),
)
"""The engines that `bokehbench engines install` gets, with their delegates."""


class Judged(msgspec.Struct, frozen=True):
    """One operator under the rules. `taken` is whether the delegate gets it in the end.

    An operator that the rules would let it have is not taken where it lies in a part that the
    delegate leaves, or unpacks weights for others.
    """

    place: int
    name: str
    rule: Rule
    taken: bool = False


class Forecast(msgspec.Struct, frozen=True):
    """All operators of the graph under the rules of one target."""

    target: Target
    judged: tuple[Judged, ...]
    prediction: Prediction


def target_of(engine: str, backend: str, version: str) -> Target | None:
    """The delegate that a backend of an engine is; None where no rules are about it."""
    if backend == "xnnpack":
        return Target("xnnpack", engine, version)
    if backend == "gpu" and engine in ("tflite", "litert"):
        return Target(f"{engine}-gpu", engine, version)
    return None


def forecast(
    structure: ModelStructure,
    target: Target,
    *,
    measured: Sequence[Measured] | None = None,
    max_partitions: int | None = None,
) -> Forecast:
    """Predicts what the delegate takes of the graph that runs.

    Args:
        structure: the model, at the shapes at which it runs.
        target: the delegate and the engine's version.
        measured: what engines did with single operators; by default what is shipped.
        max_partitions: most parts that the delegate is told to take; by default its own limit.
    """
    book = load_book(target.delegate)
    graph = structure.graph
    known = measured_of(load_measured() if measured is None else measured, target)
    limit = max_partitions if max_partitions is not None else book.partitions
    if target.delegate == "xnnpack":
        limit = None
    folded = _folded(graph, book)
    unpackers = set(folded.values())
    asked = {name: _rules_of(name, book, target, known) for name in {op.name for op in graph.ops}}
    judged = [
        Judged(
            place,
            op.name,
            _unpacks(book) if place in unpackers else _judge(graph, op, asked[op.name], folded),
        )
        for place, op in enumerate(graph.ops)
    ]
    yes = {one.place for one in judged if one.rule.verdict in ("delegated", "risky")} - unpackers
    maybe = {one.place for one in judged if one.rule.verdict == "unknown"} - unpackers
    parts, taken = _taken(graph, yes, unpackers, target, limit)
    results = [(parts, taken)]
    if maybe:
        results.append(_taken(graph, yes | maybe, unpackers, target, limit))
    counts = [len(one) for _, one in results]
    numbers_of_parts = {number for number, _ in results}
    final = tuple(msgspec.structs.replace(one, taken=one.place in taken) for one in judged)
    prediction = Prediction(
        delegate=target.delegate,
        engine=target.engine,
        version=target.version,
        outcome=_outcome(min(counts), max(counts), len(graph.ops)),
        delegated_low=min(counts),
        delegated_high=max(counts),
        total_nodes=len(graph.ops),
        partitions=numbers_of_parts.pop() if len(numbers_of_parts) == 1 else None,
        operators=tuple(_lines(final, unpackers)),
        rules=book.digest,
    )
    return Forecast(target, final, prediction)


def _folded(graph: SubGraphEntry, book: RuleBook) -> dict[int, int]:
    """Tensors that the delegate sees as constants though an operator makes them -> its place."""
    found: dict[int, int] = {}
    for place, op in enumerate(graph.ops):
        if not op.inputs or not op.outputs or op.inputs[0] < 0:
            continue
        source = graph.tensors[op.inputs[0]]
        if not (source.constant or op.inputs[0] in found):
            continue
        unpacks = f"{op.name} {source.dtype}" in book.folds or op.name in book.folds
        # The delegates for GPUs look through one operator only.
        if unpacks and (book.delegate == "xnnpack" or source.constant):
            found[op.outputs[0]] = place
    return found


def _unpacks(book: RuleBook) -> Rule:
    """What the rules say of an operator that only unpacks constants for others."""
    return msgspec.structs.replace(
        book.default,
        rule=UNPACKS,
        verdict="delegated",
        reason="unpacks constants; goes along where all that need them do",
    )


class _Candidate(msgspec.Struct, frozen=True):
    """A rule about an operator's name: what it asks, and what follows where all of it holds.

    `certain` says that what follows is that the delegate takes the operator.
    """

    conditions: tuple[Condition, ...]
    rule: Rule
    answer: Rule
    certain: bool


def _rules_of(
    name: str, book: RuleBook, target: Target, known: Mapping[tuple[str, str], Measured]
) -> list[_Candidate]:
    """The rules that are about operators of a name on this engine, in their order."""
    found = []
    for rule in (*book.rules, book.default):
        if not rule.speaks_of(name) or (
            rule.spans and not any(span.holds(target) for span in rule.spans)
        ):
            continue
        told = known.get((rule.rule, name))
        if told is None and rule.verdict == "unknown":
            told = known.get((EVERY_RULE, name))
        certain = (told.verdict if told else rule.verdict) == "delegated"
        found.append(_Candidate(rule.conditions, rule, _with_measured(rule, told), certain))
    return found


def _judge(
    graph: SubGraphEntry,
    op: OpEntry,
    candidates: Sequence[_Candidate],
    folded: Mapping[int, int],
) -> Rule:
    """The answer of the first rule that fits; the last one, the book's default, always does."""
    asked = Asked(
        version=op.version,
        inputs=tuple(graph.tensors[index] if index >= 0 else None for index in op.inputs),
        outputs=tuple(graph.tensors[index] if index >= 0 else None for index in op.outputs),
        constants=frozenset(
            place
            for place, index in enumerate(op.inputs)
            if index >= 0 and (graph.tensors[index].constant or index in folded)
        ),
        options=op.options,
    )
    for one in candidates:
        still_open = None
        for condition in one.conditions:
            holds = condition.holds(asked)
            if holds is False:
                break
            if holds is None and still_open is None:
                still_open = condition.text
        else:
            if still_open is None:
                return one.answer
            if not one.certain:
                return msgspec.structs.replace(
                    one.rule,
                    verdict="unknown",
                    reason=f"{one.rule.reason}: not known before the model runs ({still_open})",
                )
    return candidates[-1].answer


def _with_measured(rule: Rule, told: Measured | None) -> Rule:
    """The rule, its verdict replaced by what the engine did where that is another."""
    if told is None:
        return rule
    word = "learned" if told.rule == EVERY_RULE else "measured"
    provenance = f"{word}: {told.engine} {told.version} ({told.note})"
    if told.verdict == "unknown":
        counts = f"{told.delegated} of {told.delegated + told.refused} cases taken"
        return msgspec.structs.replace(
            rule, provenance=f"{rule.provenance}; {provenance}: {counts}"
        )
    if told.verdict == "risky":
        reason = f"{rule.reason}; {word}: the engine failed with it"
        return msgspec.structs.replace(rule, verdict="risky", reason=reason, provenance=provenance)
    if rule.verdict == told.verdict or (rule.verdict, told.verdict) == ("risky", "delegated"):
        return msgspec.structs.replace(rule, provenance=provenance)
    reason = f"{rule.reason}; {word}: {told.verdict}"
    if told.verdict == "delegated":
        return msgspec.structs.replace(
            rule, verdict="delegated", reason=reason, provenance=provenance, rewrite=None
        )
    return msgspec.structs.replace(rule, verdict="refused", reason=reason, provenance=provenance)


def _taken(
    graph: SubGraphEntry,
    wanted: set[int],
    unpackers: set[int],
    target: Target,
    limit: int | None,
) -> tuple[int, set[int]]:
    """How many parts the delegate gets, and the places of all operators in them."""
    if target.delegate == "xnnpack":
        # An operator that unpacks weights goes along unless somebody else needs what it makes.
        readers: dict[int, list[int]] = {}
        for place, op in enumerate(graph.ops):
            for index in op.inputs:
                readers.setdefault(index, []).append(place)
        keep: set[int] = set()
        for place in sorted(unpackers, reverse=True):
            made = graph.ops[place].outputs
            if all(
                one in wanted or one in keep for index in made for one in readers.get(index, ())
            ):
                keep.add(place)
        parts = partitions(graph.ops, wanted | keep, with_effects(graph))
        return len(parts), set(largest(parts, limit))
    if len(wanted) + len(unpackers) == len(graph.ops):
        return (1 if graph.ops else 0), wanted | unpackers
    # Otherwise these stay behind. Their readers do not wait for them in TensorFlow Lite's delegate
    # (tensorflow/lite/delegates/utils.cc, FP16GraphPartitionHelper); LiteRT's was seen to wait.
    ops = graph.ops if target.delegate == "litert-gpu" else _without(graph.ops, unpackers)
    parts = partitions(ops, wanted, with_effects(graph))
    chosen = sorted(parts, key=len, reverse=True)[: len(parts) if limit is None else limit]
    return len(chosen), {place for part in chosen for place in part}


def _without(ops: Sequence[OpEntry], unpackers: set[int]) -> list[OpEntry]:
    """The same operators, those that unpack weights cut loose from their readers."""
    return [
        msgspec.structs.replace(op, outputs=()) if place in unpackers else op
        for place, op in enumerate(ops)
    ]


def _outcome(low: int, high: int, total: int) -> Outcome:
    if low == total > 0:
        return "whole"
    if high == 0:
        return "none"
    if low == 0 or high == total:
        return "unknown" if low != high else "partly"
    return "partly"


def _lines(judged: Sequence[Judged], unpackers: set[int]) -> list[str]:
    """One line for each kind of operator that is not taken for sure, and each reason."""
    groups: dict[tuple[str, str, str, str], int] = {}
    for one in judged:
        verdict: str = one.rule.verdict
        if one.place in unpackers or (verdict == "delegated" and one.taken):
            continue
        if verdict == "delegated":
            verdict, reason = "left", "supported, but in a part that the delegate leaves"
        else:
            reason = one.rule.reason
        key = (one.name, verdict, one.rule.rule, reason)
        groups[key] = groups.get(key, 0) + 1
    return [
        f"{count} x {name}: {verdict}: {reason} [{rule}]"
        for (name, verdict, rule, reason), count in sorted(groups.items())
    ]
