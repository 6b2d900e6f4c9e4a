"""Work of the zoo in a process of its own: a limit on memory, a deadline, one line as the answer.

TensorFlow's converter takes gigabytes, prints to both streams and ends the whole process when
memory runs out. The process that asks stays small, and lives on.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bokehbench.engines.effort import Effort
from bokehbench.engines.process import run_program
from bokehbench.errors import (
    BokehbenchError,
    DatasetError,
    EngineError,
    EngineMissing,
    RunError,
    ZooError,
)
from bokehbench.text import clean

MARK: Final = "bokehbench-zoo "
GIB: Final = 1 << 30
TAIL_CHARACTERS: Final = 300
NEAR: Final = 0.75
"""Of the limit: what a process had when an allocation failed that was not small."""

_KINDS: Final[dict[str, type[BokehbenchError]]] = {
    kind.__name__: kind for kind in (ZooError, DatasetError, EngineMissing, RunError)
}

Tell = Callable[[str], None]
"""Called about twice a second with what is being done."""


def ask(
    module: str, question: dict[str, Any], what: str, memory_bytes: int, seconds: float, tell: Tell
) -> dict[str, Any]:
    """The answer of `python -m MODULE` to a question.

    Args:
        module: a module that ends in `answer_with`.
        question: what can be said in JSON.
        what: what is being done, for messages: "exporting pynet at 1024x1024".
        memory_bytes: the most private memory of the process.
        seconds: its deadline.

    Raises:
        BokehbenchError: what the process said; a RunError where it ended without an answer.
    """
    words = [sys.executable, "-m", module, json.dumps(question | {"memory_bytes": memory_bytes})]
    effort = Effort.of(seconds, lambda told, _done, _total: tell(told))
    try:
        ended = run_program(words, effort, what)
    except EngineError as error:
        raise RunError(
            f"{what}: not done within {seconds:.0f} s; give a smaller size or a larger --seconds"
        ) from error
    marked = [line for line in ended.lines if line.startswith(MARK)]
    if marked:
        answer: dict[str, Any] = json.loads(marked[-1][len(MARK) :])
        if "error" in answer:
            kind = _KINDS.get(answer["kind"], RunError)
            raise kind(f"{what}: {answer['error']}" if kind is RunError else answer["error"])
        return answer
    raise RunError(f"{what}: {_why(ended.exit_code, ended.lines, memory_bytes)}")


def _why(code: int, lines: list[str], memory_bytes: int) -> str:
    # Stack traces of a crash, `*** …` and `@ 0x… name`, say nothing to a reader.
    words = [line.strip() for line in lines if line.strip() and line.strip()[0] not in "@*"]
    said = clean(words[-1])[:TAIL_CHARACTERS] if words else "nothing was said"
    limit = f"{memory_bytes / GIB:.3g} GiB"
    if code == -signal.SIGKILL:
        return "the process was killed, as when the machine has no memory left; give a smaller size"
    if code == -signal.SIGABRT or "memory" in said.lower() or "bad_alloc" in said:
        return f"more than {limit} of memory is needed ({said}); give a smaller size"
    if code in (-signal.SIGSEGV, -signal.SIGBUS):
        # What TensorFlow does where memory runs out in a place that does not look.
        cure = "give a smaller size"
        return f"the process crashed, as it may where more than {limit} of memory is needed; {cure}"
    word = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"the process failed with {word}: {said}"


def _status_bytes(key: str) -> int:
    """VmHWM, the most resident memory of this process, or VmData, what its limit is about.

    getrusage would count what the parent had before this program was started.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0


def _told(error: Exception, limit: int) -> str:
    said = clean(f"{type(error).__name__}: {error}")[:TAIL_CHARACTERS]
    if isinstance(error, MemoryError) or _status_bytes("VmData") > NEAR * limit:
        return f"more than {limit / GIB:.3g} GiB of memory is needed ({said}); give a smaller size"
    return f"TensorFlow's words: {said}"


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGKILL)


def answer_with(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The whole life of such a process: limits, the work, one marked line, the exit code.

    It ends with the process that asked, even when that one was killed.
    """
    question = json.loads(sys.argv[1])
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    limit = question["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    if folder := question.get("folder"):
        # What TensorFlow writes on its way goes where the user wants the result, not to /tmp.
        tempfile.tempdir = str(Path(folder))
    try:
        answer = work(question)
        answer["peak_bytes"] = _status_bytes("VmHWM")
    except BokehbenchError as error:
        answer = {"kind": type(error).__name__, "error": str(error)}
    # Whatever the libraries raise when an allocation fails, and whatever else they raise.
    except Exception as error:
        answer = {"kind": "RunError", "error": _told(error, limit)}
    sys.stdout.write(f"\n{MARK}{json.dumps(answer)}\n")
    sys.stdout.flush()
