"""Signals of a run: which end it, and when none may."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does.

    A CI job that is cancelled, or a terminal that is closed, keeps its trials and leaves no
    process behind. A hang-up that is ignored already (nohup) stays so.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handler(signal.SIGTERM, interrupt), _handler(signal.SIGHUP, interrupt):
        yield


@contextmanager
def no_interrupts() -> Iterator[None]:
    """While records are sealed a second Ctrl-C must not tear them, nor a second hang-up.

    A terminal that closes sends one, and its shell another.
    """
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            stack.enter_context(_handler(number, signal.SIG_IGN))
        yield


@contextmanager
def _handler(
    number: signal.Signals, action: Callable[[int, FrameType | None], None] | signal.Handlers
) -> Iterator[None]:
    if signal.getsignal(number) is signal.SIG_IGN:
        yield
        return
    try:
        before = signal.signal(number, action)
    except ValueError:
        # Only the main thread may set handlers; runs in other threads go without.
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, before)
