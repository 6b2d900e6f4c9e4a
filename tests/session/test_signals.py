"""Which signals end a run."""

import signal
import subprocess
import sys

import pytest

RUN = """
import os, signal, sys
from bokehbench.session.signals import terminate_as_interrupt
number = int(sys.argv[1])
signal.signal(number, signal.SIG_IGN if sys.argv[2] == "ignored" else signal.SIG_DFL)
try:
    with terminate_as_interrupt():
        os.kill(os.getpid(), number)
    print("went on")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize(("before", "after"), [("default", "interrupted"), ("ignored", "went on")])
def test_a_signal_that_is_ignored_stays_so(number: signal.Signals, before: str, after: str) -> None:
    """`nohup bokehbench run …` outlives its terminal; without nohup a hang-up interrupts."""
    words = [sys.executable, "-c", RUN, str(int(number)), before]
    ended = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == after


SEAL = """
import os, signal, sys
from bokehbench.session.signals import no_interrupts
with no_interrupts():
    os.kill(os.getpid(), int(sys.argv[1]))
print("sealed")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_no_second_signal_tears_what_is_sealed(number: signal.Signals) -> None:
    words = [sys.executable, "-c", SEAL, str(int(number))]
    ended = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "sealed"
