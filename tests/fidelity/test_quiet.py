"""Lines that a library writes to standard error."""

import subprocess
import sys

CODE = """
import os
from bokehbench.fidelity.quiet import quiet_stderr
noise = (b"INFO: noise",)
for number in range(3):
    with quiet_stderr(noise):
        os.write(2, b"before\\nINFO: noise\\nafter %d\\n" % number)
"""


def test_noise_is_held_back_once_and_all_else_passed_on() -> None:
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    # What is printed once needs no holding back twice.
    assert ended.stderr.splitlines() == [
        *("before", "after 0"),
        *("before", "INFO: noise", "after 1"),
        *("before", "INFO: noise", "after 2"),
    ]


def test_without_standard_error() -> None:
    code = (
        "from bokehbench.fidelity.quiet import quiet_stderr\n"
        "with quiet_stderr((b'INFO: noise',)): print('done')\n"
    )
    words = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code]
    ended = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    assert ended.stdout == "done\n"


def test_lpips_says_nothing() -> None:
    code = (
        "import numpy as np; from bokehbench.fidelity.lpips import shared_lpips; "
        "a = np.zeros((40, 40, 3), np.uint8); print(shared_lpips().distance(a, a))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("0.0\n", "")
