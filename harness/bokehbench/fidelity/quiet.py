"""What a library writes to standard error, less the lines that say nothing."""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence

_lock = threading.Lock()
_heard: set[bytes] = set()


@contextlib.contextmanager
def quiet_stderr(noise: Sequence[bytes]) -> Iterator[None]:
    """Hold back the descriptor of standard error, then pass on all lines but those of `noise`.

    A library prints such lines once, so after that it is left alone.
    """
    if all(line in _heard for line in noise):
        yield
        return
    with _lock, contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
        except OSError:
            yield
            return
        stack.callback(os.close, saved)
        held = stack.enter_context(tempfile.TemporaryFile())
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            held.seek(0)
            for line in held:
                if line.rstrip() in noise:
                    _heard.add(line.rstrip())
                else:
                    with contextlib.suppress(OSError):
                        os.write(2, line)
