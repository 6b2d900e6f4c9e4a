"""Commands that Android has and a test device lacks: settings, svc, input and su, on files."""

from pathlib import Path

from tests.rig import TestDevice

SETTINGS = """\
#!/system/bin/sh
file=/data/local/tmp/settings.$2.$3
case $1 in
  get) if [ -e $file ]; then cat $file; else echo null; fi ;;
  put) echo "$4" > $file ;;
  delete) rm -f $file; echo "Deleted 1 rows" ;;
esac
"""
SVC = """\
#!/system/bin/sh
[ "$1 $2 $3" = "power stayon true" ] && settings put global stay_on_while_plugged_in 15
"""
INPUT = "#!/system/bin/sh\necho $* >> /data/local/tmp/keys\n"
SU = """\
#!/system/bin/sh
[ "$1" = 0 ] || exit 1
shift
if [ "$1 $2" = "id -u" ]; then echo 0; else exec "$@"; fi
"""
"""As AOSP's: `su 0 COMMAND...`. It makes nobody root, and says so to whoever asks."""

STAY = "stay_on_while_plugged_in"
POLICY = "devices/system/cpu/cpufreq/policy0"
LOCK = "/sys/devices/system/cpu/cpufreq/policy*/scaling_min_freq"
SLOW, FAST = "500000\n", "2045000\n"


def make_android(device: TestDevice, *, rooted: bool = False) -> None:
    """Put the commands and one clock domain on a device."""
    commands = {"settings": SETTINGS, "svc": SVC, "input": INPUT}
    for name, script in (commands | ({"su": SU} if rooted else {})).items():
        device.add_command(name, script)
    device.set_dumpsys("power", "Power Manager State:\n  mWakefulness=Asleep\n")
    folder = device.sys / POLICY
    folder.mkdir(parents=True)
    for name, text in (
        ("scaling_min_freq", SLOW),
        ("scaling_max_freq", FAST),
        ("scaling_cur_freq", SLOW),
    ):
        (folder / name).write_text(text, encoding="ascii")
        (folder / name).chmod(0o666)


def setting(device: TestDevice) -> str | None:
    """The value that keeps a device awake, None where it was never set."""
    path = device.tmp / f"settings.global.{STAY}"
    return path.read_text(encoding="ascii").strip() if path.exists() else None


def clock(device: TestDevice) -> str:
    """What the lowest clock is now."""
    return (device.sys / POLICY / "scaling_min_freq").read_text(encoding="ascii")


def folders(device: TestDevice) -> list[Path]:
    """What changes have left on a device."""
    return sorted((device.tmp / "bokehbench" / "changes").glob("*"))
