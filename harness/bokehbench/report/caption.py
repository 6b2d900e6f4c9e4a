"""What a table says about all of its rows: fidelity protocol, device, timing, engine."""

from collections.abc import Iterable, Sequence

from bokehbench.facts import DeviceFacts, Fidelity, Record
from bokehbench.facts.trial import Backend
from bokehbench.text import counted


def caption_lines(records: Sequence[Record], score_backend: Backend) -> list[str]:
    """One line a subject; what differs between Records is listed with semicolons."""
    if not records:
        return ["No Records."]
    lines = [
        "Fidelity: " + _joined(_fidelity(record) for record in _with_images_first(records)),
        "Device: " + _joined(device_name(record.evidence.device) for record in records),
        "Timing: " + _joined(_timing(record) for record in records),
        "Engine: " + _joined(_engine(record) for record in records),
    ]
    if score_backend != "gpu":
        lines.append(f"Score (CPU): runtime of {score_backend}, not of the GPU")
    differing = [record for record in records if _shapes_differ(record)]
    if differing:
        lines.append("Timing and fidelity differ in shape: " + _joined(map(_shapes, differing)))
    return lines


class Differing:
    """Settings that are not the same in all rows, so that cells have to name theirs."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._runtime = _more_than_one(map(_runtime_settings, records))
        # A Record without images says nothing about fidelity, so it differs from no other.
        scored = [record for record in records if scored_images(record)]
        self._fidelity = _more_than_one(map(_fidelity_settings, scored))

    def runtime_notes(self, record: Record) -> list[str]:
        """The footnote of a runtime, if settings differ."""
        return [f"{record.evidence.backend}: {_runtime_settings(record)}"] if self._runtime else []

    def fidelity_notes(self, record: Record) -> list[str]:
        """The footnote of a fidelity, if settings differ."""
        return [_fidelity_settings(record)] if self._fidelity else []


def _more_than_one(settings: Iterable[str]) -> bool:
    return len(set(settings)) > 1


def _runtime_settings(record: Record) -> str:
    facts = record.evidence
    return (
        f"{_timing(record)}, {facts.engine.name} {facts.engine.version}, "
        f"precision {facts.precision}"
    )


def _fidelity_settings(record: Record) -> str:
    facts = record.evidence
    dataset = facts.dataset
    if dataset is None:
        return f"fidelity protocol {facts.fidelity_protocol}"
    return (
        f"fidelity protocol {facts.fidelity_protocol} on {dataset.name} "
        f"({dataset.pairs} pairs, {dataset.digest[:8]}, {dataset.fit})"
    )


def device_name(device: DeviceFacts) -> str:
    """Manufacturer and model, with the chip in parentheses; the address where neither is told."""
    maker, model = device.manufacturer or "", device.model or ""
    if model.lower().startswith(maker.lower()):
        maker = ""
    name = f"{maker} {model}".strip() or device.address
    chip = device.soc or device.cpu
    return f"{name} ({chip})" if chip else name


def scored_images(record: Record) -> Fidelity | None:
    """The Record's fidelity, if it has any image that was scored."""
    fidelity = record.derived.fidelity
    return fidelity if fidelity and fidelity.images else None


def shape_text(shape: Sequence[int]) -> str:
    """`1x1024x1024x3`."""
    return "x".join(map(str, shape))


def timing_shape(record: Record) -> tuple[int, ...]:
    """The input shape that was timed."""
    return record.derived.latency.shape or record.evidence.timing_shape


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def _with_images_first(records: Sequence[Record]) -> list[Record]:
    """Those with images alone, if there are any: the others have no fidelity to tell of."""
    return [record for record in records if scored_images(record)] or list(records)


def _fidelity(record: Record) -> str:
    facts = record.evidence
    if scored_images(record) is None or facts.dataset is None:
        return f"{facts.fidelity_protocol}, no images scored"
    dataset = facts.dataset
    pairs = counted(dataset.pairs, "pair")
    return f"{facts.fidelity_protocol} on {dataset.name} ({pairs}, {dataset.fit})"


def _timing(record: Record) -> str:
    facts = record.evidence
    protocol = facts.protocol
    threads = counted(facts.threads, "thread")
    processes = counted(protocol.processes, "process", "processes")
    cores = f" on cores {facts.core_mask:x}" if facts.core_mask else ""
    place = ", in an app" if facts.launch == "app" else ""
    return (
        f"{shape_text(timing_shape(record))}, {threads}{cores}{place}, protocol {protocol.name} "
        f"({processes} of {protocol.warmups} + {protocol.runs} runs)"
    )


def _engine(record: Record) -> str:
    facts = record.evidence
    return f"{facts.engine.name} {facts.engine.version}, precision {facts.precision}"


def _shapes_differ(record: Record) -> bool:
    fidelity = scored_images(record)
    return fidelity is not None and not fidelity.same_shape_as_timing


def _shapes(record: Record) -> str:
    facts = record.evidence
    dataset = facts.dataset
    sizes = ", ".join(dataset.sizes) if dataset else "images of other sizes"
    name = facts.label or facts.model.name
    return f"{name} timed on {shape_text(timing_shape(record))}, images of {sizes}"
