"""Several devices side by side: one thread and one queue a device, one run, one journal."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bokehbench.decoding import prepare
from bokehbench.errors import BokehbenchError
from bokehbench.facts import Derived, Evidence, Record
from bokehbench.phone.launcher import Stop
from bokehbench.runners.benchmark_model import ResultFile
from bokehbench.runners.protocol import Event
from bokehbench.session import Observer, Prepared, RunOutcome, execute
from bokehbench.session.journal import Journal
from bokehbench.session.request import request_json
from bokehbench.session.signals import terminate_as_interrupt
from bokehbench.store import Store

STOP_AGAIN_SECONDS = 0.5


@dataclass
class FleetOutcome:
    """What a run left on all of its devices. `errors` are of devices that ended early.

    `fault` is what ended the run itself, to be raised by whoever has kept the records first.
    """

    run_id: str
    journal: Journal
    records: list[Record] = field(default_factory=list)
    errors: dict[str, BokehbenchError] = field(default_factory=dict)
    interrupted: bool = False
    fault: BaseException | None = None

    def add(self, address: str, outcome: RunOutcome) -> None:
        """Join one device's outcome."""
        self.records += outcome.records
        self.interrupted |= outcome.interrupted
        if outcome.lost is not None:
            self.errors[address] = outcome.lost


def run_devices(
    devices: Sequence[Prepared],
    store: Store,
    observers: Callable[[Prepared], Observer],
    warn: Callable[[str], None],
    run_id: str,
    earlier: Mapping[str, Evidence] | None = None,
) -> FleetOutcome:
    """Run what was prepared for each device; a device that fails does not stop the others.

    Raises:
        StoreError: the store can't be written; nothing has been measured yet.
    """
    journal = Journal(store, run_id, warn)
    journal.begin({"devices": [request_json(prepared) for prepared in devices]})
    outcome = FleetOutcome(run_id, journal)
    try:
        if len(devices) == 1:
            [prepared] = devices
            done = execute(prepared, journal, observers(prepared), Stop(), earlier or {})
            outcome.add(prepared.device.facts.address, done)
        else:
            _side_by_side(devices, journal, observers, earlier or {}, outcome)
    except BaseException as error:
        # Not raised from here: records that the store did not take are in the outcome's journal.
        outcome.fault = error
    broken_off = outcome.interrupted or outcome.fault is not None
    whole = bool(outcome.records) and not outcome.errors and not broken_off
    journal.finish(interrupted=not whole)
    return outcome


def _side_by_side(
    devices: Sequence[Prepared],
    journal: Journal,
    observers: Callable[[Prepared], Observer],
    earlier: Mapping[str, Evidence],
    outcome: FleetOutcome,
) -> None:
    """A thread a device; Ctrl-C reaches this thread, which stops them all."""
    stops = [Stop() for _ in devices]
    results: list[RunOutcome | BaseException | None] = [None] * len(devices)

    def work(number: int) -> None:
        prepared = devices[number]
        try:
            results[number] = execute(
                prepared, journal, observers(prepared), stops[number], earlier
            )
        except BaseException as error:
            results[number] = error

    prepare(Evidence, Derived, Event, ResultFile)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(devices))]
    for thread in threads:
        thread.start()
    stopping = False
    with terminate_as_interrupt():
        while any(thread.is_alive() for thread in threads):
            try:
                for thread in threads:
                    thread.join(STOP_AGAIN_SECONDS / len(threads))
                if stopping:
                    for stop in stops:
                        stop.now()
            except KeyboardInterrupt:
                stopping = True
    outcome.interrupted |= stopping
    for prepared, result in zip(devices, results, strict=True):
        address = prepared.device.facts.address
        if isinstance(result, RunOutcome):
            outcome.add(address, result)
        elif isinstance(result, BokehbenchError):
            outcome.errors[address] = result
        elif result is not None:
            outcome.fault = outcome.fault or result
