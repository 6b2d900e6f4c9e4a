"""A bar over pairs whose number is known only when the work is planned."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bokehbench.cli.output import note


def tell_done(total: int, done: int) -> None:
    """Say what an earlier run did of the pairs, if anything."""
    if done:
        note(f"{done} of {total} pairs were done before; they are checked and kept")


@contextmanager
def pair_bar() -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """Gives what to call once with the total, and what to call after each pair."""
    if not sys.stderr.isatty():
        yield lambda _: None, lambda: None
        return
    from bokehbench.cli.progress import image_bar

    with ExitStack() as stack:
        steps: list[Callable[[], None]] = []
        yield (
            lambda total: steps.append(stack.enter_context(image_bar(total))),
            lambda: steps[0](),
        )
