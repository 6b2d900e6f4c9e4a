"""What a device can hash files and texts with, and the host's side of the same hash."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Digest:
    """A program of the device, and hashlib's name of what it computes.

    The program prints `HEX  NAME` for each file, as sha256sum does.
    """

    program: str
    algorithm: str

    def of(self, data: bytes | memoryview) -> str:
        """The hash of these bytes, in hexadecimal."""
        return hashlib.new(self.algorithm, data).hexdigest()

    def of_file(self, path: Path) -> str:
        """The hash of a file on the host."""
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, self.algorithm).hexdigest()


SHA256: Final = Digest("sha256sum", "sha256")

# sha256sum came with Android 8.0; 7.0 and 7.1 have sha1sum and md5sum (AOSP platform/system/core,
# shell_and_utilities/README.md). Against a link that flips bits any of them will do.
KNOWN: Final = (SHA256, Digest("toybox sha256sum", "sha256"), Digest("sha1sum", "sha1"))

FIND: Final = (
    "if command -v sha256sum >/dev/null 2>&1; then h=sha256sum; "
    'elif toybox sha256sum </dev/null >/dev/null 2>&1; then h="toybox sha256sum"; '
    "else h=sha1sum; fi; "
)
"""Shell text that sets `h` to the best program of KNOWN that the device has."""


def find_digest(program: str) -> Digest | None:
    """The entry of KNOWN with that program, or None."""
    return next((digest for digest in KNOWN if digest.program == program), None)
