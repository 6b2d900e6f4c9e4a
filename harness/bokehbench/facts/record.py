"""Evidence, its seal, and the Record that joins it with what was derived.

History of the format:
bokehbench-record/1: the first.
"""

import json
from typing import Any

import msgspec

from bokehbench.facts.derived import Derived
from bokehbench.facts.fidelity import FidelityRules, HostRun
from bokehbench.facts.prediction import Prediction
from bokehbench.facts.subject import (
    DeviceFacts,
    EngineFacts,
    Factsheet,
    IoSpec,
    ModelFacts,
    RunnerFacts,
)
from bokehbench.facts.trial import (
    Backend,
    Conditions,
    DatasetFacts,
    GpuOptions,
    ImageScore,
    MeasurementProtocol,
    Precision,
    Trial,
)

RECORD_FORMAT = "bokehbench-record/1"

IMPORTED = "imported"
"""`launch` of what was not run by bokehbench, but read from a log."""


def canonical_json(value: Any) -> str:
    """The one text of a value: keys sorted, no spaces, no NaN. Hashes are taken over it.

    Raises:
        ValueError: a float in `value` is not finite.
    """
    builtins = msgspec.to_builtins(value)
    return json.dumps(
        builtins, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was observed for one model x device x engine x backend x precision.

    `trials` are the timed processes, `image_trials` the processes that ran over the
    dataset: linked by identical settings, never mixed. `reference_before` and `reference_after`
    are the processes of the reference workload on the same engine, backend and precision,
    `sustained` the one that ran for long. `timing_shape` is the first input's. `prediction` was
    made before the first process started. `launch` is `local`, `shell`, `app` or
    IMPORTED.
    """

    format: str = RECORD_FORMAT
    record_id: str
    run_id: str
    label: str | None
    created: str
    bokehbench_version: str
    model: ModelFacts
    device: DeviceFacts
    engine: EngineFacts
    runner: RunnerFacts
    launch: str
    backend: Backend
    precision: Precision
    threads: int
    core_mask: int
    gpu: GpuOptions = GpuOptions()
    protocol: MeasurementProtocol
    io: IoSpec
    timing_shape: tuple[int, ...]
    fidelity_protocol: str
    dataset: DatasetFacts | None = None
    conditions: tuple[Conditions, ...] = ()
    trials: tuple[Trial, ...] = ()
    image_trials: tuple[Trial, ...] = ()
    reference_before: tuple[Trial, ...] = ()
    reference_after: tuple[Trial, ...] = ()
    sustained: tuple[Trial, ...] = ()
    images: tuple[ImageScore, ...] = ()
    finished: bool = False
    note: str | None = None
    fidelity_rules: FidelityRules | None = None
    host_run: HostRun | None = None
    factsheet: Factsheet | None = None
    prediction: Prediction | None = None

    def seal(self) -> str:
        """sha256 over the canonical JSON of the evidence, in hexadecimal."""
        import hashlib

        return hashlib.sha256(canonical_json(self).encode()).hexdigest()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence, the seal over it (None while trials may still be added), and derived values."""

    evidence: Evidence
    seal: str | None
    derived: Derived

    @property
    def record_id(self) -> str:
        """The Record's own identifier."""
        return self.evidence.record_id

    def to_json(self) -> dict[str, Any]:
        """One flat JSON object: evidence, then `seal`, then derived values by name."""
        return {
            **msgspec.to_builtins(self.evidence),
            "seal": self.seal,
            **msgspec.to_builtins(self.derived),
        }


def evidence_from_json(value: dict[str, Any]) -> Evidence:
    """The evidence inside a Record's flat JSON object.

    Raises:
        msgspec.ValidationError: a field is missing or of another kind.
    """
    fields = set(Evidence.__struct_fields__)
    return msgspec.convert({key: item for key, item in value.items() if key in fields}, Evidence)
