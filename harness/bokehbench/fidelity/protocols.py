"""Fidelity protocols: how images are prepared, compared and averaged, by name or from a file.

Public code of the bokeh task disagrees on all of it, so every table prints the protocol's name, a
Record holds the protocol whole, and a shipped protocol never changes once results with it exist.
"""

from functools import cache
from pathlib import Path
from typing import Final

from bokehbench.errors import UsageError
from bokehbench.facts import FidelityRules
from bokehbench.fidelity.protocol_file import read_protocol
from bokehbench.text import clean

DEFAULT_PROTOCOL: Final = "mai22"
PROTOCOL_NAMES: Final = ("mai22", "pynet", "val294", "ntire23", "ntire23-max")
"""The protocols that are shipped, in the order in which they are listed."""

_FOLDER = Path(__file__).resolve().parent / "protocol_files"


@cache
def get_protocol(name: str) -> FidelityRules:
    """The shipped protocol of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name not in PROTOCOL_NAMES:
        known = ", ".join(PROTOCOL_NAMES)
        raise UsageError(
            f"unknown fidelity protocol {clean(name)!r}: use one of {known}, or a TOML file"
        )
    return read_protocol(_FOLDER / f"{name}.toml")


def find_protocol(word: str) -> FidelityRules:
    """The protocol that a word means: a shipped one's name, or a TOML file of the user's own.

    A word is a file when it ends in `.toml` or holds a `/`.

    Raises:
        UsageError: there is no such protocol, the file can't be used, or it takes the name of a
            shipped protocol for other rules.
    """
    if not (word.endswith(".toml") or "/" in word):
        return get_protocol(word)
    rules = read_protocol(Path(word))
    if rules.name in PROTOCOL_NAMES and rules != get_protocol(rules.name):
        raise UsageError(
            f"{clean(word)}: name: {rules.name!r} is a shipped protocol with other rules; "
            "give yours a name of its own"
        )
    return rules


def summary(rules: FidelityRules) -> str:
    """The rules in one line, for people."""
    ssim = rules.ssim
    window = f"Gaussian {ssim.size}x{ssim.size}, sigma {ssim.sigma:g}" if ssim.sigma else ""
    parts = [
        rules.values if rules.values == "uint8" else "floats",
        f"range {rules.data_range:g}",
        "full frame" if rules.crop == 0 else f"{rules.crop} px cut from each edge",
        f"SSIM {window or f'uniform {ssim.size}x{ssim.size}'}, {ssim.covariance} covariance",
    ]
    if rules.psnr.peak == "prediction_maximum":
        parts.append("PSNR's peak is the prediction's maximum")
    if rules.ms_ssim is not None:
        parts.append(f"MS-SSIM of {len(rules.ms_ssim.weights)} scales")
    if rules.lpips is not None:
        low, high = rules.lpips.range
        parts.append(f"LPIPS {rules.lpips.net} v{rules.lpips.version} on [{low:g}, {high:g}]")
    return "; ".join(parts)
