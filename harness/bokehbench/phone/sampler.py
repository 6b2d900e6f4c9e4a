"""A small loop on the device that reads sensors while a process runs -> ConditionSeries.

It is a child of the process that it watches, so that it ends with it: with its process group
when that is killed or the link is cut, half a second after it in any case, and by its own count
when nothing else ended it. It reads files with the shell's own `read`, twice a second, on the
slowest cores, and notes what it cost itself.
"""

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bokehbench.errors import DeviceError
from bokehbench.facts import ConditionSeries, DeviceFacts
from bokehbench.phone.device import SHORT_SECONDS, Device, read_text
from bokehbench.phone.sensors import TEMPERATURE, sensor_of, series_values, specs
from bokehbench.phone.transport import Deadline
from bokehbench.profile import Sensor

INTERVAL_SECONDS = 0.5
FILE = "series"
MOST_SAMPLES = 20_000
"""Almost three hours at two a second: no trial that one wants a curve of is longer."""

TICKS_PER_SECOND = 100
"""USER_HZ, the unit of /proc/PID/stat, on every Linux that Android or a Raspberry Pi runs."""

_CPU = "cpu:"

LOOP = r"""
parent=$1 left=$2 mask=$3 begun=$4
[ -z "$mask" ] || taskset -p "$mask" $$ > /dev/null || mask=
echo "@begun $begun"; echo "@mask $mask"
seen= files=
for p in /sys/devices/system/cpu/cpufreq/policy[0-9]*/scaling_cur_freq; do
  x=; IFS= read -r x < "$p"; [ -n "$x" ] || continue
  n=${p%/*}; echo "@file cpu:${n##*policy} $p"; files="$files $p"; done
[ -n "$files" ] || for p in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq; do
  x=; IFS= read -r x < "$p"; [ -n "$x" ] || continue
  n=${p%/cpufreq/*}; echo "@file cpu:${n##*/cpu} $p"; files="$files $p"; done
set -f; set -- $5; set +f
for s in "$@"; do
  k=${s%%=*}; case " $seen " in *" $k "*) continue ;; esac
  for p in ${s#*=}; do
    x=; IFS= read -r x < "$p"; [ -n "$x" ] || continue
    echo "@file $k $p"; files="$files $p"; seen="$seen $k"; break; done; done
echo "@read"
while [ "$left" -gt 0 ] && [ -d "/proc/$parent" ]; do
  left=$((left - 1))
  IFS=' ' read -r t x < /proc/uptime || t=${EPOCHREALTIME:-}
  IFS=' ' read -r a b c d e f g h i j k l m u s cu cs x < /proc/self/stat
  v="$t $u $s $cu $cs"
  for p in $files; do x=; IFS= read -r x < "$p"; v="$v;$x"; done
  echo "$v"
  sleep 0.5 || sleep 1
done
"""
"""Its output: how it began, which files it reads, `@read`, and a line for each look."""

START = (
    "f=$1 o=$2 n=$3 m=$4 s=$5; shift 5; "
    "{ IFS=' ' read -r t x < /proc/uptime; } 2> /dev/null || t=${EPOCHREALTIME:-}; "
    'sh -c "$f" sampler $$ "$n" "$m" "$t" "$s" < /dev/null > "$o" 2> /dev/null & '
    'exec "$@"'
)
"""Starts the loop and becomes the command that it watches, under one process id."""


@dataclass(frozen=True)
class Sampler:
    """What is read on one device while its trials run; made once for a run."""

    device: Device
    sensors: tuple[Sensor, ...]
    mask: str
    cores: tuple[int, ...]

    @classmethod
    def of(cls, device: Device, sensors: Sequence[Sensor]) -> "Sampler | None":
        """The sampler of a device, or None where there is nothing to read."""
        if not sensors and not any(device.facts.core_max_khz):
            return None
        cores = little_cores(device.facts)
        # The highest clock is no curve; Conditions have it.
        curves = tuple(sensor for sensor in sensors if sensor.quantity != "gpu_max_clock")
        return cls(device, curves, f"{sum(1 << core for core in cores):x}", cores)

    def around(self, argv: Sequence[str], folder: str, seconds: float) -> list[str]:
        """The command that runs `argv` in the same process, with the loop beside it.

        Args:
            folder: the trial's work folder on the device, where the readings go.
            seconds: the trial's deadline, after which the loop has ended by itself.
        """
        count = min(MOST_SAMPLES, int(seconds / INTERVAL_SECONDS) + 1)
        mask = self.mask if self.cores else ""
        target = posixpath.join(folder, FILE)
        words = specs(self.sensors)
        return ["sh", "-c", START, "sh", LOOP, target, str(count), mask, words, *argv]

    def collect(self, folder: str) -> ConditionSeries | None:
        """What the loop wrote, or None where it wrote nothing or it can't be fetched."""
        path = posixpath.join(folder, FILE)
        script = f"cat {shlex.quote(path)} 2>/dev/null; true"
        try:
            text = read_text(self.device.transport, script, Deadline.after(SHORT_SECONDS))
        except DeviceError:
            # The trial is over and stands; whether the device is still there, the next step tells.
            return None
        return parse_series(text, self.sensors, self.cores)


def little_cores(facts: DeviceFacts) -> tuple[int, ...]:
    """The cores of the lowest top clock; none where all are alike or any is unknown."""
    clocks = facts.core_max_khz
    known = [khz for khz in clocks if khz is not None]
    if len(known) < len(clocks) or len(set(known)) < 2:
        return ()
    return tuple(core for core, khz in enumerate(clocks) if khz == min(known))


def parse_series(
    text: str, sensors: Sequence[Sensor], cores: Sequence[int]
) -> ConditionSeries | None:
    """The loop's output; a line that was cut at the end is dropped."""
    head, mark, body = text.partition("\n@read\n")
    if not mark:
        return None
    said = [line.split(" ", 2) for line in head.strip().splitlines()]
    begun = next((_number(w[1]) for w in said if w[0] == "@begun" and len(w) > 1), None)
    pinned = any(w[0] == "@mask" and len(w) > 1 and w[1] for w in said)
    files = [(w[1], w[2]) for w in said if w[0] == "@file" and len(w) == 3]
    looks = [look for line in body.split("\n") if (look := _look(line, len(files)))]
    if begun is None or not looks:
        return None
    columns = {key: [look[2][place] for look in looks] for place, (key, _) in enumerate(files)}
    paths = dict(files)
    series = {
        key: series_values(sensor, columns[key])
        for key, path in paths.items()
        if (sensor := sensor_of(sensors, key, path)) is not None
    }
    wanted = dict.fromkeys(word.split("=", 1)[0] for word in specs(sensors).split())
    return ConditionSeries(
        times_ns=tuple(max(0, round((look[0] - begun) * 1e9)) for look in looks),
        cpu_khz={
            key.removeprefix(_CPU): tuple(_whole(text) for text in columns[key])
            for key in columns
            if key.startswith(_CPU)
        },
        gpu_khz=_rounded(series.get("gpu_clock", ())),
        gpu_load_percent=series.get("gpu_load", ()),
        temperatures_celsius=_temperatures(series),
        sources=paths,
        unreadable=tuple(key for key in wanted if key not in paths),
        cores=tuple(cores) if pinned else (),
        cpu_seconds_used=looks[-1][1] / TICKS_PER_SECOND,
    )


def _look(line: str, count: int) -> tuple[float, int, list[str]] | None:
    """One line: uptime, ticks that the loop has used, and a text for each file."""
    head, *values = line.split(";")
    words = head.split()
    if len(values) != count or len(words) != 5 or not all(w.isdigit() for w in words[1:]):
        return None
    uptime = _number(words[0])
    return None if uptime is None else (uptime, sum(map(int, words[1:])), values)


def _temperatures(
    series: Mapping[str, tuple[float | None, ...]],
) -> dict[str, tuple[float | None, ...]]:
    return {
        key.removeprefix(TEMPERATURE): values
        for key, values in series.items()
        if key.startswith(TEMPERATURE)
    }


def _rounded(values: Sequence[float | None]) -> tuple[int | None, ...]:
    return tuple(None if value is None else round(value) for value in values)


def _whole(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
