"""The host's own run of a model beside a device's: the same input, no accelerator.

A GPU that computes wrongly is so told from a model that is bad. The model runs in a child process
under limits, by the same runner and the same rules of conversion as on the device.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bokehbench.engines import file_sha256
from bokehbench.errors import BokehbenchError
from bokehbench.facts import Evidence, GpuOptions, HostRun, TrialSpec
from bokehbench.facts.trial import Backend
from bokehbench.phone.device import Device
from bokehbench.phone.launcher import Bench, Stop, run_images
from bokehbench.runners.protocol import OutputEvent
from bokehbench.schedule import Batch, PlannedRecord
from bokehbench.session.request import HostMachine, Prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOST_SECONDS = 60.0
HOST_SECONDS_PER_IMAGE = 120.0
"""Deadline of the host's process: kernels without a delegate are slow."""

_BACKENDS: tuple[Backend, ...] = ("cpu", "xnnpack")
"""Independent of every delegate first; older engines have only the second."""


def choose_images(batches: Iterable[Batch], count: int) -> frozenset[int]:
    """The images that the host runs too: the first of every shape, then the second, to `count`."""
    by_shape: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for batch in batches:
        by_shape.setdefault(batch.input_shapes, []).extend(batch.items)
    chosen: list[int] = []
    for round_number in range(max(map(len, by_shape.values()), default=0)):
        chosen += [items[round_number] for items in by_shape.values() if len(items) > round_number]
        if len(chosen) >= count:
            break
    return frozenset(chosen[:count])


@dataclass
class _Model:
    """One model on the host: its bench, the backend that works, or why none does."""

    bench: Bench
    backend: Backend = _BACKENDS[0]
    failure: str | None = None


class HostSide:
    """Runs models of a prepared run on the host; one that failed is not tried again."""

    def __init__(
        self,
        prepared: Prepared,
        stop: Stop,
        warn: Callable[[str], None],
        earlier: Mapping[str, Evidence],
    ) -> None:
        """Args:
        earlier: evidence of open records, by id; what a resumed run had compared counts on.
        """
        self._prepared = prepared
        self._stop = stop
        self._warn = warn
        self._device: Device | None = None
        self._models: dict[int, _Model] = {}
        self._images: dict[str, set[int]] = {
            record_id: {
                image.index
                for image in evidence.images
                if image.reference_max_difference is not None
            }
            for record_id, evidence in earlier.items()
        }

    def run(
        self,
        template: Bench,
        spec: TrialSpec,
        record: PlannedRecord,
        loaded: Mapping[int, Sequence[memoryview]],
        into: "dict[int, NDArray[Any]]",
    ) -> HostRun | None:
        """The host's outputs for the chosen images of a batch, as the runner wrote them.

        Args:
            template: the device's bench of the same model.
            loaded: raw input elements by image.
            into: gets the outputs, by image; emptied first.

        Returns:
            What ran, for all batches of the record so far; None where nothing was to run.
        """
        into.clear()
        machine = self._prepared.host
        if machine is None or not self._is_wanted(record):
            return None
        batches = self._prepared.plan.batches.get(record.model_index, ())
        chosen = choose_images(batches, self._prepared.request.images.host_images)
        items = [index for index in loaded if index in chosen]
        if not items:
            return None
        seen = self._images.setdefault(record.record_id, set())
        try:
            model = self._model(machine, template, record.model_index)
        except BokehbenchError as error:
            self._warn(f"no output of this host to compare with: {error}")
            return _facts(machine, _BACKENDS[0], len(seen), str(error))
        if model.failure is None:
            self._try(machine, model, spec, items, loaded, into)
        seen.update(into)
        return _facts(machine, model.backend, len(seen), model.failure)

    def _is_wanted(self, record: PlannedRecord) -> bool:
        # This machine's CPU beside itself would say nothing.
        return not (self._prepared.device.is_this_machine and record.backend in _BACKENDS)

    def _try(
        self,
        machine: HostMachine,
        model: _Model,
        spec: TrialSpec,
        items: Sequence[int],
        loaded: Mapping[int, Sequence[memoryview]],
        into: "dict[int, NDArray[Any]]",
    ) -> None:
        import numpy as np

        def take(event: OutputEvent, path: Path) -> None:
            kind = np.uint8 if event.dtype == "u8" else np.dtype("<f4")
            into[event.index] = np.fromfile(path, dtype=kind).reshape(event.shape)

        for backend in _BACKENDS[_BACKENDS.index(model.backend) :]:
            model.backend = backend
            own = msgspec.structs.replace(
                spec,
                record_id=f"{spec.record_id}-host",
                backend=backend,
                precision="fp32",
                threads=machine.threads,
                core_mask=0,
                gpu=GpuOptions(),
                items=tuple(items),
                deadline_seconds=HOST_SECONDS + HOST_SECONDS_PER_IMAGE * len(items),
            )
            try:
                failure = run_images(model.bench, own, loaded, take).failure
                problem = f"{failure.kind}: {failure.message}" if failure else None
            except BokehbenchError as error:
                failure, problem = None, str(error)
            if problem is None:
                return
            into.clear()
            if failure is None or failure.kind != "backend_unavailable":
                break
        model.failure = problem
        self._warn(f"no output of this host to compare with: {problem}")

    def _model(self, machine: HostMachine, template: Bench, number: int) -> _Model:
        """Runner and model where this machine runs them, once.

        Raises:
            BokehbenchError: this machine has no room for them.
        """
        if number in self._models:
            return self._models[number]
        if self._device is None:
            self._device = Device.connect(machine.transport)
        bench = replace(
            template,
            device=self._device,
            placed_model=self._device.place(
                self._prepared.request.models[number].path,
                name="model.tflite",
                sha256=template.model.sha256,
                verify=False,
            ),
            placed_runner=self._device.place(
                machine.runner,
                name="runner",
                sha256=file_sha256(machine.runner),
                executable=True,
                verify=False,
            ),
            engine=machine.engine.name,
            engine_facts=machine.engine.facts,
            engine_library=str(machine.engine.library),
            engine_folder=str(machine.engine.library.parent),
            put_blob=_no_blob,
            stop=self._stop,
            greeting=[],
            sampler=None,
            tool=None,
            app=None,
        )
        self._models[number] = _Model(bench)
        return self._models[number]


def _no_blob(_data: bytes) -> None:
    """The host's words are no evidence about the device."""


def _facts(machine: HostMachine, backend: Backend, images: int, failure: str | None) -> HostRun:
    platform, _, abi = machine.target.partition("-")
    return HostRun(
        engine=machine.engine.name,
        engine_version=machine.engine.version,
        library_sha256=machine.engine.facts.library_sha256,
        runner_sha256=file_sha256(machine.runner),
        platform=platform,
        abi=abi,
        backend=backend,
        threads=machine.threads,
        images=images,
        failure=failure,
    )
