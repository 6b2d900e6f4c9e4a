"""Work for several threads: one pool for all, results in order."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def usable_cores() -> int:
    """Cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def map_threads(
    work: Callable[[_Item], _Result], items: Iterable[_Item], threads: int
) -> list[_Result]:
    """`work` of every item, in order, on up to `threads` threads; on this one if that is 1."""
    todo = list(items)
    if threads <= 1 or len(todo) <= 1:
        return [work(item) for item in todo]
    return list(_pool(threads).map(work, todo))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    # Its threads live on, and with them the buffers that kernels keep for each.
    return ThreadPoolExecutor(threads, thread_name_prefix="fidelity")
