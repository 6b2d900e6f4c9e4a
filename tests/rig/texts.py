"""Texts: what a Kirin 9000 phone (Huawei Mate 40 Pro) says about itself, for test devices.

Names, formats and ranges follow published sources of such phones; the readings are made up.
"""

import os
from pathlib import Path

PROPERTIES = {
    "ro.build.version.release": "10",
    "ro.build.version.sdk": "29",
    "ro.build.fingerprint": (
        "HUAWEI/NOH-NX9/HWNOH:10/HUAWEINOH-N29/102.0.1.155C432:user/release-keys"
    ),
    "ro.build.characteristics": "default",
    "ro.build.type": "user",
    "ro.product.manufacturer": "HUAWEI",
    "ro.product.brand": "HUAWEI",
    "ro.product.name": "NOH-NX9",
    "ro.product.model": "NOH-NX9",
    "ro.product.device": "HWNOH",
    "ro.product.board": "NOH",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
    "ro.board.platform": "kirin9000",
    "ro.hardware": "kirin9000",
    "ro.debuggable": "0",
    "ro.secure": "1",
    "sys.boot_completed": "1",
}

BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 500000
  Max charging voltage: 5000000
  Charge counter: 3784000
  status: 2
  health: 2
  present: true
  level: 86
  scale: 100
  voltage: 4187
  temperature: 298
  technology: Li-poly
"""

THERMAL = """\
IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 1
\tkilled: false
\tbroadcasts count: -1
ThermalStatusListeners:
\tcallbacks: 2
\tkilled: false
\tbroadcasts count: -1
Thermal Status: 0
Cached temperatures:
\tTemperature{mValue=34.2, mType=0, mName=cluster0, mStatus=0}
\tTemperature{mValue=33.9, mType=1, mName=gpu, mStatus=0}
\tTemperature{mValue=29.8, mType=2, mName=Battery, mStatus=0}
\tTemperature{mValue=31.0, mType=3, mName=shell_back, mStatus=0}
HAL Ready: true
HAL connection:
\tThermalHAL 2.0 connected: yes
Current temperatures from HAL:
\tTemperature{mValue=34.2, mType=0, mName=cluster0, mStatus=0}
\tTemperature{mValue=33.9, mType=1, mName=gpu, mStatus=0}
\tTemperature{mValue=29.8, mType=2, mName=Battery, mStatus=0}
\tTemperature{mValue=31.0, mType=3, mName=shell_back, mStatus=0}
Current cooling devices from HAL:
"""

DUMPSYS = {"battery": BATTERY, "thermalservice": THERMAL}

SYS = {
    "class/thermal/thermal_zone0/type": "cluster0",
    "class/thermal/thermal_zone0/temp": "34200",
    "class/thermal/thermal_zone1/type": "gpu",
    "class/thermal/thermal_zone1/temp": "33900",
    "class/thermal/thermal_zone2/type": "Battery",
    "class/thermal/thermal_zone2/temp": "29800",
    "class/hw_thermal/temp/shell_back/temp": "31000",
    "class/power_supply/Battery/type": "Battery",
    "class/power_supply/Battery/capacity": "86",
    "class/power_supply/Battery/temp": "298",
    "class/power_supply/Battery/status": "Charging",
    "class/devfreq/gpufreq/cur_freq": "104000000",
    "class/devfreq/gpufreq/max_freq": "760000000",
    "class/devfreq/gpufreq/governor": "mali_ondemand",
    "class/devfreq/gpufreq/gpu_scene_aware/utilisation": "0",
}

CORE_MAX_KHZ = (2045000,) * 4 + (2544000,) * 3 + (3130000,)


def write_sys(folder: Path) -> None:
    """Fill a folder as the device's /sys, with as many cores as this process may use.

    The kernel's own count is kept because programs compare it with /proc/cpuinfo.
    """
    files = dict(SYS)
    cores = len(os.sched_getaffinity(0))
    base = "devices/system/cpu"
    for name in ("possible", "present", "online"):
        files[f"{base}/{name}"] = f"0-{cores - 1}" if cores > 1 else "0"
    for core in range(cores):
        khz = CORE_MAX_KHZ[core % len(CORE_MAX_KHZ)]
        files[f"{base}/cpu{core}/cpufreq/cpuinfo_max_freq"] = str(khz)
        files[f"{base}/cpu{core}/cpufreq/scaling_cur_freq"] = str(khz // 2)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
