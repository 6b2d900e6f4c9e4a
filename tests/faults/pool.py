"""Pool: many cells at once, each on a device that no other cell has at the time."""

import queue
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.cell import DISK_BYTES, Bed, Cell
from tests.faults.hurried import short_trials
from tests.faults.steps import FAULTS, Step, all_steps
from tests.faults.world import PROTOCOL, World
from tests.rig import TestDevice

BEDS = 15
SMALL_BEDS = 3
"""Devices with a disk of their own, which loses its files when they are switched off."""


def steps_of(world: World) -> list[Step]:
    """The steps of a run in this world."""
    return all_steps(world.content["runner"], world.runner[1].stat().st_size)


def names() -> list[tuple[str, str]]:
    """Every step's name with every fault."""
    return [(step.name, kind) for step in all_steps("0" * 64, 0) for kind in FAULTS]


def run_cells(wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Cell]:
    """Run those cells; the slow faults first, so that all devices end at about one time."""
    with tempfile.TemporaryDirectory(prefix="bokehbench-faults-") as folder:
        world = World(Path(folder))
        world.warm()
        steps = {step.name: step for step in steps_of(world)}
        free: dict[bool, queue.SimpleQueue[Bed]] = {
            True: queue.SimpleQueue(),
            False: queue.SimpleQueue(),
        }
        beds: list[Bed] = []

        def one(name: str, kind: str) -> Cell:
            waiting = free[kind == "disk full"]
            bed = waiting.get()
            try:
                return bed.meet(steps[name], kind)
            finally:
                waiting.put(bed)

        with short_trials(PROTOCOL.max_seconds):
            try:
                for number in range(BEDS):
                    small = number < SMALL_BEDS
                    own = Path(folder) / str(number)
                    own.mkdir()
                    device = TestDevice(limit_bytes=DISK_BYTES if small else None)
                    beds.append(Bed(world, own, device))
                    free[small].put(beds[-1])
                slow = ("stall", "frozen", "killed")
                order = sorted(wanted, key=lambda cell: cell[1] not in slow)
                with (
                    ThreadPoolExecutor(BEDS - SMALL_BEDS) as many,
                    ThreadPoolExecutor(SMALL_BEDS) as few,
                ):
                    futures = {
                        cell: (few if cell[1] == "disk full" else many).submit(one, *cell)
                        for cell in order
                    }
                    cells = {cell: futures[cell].result() for cell in wanted}
                # What came too late beside many others counts if it does so alone.
                return {at: one(*at) if cell.slow else cell for at, cell in cells.items()}
            finally:
                for bed in beds:
                    bed.close()
