"""All data classes, frozen, with JSON forms; nothing here computes or does I/O."""

from bokehbench.facts.derived import (
    Derived,
    Fidelity,
    Finding,
    Latency,
)
from bokehbench.facts.record import (
    RECORD_FORMAT,
    Evidence,
    Record,
    canonical_json,
)
from bokehbench.facts.subject import (
    DeviceFacts,
    EngineFacts,
    Factsheet,
    InputSpec,
    IoSpec,
    ModelFacts,
    OutputSpec,
    RunnerFacts,
    TensorFacts,
)
from bokehbench.facts.trial import (
    BackendReport,
    Conditions,
    ConditionSeries,
    DatasetFacts,
    Failure,
    GpuOptions,
    ImageScore,
    MeasurementProtocol,
    OutputReport,
    Trial,
    TrialSpec,
)

__all__ = [
    "RECORD_FORMAT",
    "BackendReport",
    "ConditionSeries",
    "Conditions",
    "DatasetFacts",
    "Derived",
    "DeviceFacts",
    "EngineFacts",
    "Evidence",
    "Factsheet",
    "Failure",
    "Fidelity",
    "Finding",
    "GpuOptions",
    "ImageScore",
    "InputSpec",
    "IoSpec",
    "Latency",
    "MeasurementProtocol",
    "ModelFacts",
    "OutputReport",
    "OutputSpec",
    "Record",
    "RunnerFacts",
    "TensorFacts",
    "Trial",
    "TrialSpec",
    "canonical_json",
]
