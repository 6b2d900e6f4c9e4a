"""A device behind a transport: describe it, place files by content hash, run and clean up."""

import contextlib
import posixpath
import re
import secrets
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bokehbench.errors import DeviceError, DeviceLost, TransferError
from bokehbench.facts import DeviceFacts
from bokehbench.phone.describe import DESCRIBE_SCRIPT, parse_describe
from bokehbench.phone.digest import FIND, SHA256, Digest, find_digest
from bokehbench.phone.transport import CommandResult, Deadline, Transport

SHORT_SECONDS = 30.0
"""Deadline of commands that only look or tidy."""

PUSH_SECONDS = 600.0
"""Deadline of placing one file."""

LOST_SECONDS = 5.0
"""Deadline of tidying up on a device that may just have been lost."""

SYNC = '{ timeout 60 fsync "$1" || timeout 60 sync "$1" || true; } 2>/dev/null'
"""Toybox has `fsync` and a `sync` that takes no file; coreutils has a `sync` that does."""

_BLOCK = 1 << 20

LEFTOVER_DAYS = 1
"""A work folder older than that belongs to a run that died: no trial lasts a day."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Placed:
    """A file on a device under the folder that its content names."""

    path: str
    sha256: str
    sent_bytes: int

    @property
    def folder(self) -> str:
        """The folder of the file."""
        return posixpath.dirname(self.path)


class Device:
    """One device that has described itself.

    Files live in `<root>/<sha256>/<name>`, read-only; a trial's own files in
    `<root>/work/<id>/`, which is wiped when the trial is over.
    """

    def __init__(self, transport: Transport, facts: DeviceFacts, digest: Digest = SHA256) -> None:
        self.transport = transport
        self.facts = facts
        self.digest = digest

    @classmethod
    def connect(cls, transport: Transport) -> "Device":
        """Ask the device what it is, in one round trip.

        Raises:
            DeviceError: it does not answer, or its answer was cut or altered.
        """
        deadline = Deadline.after(SHORT_SECONDS)
        try:
            text, digest = read_text_and_digest(transport, DESCRIBE_SCRIPT, deadline)
        except DeviceLost as error:
            raise DeviceLost(
                f"{error}; see that the device is on and connected, and run again"
            ) from error
        return cls(transport, parse_describe(text, transport.address), digest)

    @property
    def is_this_machine(self) -> bool:
        """Whether host and device are one and the same."""
        return self.facts.address == "local"

    def shell(self, script: str, *args: str, seconds: float = SHORT_SECONDS) -> CommandResult:
        """Run a shell script with `$1`, `$2`... set to `args`; no quoting is needed."""
        return self.transport.run(
            ["sh", "-c", script, "sh", *args], deadline=Deadline.after(seconds)
        )

    def check_shell(self, what: str, script: str, *args: str) -> str:
        """Run a script that has to succeed; its stdout as text.

        Raises:
            DeviceError: it failed or did not end in time.
        """
        result = self.shell(script, *args)
        if result.timed_out or result.exit_code != 0:
            raise DeviceError(f"{self.facts.address}: {what}: {result.describe()}")
        return result.stdout.decode("utf-8", "replace")

    def place(
        self, source: Path, *, name: str, sha256: str, executable: bool = False, verify: bool
    ) -> Placed:
        """Put a file on the device unless the same bytes are there already.

        A file that is there is known by its folder and its size; `verify` hashes it again.

        The file arrives under a temporary name, is hashed on the device, made read-only,
        written to the disk and then renamed, so no half of it can ever be taken for the whole,
        not even after the device lost its power.

        Raises:
            TransferError: it did not arrive whole.
        """
        if not _NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError(f"not a name for a device: {name!r} {sha256!r}")
        folder = posixpath.join(self.transport.root, sha256)
        target = posixpath.join(folder, name)
        size = source.stat().st_size
        digest = sha256 if self.digest == SHA256 else self.digest.of_file(source)
        look = 'mkdir -p "$2" && [ -f "$1" ] && wc -c < "$1"'
        if verify:
            look += f' && {self.digest.program} < "$1"'
        known = self.shell(look, target, folder, seconds=PUSH_SECONDS).stdout.split()
        wanted = [str(size).encode(), digest.encode()][: 2 if verify else 1]
        if known[: len(wanted)] == wanted:
            return Placed(target, sha256, 0)
        # A name of its own: two hosts may be placing the same bytes at once.
        arriving = posixpath.join(folder, f"arriving-{secrets.token_hex(4)}-{name}")
        self.transport.push(source, arriving, mode=0o600, deadline=Deadline.after(PUSH_SECONDS))
        mode = "0555" if executable else "0444"
        result = self.shell(
            f'h=$({self.digest.program} < "$1"); h=${{h%% *}}; echo "$h"; '
            f'[ "$h" = "$3" ] && chmod "$4" "$1" && {SYNC} && mv -f "$1" "$2" || '
            '{ rm -f "$1"; exit 1; }',
            arriving,
            target,
            digest,
            mode,
            seconds=PUSH_SECONDS,
        )
        if result.exit_code != 0:
            got = result.stdout.decode("ascii", "replace").strip() or "no hash"
            raise TransferError(
                f"{self.facts.address}: {source.name} did not arrive whole "
                f"({self.digest.algorithm} {got[:12]} instead of {digest[:12]}); is the disk full?"
            )
        return Placed(target, sha256, size)

    @contextlib.contextmanager
    def work_folder(self, work_id: str) -> Iterator[str]:
        """A folder for one trial's own files, removed with all that is in it afterwards."""
        folder = posixpath.join(self.transport.root, "work", work_id)
        self.check_shell("can't make a work folder", 'rm -rf "$1" && mkdir -p "$1"', folder)
        seconds = SHORT_SECONDS
        try:
            yield folder
        except DeviceError:
            # The device may be gone: what is left is collected by a later run.
            seconds = LOST_SECONDS
            raise
        finally:
            with contextlib.suppress(DeviceError):
                self.shell('rm -rf "$1"', folder, seconds=seconds)

    def collect(self) -> None:
        """Remove what runs that died days ago left in our folder."""
        # Not -mmin, which Android 7's find does not know; and not `+0`, which it takes for
        # anything older than a second.
        old = f"-mtime +{LEFTOVER_DAYS}"
        self.shell(
            f'find "$1/work" -mindepth 1 -maxdepth 1 {old} -exec rm -rf {{}} + 2>/dev/null; '
            'find "$1" -mindepth 2 -maxdepth 2 '
            # What a push leaves that lost its link, and what a placing leaves.
            f'"(" -name "arriving-*" -o -name ".*.part" ")" {old} -exec rm -f {{}} + '
            "2>/dev/null; true",
            self.transport.root,
        )

    def answers(self, seconds: float) -> bool:
        """Whether the device runs a command now; a link that broke is made anew."""
        try:
            result = self.shell("echo here", seconds=seconds)
        except DeviceError:
            return False
        return result.stdout == b"here\n" and result.exit_code == 0

    def kill(self, pid_file: str) -> None:
        """Kill the process whose pid a file on the device holds, and its group, if they run."""
        with contextlib.suppress(DeviceError):
            self.shell(
                '[ -s "$1" ] && p=$(cat "$1") && kill -9 "-$p" "$p" 2>/dev/null; true',
                pid_file,
                seconds=LOST_SECONDS,
            )

    def fetch(self, path: str, limit_bytes: int) -> bytes | None:
        """A file of the device, hashed there and here; None where there is none.

        Of a longer file its first bytes, in whole MiB.

        Raises:
            TransferError: it did not come whole.
        """
        name = posixpath.basename(path)
        script = (
            '[ -f "$1" ] || exit 1; f=$1; [ "$(wc -c < "$f")" -le "$2" ] || { f=$1.cut; '
            f'dd if="$1" of="$f" bs={_BLOCK} count="$3" 2>/dev/null; }}; '
            f'printf "%s\\n" "$f"; wc -c < "$f"; {self.digest.program} < "$f"'
        )
        blocks = max(1, limit_bytes // _BLOCK)
        told = self.shell(script, path, str(limit_bytes), str(blocks), seconds=PUSH_SECONDS)
        if told.exit_code == 1 and not told.stdout:
            return None
        there, *rest = told.stdout.decode("utf-8", "replace").split("\n")
        words = " ".join(rest).split()
        if told.exit_code != 0 or len(words) < 2:
            raise TransferError(f"{self.facts.address}: {name} can't be read")
        if words[0] == "0":
            return b""
        with tempfile.TemporaryDirectory(prefix="bokehbench-") as folder:
            target = Path(folder) / "file"
            self.transport.pull(there, target, deadline=Deadline.after(PUSH_SECONDS))
            data = target.read_bytes()
        if self.digest.of(data) != words[1]:
            raise TransferError(f"{self.facts.address}: {name} arrived altered")
        return data


def read_text(transport: Transport, script: str, deadline: Deadline) -> str:
    """Run a script and take its text only with a digest that matches.

    A link can flip a byte and adb does not notice (docs/protocol.md), in what is asked as in
    what is answered, so the text travels with a hash of both.

    Raises:
        DeviceError: the device does not answer, or the text was cut or altered.
    """
    return read_text_and_digest(transport, script, deadline)[0]


def read_text_and_digest(
    transport: Transport, script: str, deadline: Deadline
) -> tuple[str, Digest]:
    """As `read_text`; the second is what the device hashed with, the best that it has."""
    wrapped = (
        f'{FIND}text=$(eval "$1"); printf \'%s\' "$text"; '
        'printf \'\\n@digest %s \' "$h"; printf \'%s\\n%s\' "$1" "$text" | $h'
    )
    result = transport.run(["sh", "-c", wrapped, "sh", script], deadline=deadline)
    if result.timed_out:
        raise DeviceError(f"{transport.address}: no answer within {deadline.seconds:.0f} s")
    body, mark, line = result.stdout.rpartition(b"\n@digest ")
    if not mark:
        raise DeviceError(f"{transport.address}: can't be described: {result.describe()}")
    words = line.decode("ascii", "replace").split()
    # PROGRAM HEX -, and the program may be of two words
    digest = find_digest(" ".join(words[:-2]))
    both = script.encode() + b"\n" + body
    if digest is None or words[-2] != digest.of(both):
        raise DeviceError(
            f"{transport.address}: the description arrived altered "
            f"({len(body)} bytes, digest {shlex.quote(' '.join(words)[:80])})"
        )
    return body.decode("utf-8", "replace"), digest
