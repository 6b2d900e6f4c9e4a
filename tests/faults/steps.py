"""The steps of a run, named by what travels at that moment, and the faults that meet them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.rig.faults import AtPayload, Call, Corrupt, Cut, Fault, Stall, Unit, Way, What

FAULTS = ("cut", "stall", "corrupt", "killed", "frozen", "disk full")

UP, DOWN = Way.TO_TARGET, Way.TO_CLIENT


@dataclass(frozen=True)
class AtStep(AtPayload):
    """Before the first packet that holds the needle, once `after` has passed by.

    `skip` matches are let through; with `middle` half of the packet is let through too.
    """

    after: bytes = b""
    skip: int = 0
    middle: bool = False
    _seen: list[str] = field(default_factory=list, compare=False)

    def place(self, unit: Unit) -> int | None:
        """The index in `unit` at which the step is, None when it isn't here."""
        if "after" not in self._seen:
            if self.after not in unit.data:
                return None
            self._seen.append("after")
        if super().place(unit) is None:
            return None
        if self._seen.count("skipped") < self.skip:
            self._seen.append("skipped")
            return None
        return len(unit.data) // 2 if self.middle else 0


@dataclass(frozen=True)
class Step:
    """One moment of a run.

    `flip` is the byte, counted from the needle's first, of which `bit` is flipped. `fresh`
    names what is not on the device beforehand: "runner", "engine" or "model".
    """

    name: str
    way: Way
    needle: bytes
    flip: int = 0
    bit: int = 0
    after: bytes = b""
    skip: int = 0
    middle: bool = False
    fresh: str = ""

    def where(self) -> AtStep:
        """The moment, to be used once."""
        return AtStep(self.way, self.needle, self.after, self.skip, self.middle)


def all_steps(runner_sha256: str, runner_bytes: int) -> list[Step]:
    """The steps in their order, for a run of two timed processes and one image batch."""
    second, images = b"-time-1", b"-images-0"
    return [
        Step("greeting of the host", UP, b"host::features", 6),
        Step("greeting of the device", DOWN, b";features=", 10),
        Step("making of our folder", UP, b"mkdir -p /data/local", 30),
        Step("shared shell: its script", UP, b"KSH_VERSION", 4),
        Step("description: command", UP, b"@uname", 8),
        Step("description: answer", DOWN, b"@uname\nLinux\n", 13),
        Step("description: digest", DOWN, b"  -\n", -10, after=b"@uname\nLinux"),
        Step("shared shell: end of a command", DOWN, b" e0\n", 2, after=b"@uname\nLinux"),
        Step("collecting of leftovers", UP, b"-mtime +"),
        Step("look for the runner: command", UP, b"wc -c <"),
        Step("look for the runner: answer", DOWN, b"%d" % runner_bytes, after=b"wc -c <"),
        Step("runner: SEND", UP, b"SEND", 40, fresh="runner"),
        Step("runner: middle of DATA", UP, b"DATA", 9000, middle=True, fresh="runner"),
        Step("runner: DONE", UP, b"DONE\0\0\0\0", fresh="runner"),
        Step("runner: OKAY", DOWN, b"OKAY\0\0\0\0", fresh="runner"),
        Step("runner: size of what arrived", DOWN, b"STA2", 40, skip=1, fresh="runner"),
        Step("runner: arrival's name", UP, b"chmod 600", 8, fresh="runner"),
        Step("runner: hash and rename", UP, b'[ "$h" = "$3" ]', 4, fresh="runner"),
        Step("runner: its hash", DOWN, runner_sha256.encode(), fresh="runner"),
        Step("engine: SEND", UP, b"SEND", 40, fresh="engine"),
        Step("engine: middle of DATA", UP, b"DATA", 9000, skip=5, middle=True, fresh="engine"),
        Step("engine: hash and rename", UP, b'[ "$h" = "$3" ]', 4, fresh="engine"),
        Step("model: DATA", UP, b"TFL3", 1500, fresh="model"),
        Step("model: hash and rename", UP, b'[ "$h" = "$3" ]', 4, fresh="model"),
        Step("conditions before: command", UP, b"@loadavg", 12),
        Step("conditions before: answer", DOWN, b"@loadavg\n", 9),
        Step("making of the work folder", UP, b'&& mkdir -p "$1"', 3, after=second),
        Step("manifest: DATA", UP, b"seed:0", 5, after=second),
        Step("manifest: rename", UP, b"chmod 600", 8, after=second),
        Step("runner's start", UP, b" runs=3", 6, after=second),
        Step("runner's process id", DOWN, b"@bokehbench-", 30, after=b" runs=3"),
        Step("event hello", DOWN, b'"hello"', 25, after=second),
        Step("event backend", DOWN, b'"load_ns":', 10, after=second),
        Step("event samples", DOWN, b'"invoke_ns":[', 13, after=second),
        Step("event output", DOWN, b'"low":', 8, after=second),
        Step("event done", DOWN, b'"done","events":', 16, after=second),
        Step("runner's exit code", DOWN, b"@bokehbench-", 30, after=b'"done"'),
        Step("exit packet", DOWN, b"\x03\x01\0\0\0", 5, after=b'"done"'),
        Step("removal of the work folder", UP, b"'rm -rf \"$1\"'", 4, after=second),
        Step("image: SEND", UP, b"SEND", 60, after=images),
        Step("image: DATA", UP, b"DATA", 3000, after=images),
        Step("image runner's start", UP, b"float32:0.0:1.0", 12, 1, after=images),
        Step("image runner's event output", DOWN, b'"event":"output"', 45, after=images),
        Step("image runner's event done", DOWN, b'"done","events":', 16, after=images),
        Step("output: RECV", UP, b"RECV", 60),
        Step("output: DATA", DOWN, b"DATA", 12, after=b"RECV"),
        Step("conditions after: command", UP, b"@loadavg", 12, after=images),
        Step("conditions after: answer", DOWN, b"@loadavg\n", 9, after=images),
    ]


def fault(step: Step, kind: str, device: Callable[[str], None]) -> Fault:
    """A fault of that kind at that step; `device` does what happens to the device itself."""
    what: dict[str, What] = {
        "cut": Cut(reset=True),
        "stall": Stall(),
        "corrupt": Corrupt(step.flip, step.bit, fix_checksum=True),
    }
    return Fault(step.where(), what.get(kind) or Call(lambda: device(kind)))
