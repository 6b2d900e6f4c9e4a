"""Phones of tests/phone/data as the scripts' own output, and what is true of each."""

from dataclasses import dataclass
from pathlib import Path

from bokehbench.facts import DeviceFacts
from bokehbench.phone.describe import parse_describe
from bokehbench.phone.readings import Readings, parse_conditions

DATA = Path(__file__).parent / "data"

CORES = "\n".join(
    ["8", *(f"/sys/devices/system/cpu/cpu{n}/cpufreq/cpuinfo_max_freq 2000000" for n in range(8))]
)


@dataclass(frozen=True)
class Phone:
    """One folder of texts."""

    name: str

    def text(self, part: str) -> str:
        """One of its texts, empty where it has none."""
        path = DATA / self.name / f"{part}.txt"
        return path.read_bytes().decode() if path.exists() else ""

    @property
    def linkers(self) -> str:
        """What `ls` shows of Android's linkers."""
        both = "/system/bin/linker64\n/system/bin/linker"
        return both if "64" in self.text("getprop") else "/system/bin/linker"

    def facts(self) -> DeviceFacts:
        """What DESCRIBE_SCRIPT's output says, parsed."""
        parts = {
            "uname": "Linux\n4.14.0\naarch64\nlocalhost",
            "getprop": self.text("getprop"),
            "cpuinfo": "processor\t: 0\nHardware\t: Vendor Chip",
            "meminfo": "MemTotal:        7782400 kB",
            "cores": CORES,
            "linker": self.linkers,
            "identity": self.text("identity") or "2000\n\n\n",
            "gles": self.text("gles"),
            "vulkan": self.text("vulkan"),
        }
        text = "\n".join(f"@{name}\n{body}" for name, body in parts.items())
        return parse_describe(text, f"serial-{self.name}")

    def readings(self) -> Readings:
        """What the output of `conditions_script` says, parsed."""
        parts = {
            "stat": "cpu  100 0 100 800 0 0 0 0 0 0\ncpu  110 0 110 880 0 0 0 0 0 0",
            "loadavg": "3.10 3.00 2.90 2/900 12345",
            "meminfo": "MemTotal: 7782400 kB\nMemFree: 100 kB\nMemAvailable: 3000000 kB",
            "temps": "battery 30500\ncpu-0-0 41000\nmodem -274000",
            "clocks": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq 1800000",
            "battery": "",
            "sensors": "",
            "android": "",
            "dumpsys battery": self.text("battery"),
            "dumpsys thermalservice": self.text("thermalservice"),
            "headroom": self.text("headroom"),
            "screen": self.text("screen"),
            "low power": self.text("low_power") or "null",
        }
        text = "\n".join(f"@{name}\n{body}" for name, body in parts.items())
        return parse_conditions(text)


PHONES = tuple(Phone(path.name) for path in sorted(DATA.iterdir()) if path.is_dir())
