"""Work for several processes of one thread each: results as they come, an end with the parent."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

from bokehbench.errors import RunError
from bokehbench.fidelity.images import shown

KEPT = "; what is done stays done"
"""For work that goes on where it was."""

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def in_processes(
    work: Callable[[_Task], _Result],
    tasks: Sequence[_Task],
    jobs: int,
    name: Callable[[_Task], str],
    kept: str = "",
) -> Iterator[_Result]:
    """`work` of every task, in any order, from up to `jobs` processes; few wait at a time.

    Args:
        work: a function that other processes can import.
        tasks: what can be pickled.
        jobs: processes at most.
        name: a task's name, for messages.
        kept: what a new start finds of this one, the end of the message of a killed process.

    Raises:
        RunError: a process was killed; `name` says near which task.
    """
    # Spawned, not forked: OpenCV's and NumPy's threads don't survive a fork.
    pool = ProcessPoolExecutor(
        max(1, min(jobs, len(tasks))),
        mp_context=get_context("spawn"),
        initializer=_start,
    )
    waiting: dict[Future[_Result], _Task] = {}
    todo = iter(tasks)
    task: _Task | None = None
    try:
        while True:
            while len(waiting) < 2 * jobs:
                task = next(todo, None)
                if task is None:
                    break
                waiting[pool.submit(work, task)] = task
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                del waiting[future]
                yield result
    # A pool whose process was killed refuses new tasks as well as results.
    except BrokenProcessPool:
        at_work = list(waiting.values())[:jobs] or [one for one in (task,) if one is not None]
        near = ", ".join(shown(name(one)) for one in at_work)
        raise RunError(
            f"a worker was killed near pair {near}, maybe for want of memory: start again with "
            f"fewer --jobs{kept}"
        ) from None
    finally:
        _end(pool)


def _start() -> None:
    """One thread a process, and an end when the parent's comes, however it comes."""
    import cv2

    # Ctrl-C reaches all of a terminal's processes; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
    parent = parent_process()
    if parent is not None:
        watch = threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True)
        watch.start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _end(pool: ProcessPoolExecutor) -> None:
    """End the workers now: what they are at would be done again anyway."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
