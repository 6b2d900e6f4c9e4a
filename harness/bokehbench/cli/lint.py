"""`bokehbench lint`: will it run on the GPU? Predicted by rules, compared with devices' words."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bokehbench.cli.model_options import side_of, size_option
from bokehbench.cli.options import profile_dir_option, store_option
from bokehbench.cli.output import note, to_json
from bokehbench.cli.select import shortened
from bokehbench.errors import UsageError
from bokehbench.text import clean, counted

if TYPE_CHECKING:
    from bokehbench.facts import Evidence
    from bokehbench.model.predict import Forecast, Judged
    from bokehbench.model.rules import Target
    from bokehbench.model.structure import ModelStructure
    from bokehbench.profile import DeviceProfile

LINT_FORMAT = "bokehbench-lint/1"
MIB = 1 << 20
ENGINES = ("tflite", "litert")

_WORDS = {
    "whole": "all of it",
    "partly": "a part of it",
    "none": "nothing of it",
    "unknown": "not known",
}


@click.command("lint")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--profile", "profile_name", metavar="NAME", help="Hold memory and time against it.")
@profile_dir_option
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="DELEGATE[:ENGINE][:VERSION]",
    help="tflite-gpu:2.8, xnnpack:tflite:2.9 …; may be given more than once.  [default: all three]",
)
@size_option
@click.option("--all", "show_all", is_flag=True, help="Tell of operators that are taken, too.")
@click.option("--learned", is_flag=True, help="Use what devices said, and list where they differ.")
@click.option("--device", metavar="DEV", help="With --learned: records of one device alone.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    model: Path | None,
    profile_name: str | None,
    profile_dir: Path | None,
    targets: tuple[str, ...],
    size: tuple[int, int] | None,
    show_all: bool,
    learned: bool,
    device: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Predict which operators of MODEL a delegate takes, in how many parts, and why not.

    Nothing is run. Every verdict names its rule and where the rule is from: the delegate's public
    source, or a measurement with the engine's version. What can't be known is `unknown`.

    With --learned and no MODEL the records are listed whose devices contradict their prediction.
    """
    if model is None and not learned:
        raise click.UsageError("give a MODEL, or --learned to compare records with predictions")
    if device is not None and not learned:
        raise click.UsageError("--device goes with --learned")
    evidence = _evidence(store, device) if learned else []
    document: dict[str, Any] = {"format": LINT_FORMAT}
    lines: list[str] = []
    if model is not None:
        # A large graph is many objects and no cycles; looking for them is a tenth of the time.
        gc.disable()
        try:
            _lint(
                model, profile_name, profile_dir, targets, size, evidence, show_all, document, lines
            )
        finally:
            gc.enable()
    if learned:
        _compare(evidence, document, lines)
    if as_json:
        click.echo(to_json(document), nl=False)
    else:
        for line in lines:
            click.echo(clean(line))


def _lint(
    model: Path,
    profile_name: str | None,
    profile_dir: Path | None,
    words: Sequence[str],
    size: tuple[int, int] | None,
    evidence: "Sequence[Evidence]",
    show_all: bool,
    document: dict[str, Any],
    lines: list[str],
) -> None:
    import msgspec

    from bokehbench.model.predict import DEFAULT_TARGETS, forecast
    from bokehbench.model.rules import load_measured

    chosen = [parse_target(word) for word in words] or list(DEFAULT_TARGETS)
    profile = _profile(profile_name, profile_dir) if profile_name else None
    structure = side_of(model, size)
    measured = load_measured()
    if evidence:
        from bokehbench.model.learned import learn

        measured = (*measured, *learn(evidence))
    told = [forecast(structure, target, measured=measured) for target in chosen]
    bounds = [_bound(structure, one, profile) for one in told]
    document |= {
        "model": structure.file_name,
        "inputs": [list(structure.graph.tensors[i].shape) for i in structure.graph.inputs],
        "profile": profile.name if profile else None,
        "memory": msgspec.to_builtins(structure.memory),
        "targets": [
            {
                **msgspec.to_builtins(one.prediction),
                "roofline_ms": bound,
                "nodes": [_node(judged) for judged in one.judged],
            }
            for one, bound in zip(told, bounds, strict=True)
        ],
    }
    lines += _screen(structure, told, bounds, profile, show_all)


def parse_target(word: str) -> "Target":
    """`tflite-gpu:2.8` or `xnnpack:tflite:2.9` as a Target.

    Raises:
        UsageError: there is no such delegate or engine, or the version is none.
    """
    from bokehbench.model.predict import DEFAULT_TARGETS
    from bokehbench.model.rules import DELEGATES, Target, numbers

    delegate, *rest = word.split(":")
    if delegate not in DELEGATES:
        raise UsageError(f"--target {word}: no such delegate; known: {', '.join(DELEGATES)}")
    own = delegate.removesuffix("-gpu") if delegate.endswith("-gpu") else None
    engine = rest.pop(0) if rest and rest[0] in ENGINES else own or "litert"
    if own is not None and engine != own:
        raise UsageError(f"--target {word}: {delegate} belongs to {own}")
    default = next(one.version for one in DEFAULT_TARGETS if one.engine == engine)
    version = rest.pop(0) if rest else default
    if rest or not numbers(version):
        raise UsageError(
            f"--target {word}: give DELEGATE, DELEGATE:VERSION or xnnpack:ENGINE:VERSION, with "
            f"an engine of {' or '.join(ENGINES)} and a version like 2.16"
        )
    return Target(delegate, engine, version)


def _profile(name: str, folder: Path | None) -> "DeviceProfile":
    from bokehbench.cli.connect import profile_folders
    from bokehbench.profile import load_folders

    loaded = load_folders(profile_folders(folder))
    if name not in loaded:
        raise UsageError(
            f"--profile {name}: no such profile; known are: {', '.join(sorted(loaded))}"
        )
    return loaded[name].profile


def _bound(
    structure: "ModelStructure", told: "Forecast", profile: "DeviceProfile | None"
) -> float | None:
    if profile is None or told.target.delegate == "xnnpack":
        return None
    from bokehbench.session.forecasting import bound_ms

    return bound_ms(structure, told, profile, "default")


def _node(judged: "Judged") -> dict[str, Any]:
    rule = judged.rule
    return {
        "place": judged.place,
        "op": judged.name,
        "taken": judged.taken,
        "verdict": rule.verdict,
        "rule": rule.rule,
        "reason": rule.reason,
        "source": rule.source,
        "provenance": rule.provenance,
        "rewrite": rule.rewrite,
    }


def _screen(
    structure: "ModelStructure",
    told: "Sequence[Forecast]",
    bounds: Sequence[float | None],
    profile: "DeviceProfile | None",
    show_all: bool,
) -> list[str]:
    shapes = ", ".join(
        "x".join(map(str, structure.graph.tensors[index].shape)) for index in structure.graph.inputs
    )
    operators = counted(len(structure.graph.ops), "operator")
    lines = [f"{structure.file_name} at {shapes}: {operators}"]
    for one in told:
        lines.append(_headline(one))
    lines += _memory(structure, profile)
    for one, bound in zip(told, bounds, strict=True):
        if bound is not None and profile is not None:
            lines.append(
                f"time        at least {bound:.3g} ms on {one.target.delegate} of "
                f"{profile.gpu.name or profile.name} (roofline)"
            )
    for one in told:
        lines += _details(one, show_all)
    return lines


def _headline(told: "Forecast") -> str:
    prediction = told.prediction
    low, high = prediction.delegated_low, prediction.delegated_high
    span = str(low) if low == high else f"{low} to {high}"
    parts = "" if prediction.partitions is None else f" in {prediction.partitions} parts"
    if prediction.partitions == 1:
        parts = " in 1 part"
    risky = sum(1 for one in told.judged if one.taken and one.rule.verdict == "risky")
    risk = f", {risky} of them at risk" if risky else ""
    return (
        f"{prediction.delegate:<11} takes {_WORDS[prediction.outcome]}: {span} of "
        f"{prediction.total_nodes}{parts}{risk}  ({prediction.engine} {prediction.version})"
    )


def _memory(structure: "ModelStructure", profile: "DeviceProfile | None") -> list[str]:
    use = structure.memory
    if use.peak_fp16_bytes is None or use.peak_fp32_bytes is None:
        return [
            "memory      not known: shapes depend on values; give --size, or a model of fixed size"
        ]
    weights = sum(share.size_bytes for share in structure.weights.values())
    half = (weights + use.peak_fp16_bytes) / MIB
    full = (weights + use.peak_fp32_bytes) / MIB
    line = f"memory      weights and activations take {half:.0f} MiB in fp16, {full:.0f} in fp32"
    if profile is None:
        return [line]
    if profile.memory.bytes is None:
        return [f"{line}; the profile {profile.name} does not say how much there is"]
    there = profile.memory.bytes / MIB
    if half > there:
        return [f"{line}: more than the {there:.0f} MiB of {profile.name}; it can't run"]
    return [f"{line}, {100 * full / there:.1f} % of {profile.name}'s {there:.0f} MiB"]


def _details(told: "Forecast", show_all: bool) -> list[str]:
    """Reasons, each once, with how many operators it is about and where it is from."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    left: dict[str, int] = {}
    for one in told.judged:
        if one.rule.verdict == "delegated" and not one.taken:
            left[one.name] = left.get(one.name, 0) + 1
        elif show_all or one.rule.verdict != "delegated":
            groups.setdefault((one.name, one.rule.rule), []).append(one)
    lines = [f"{told.target.title}:"] if groups or left else []
    for (name, _), members in sorted(groups.items()):
        rule = members[0].rule
        lines.append(f"  {len(members)} x {name}: {rule.verdict}: {rule.reason}")
        lines.append(f"      [{rule.rule}] {_origin(members[0])}")
        if rule.rewrite and rule.verdict != "delegated":
            lines.append(f"      instead: {rule.rewrite}")
    if left:
        kinds = ", ".join(f"{count} x {name}" for name, count in sorted(left.items()))
        lines.append(f"  left on the CPU though supported, for what stands between: {kinds}")
    return lines


def _origin(judged: "Judged") -> str:
    rule = judged.rule
    if rule.provenance == "source":
        return rule.source
    return f"{rule.provenance}; {rule.source}"


def _evidence(store: str | None, device: str | None) -> "list[Evidence]":
    """Evidence of all records, or of one device's.

    Raises:
        UsageError: there is none of that device.
    """
    from bokehbench.derive import derive
    from bokehbench.store import RecordFilter, open_store

    with open_store(store, readonly=True, derive=derive) as opened:
        which = RecordFilter(device=device)
        found = [record.evidence for record in opened.records(which)]
        if not found and device is not None:
            known = {row.device_id for row in opened.list()}
            there = f"there are {shortened(known)}" if known else "the store is empty"
            raise UsageError(f"--device {device}: no records of it; {there}")
    return found


def _compare(evidence: "Sequence[Evidence]", document: dict[str, Any], lines: list[str]) -> None:
    from dataclasses import asdict

    from bokehbench.model.learned import difference

    predicted = [one for one in evidence if one.prediction is not None]
    found = [told for one in predicted if (told := difference(one)) is not None]
    document["records"] = len(predicted)
    document["differences"] = [asdict(one) for one in found]
    if not predicted:
        none = f"none of {len(evidence)} has a prediction" if evidence else "no records yet"
        note(f"{none}; run a model on gpu or xnnpack first")
    lines.append(f"{len(found)} of {len(predicted)} records contradict their prediction")
    for one in found:
        lines.append(
            f"  {one.record_id[:12]} {one.model} on {one.device}, {one.delegate}: predicted "
            f"{one.predicted}, reported {one.reported}"
        )
        lines += [f"      {line}" for line in one.operators]
