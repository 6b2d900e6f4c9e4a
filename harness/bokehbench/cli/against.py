"""`bokehbench run --against`: the two models of one run, compared backend by backend."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bokehbench.errors import UsageError
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.facts import Record
    from bokehbench.session import ModelInput


@dataclass
class Against:
    """Comparisons as documents, and as text; one that can't be made says why, in `refused` too."""

    documents: list[dict[str, object]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def refuse(self, why: str) -> None:
        """Enter what could not be compared."""
        self.refused.append(why)
        self.texts.append(clean(why))


def side_by_side(records: "Sequence[Record]", models: "Sequence[ModelInput]") -> Against:
    """Compare the second model with the first on every device, backend and precision."""
    from bokehbench.cli.compare import compared, comparison_json, describe

    found = Against()
    groups: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in records:
        evidence = record.evidence
        key = (
            evidence.device.device_id,
            evidence.engine.name,
            evidence.backend,
            evidence.precision,
        )
        groups.setdefault(key, []).append(record)
    baseline = models[0]
    for (device, engine, backend, precision), members in groups.items():
        where = f"{backend} of {engine} on {device}, precision {precision}"
        # Records come in the order of the models; the same file may stand on both sides.
        first = next((r for r in members if _is(r, baseline)), None)
        second = next((r for r in members if r is not first), None)
        if first is None or second is None:
            found.refuse(f"{where}: not both models were measured")
            continue
        try:
            comparison = compared(first, second)
        except UsageError as error:
            found.refuse(f"{where}: {error}")
            continue
        found.documents.append(comparison_json(comparison))
        found.texts.append(f"{clean(where)}\n{describe(comparison)}")
    return found


def _is(record: "Record", model: "ModelInput") -> bool:
    evidence = record.evidence
    return evidence.model.sha256 == model.facts.sha256 and evidence.label == model.label
