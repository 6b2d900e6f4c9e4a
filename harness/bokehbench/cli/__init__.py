"""The command line: the only place that prints, reads the environment, or exits."""

import atexit
import errno
import gc
import io
import os
import signal
import sys
from typing import Any, TextIO

import click

from bokehbench import __version__
from bokehbench.cli.lazy import LazyGroup
from bokehbench.errors import BokehbenchError

INTERRUPTED = 130

COMMANDS = {
    "run": "Run .tflite models on a device and record latency and fidelity.",
    "compare": "Compare two records: ratio, interval, p-value.",
    "gate": "Judge a run against a baseline; exit code 5 when it became slower.",
    "history": "Show how a model's latency went from run to run, as table and plot.",
    "replay": "Derive a record anew from its stored evidence.",
    "parse": "Read logs of Google's benchmark_model and LiteRT's tools.",
    "import-log": "Make records of such logs, measured elsewhere.",
    "ops": "Show where a record's operators ran, what each cost, and what fell back.",
    "table": "Print the challenge's table from stored records.",
    "fidelity": "Compare images with references: PSNR, SSIM, LPIPS.",
    "dataset": "Make pairs of photos: align, check, split, synthesise.",
    "records": "List, show, export and import stored records.",
    "devices": "List the devices that can be used.",
    "profiles": "Show what is known about devices, and which profile fits one.",
    "engines": "List, install, check and remove inference engines and tools.",
    "apk": "Build the app for runs inside an app; show its key; check an APK.",
    "challenge": "Reproduce printed tables, fit C, check submissions.",
    "mos": "Mean opinion scores from raters' votes.",
    "lint": "Predict which operators of a .tflite run on which delegate, and why not.",
    "inspect": "Show what a .tflite is: tensors, size, work, memory, operators.",
    "zoo": "List, export and train the challenge's models, beside its printed table.",
    "score": "Compute the challenge's score from a PSNR and a runtime.",
    "doctor": "Check this installation and say how to cure what is wrong.",
}
"""Command -> its line in `bokehbench --help`. The module of a command is imported when it is
called, so that `--help` needs neither numpy nor a database."""


@click.group(
    cls=LazyGroup,
    lines=COMMANDS,
    prefix="bokehbench.cli.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", prog_name="bokehbench")
def group() -> None:
    """Benchmark .tflite models where they will run.

    bokehbench puts a model and a small native runner on a device (DEV: a phone's serial,
    tcp:HOST:PORT, or local for this machine), proves which backend ran, measures latency,
    scores the images that the device produced, and writes challenge tables. Start with
    `bokehbench doctor`, then `bokehbench run --device DEV model.tflite`.

    Exit codes: 0 ranked or provisional, 1 measured but invalid, 2 usage or bad input, 3 device
    trouble, 4 model or runner failed, 5 regression found, 130 interrupted. With several
    backends (auto, all) a model's best one counts.
    """


def main(argv: list[str] | None = None) -> None:
    """Run a command and exit with its code; no traceback for what a user can meet."""
    # What is left at the end goes with the process. Python would search it for garbage first,
    # which takes a short command a tenth of its time.
    atexit.register(gc.freeze)
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        # A locale that lacks a letter gets it spelled out, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        result: Any = group.main(argv, prog_name="bokehbench", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        code = _complain(_one_line(error), 2)
    except BokehbenchError as error:
        code = _complain(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        code = _complain("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit):
        # The reader went away (`| head`), which click tells by SystemExit: the conventional
        # end, and no second message when the interpreter flushes at exit.
        _silence(sys.stdout)
        code = 128 + signal.SIGPIPE
    except OSError as error:
        code = _complain(_trouble(error), 2)
    except MemoryError:
        code = _complain("out of memory on this host; run with a smaller dataset or model", 2)
    sys.exit(code)


def _open_closed() -> None:
    """Give standard streams that whoever started us closed (`>&-`) an end that leads nowhere.

    Otherwise the first file that is opened takes such a stream's number, and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))


def _trouble(error: OSError) -> str:
    if error.filename:
        return f"{error.filename}: {error.strerror or error}"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return str(error.strerror or error)
    try:
        sys.stdout.flush()
    except OSError:
        # It would be tried again at exit, with a second message and another exit code.
        _silence(sys.stdout)
    # Python names no file where writing fails, only where opening does.
    return (
        f"{error.strerror}, of standard output or of temporary files; free space, or send the "
        "output elsewhere"
    )


def _silence(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _one_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text += "" if text.endswith((".", "?")) else "."
        return f"{text} See `{error.ctx.command_path} --help`."
    return text


def _complain(text: str, code: int) -> int:
    from bokehbench.text import clean

    try:
        click.echo(f"bokehbench: {clean(text)}", err=True)
    except OSError:
        # Nobody can be told; the exit code still says it.
        _silence(sys.stderr)
    return code
