"""What `pm`, `am` and `dumpsys` say of the app, with the cure of each refusal; pure.

Codes are those of AOSP's `PackageManager.INSTALL_*`; the texts of `am` those of its
`ActivityManagerShellCommand`.
"""

import re

from bokehbench.facts.app import ACTIVITY, PACKAGE
from bokehbench.text import clean

UNINSTALL = "bokehbench apk uninstall --device"
"""The command that a message names; the device's address follows."""

_FAILURE = re.compile(r"Failure \[(?:(\w+)(?:: ?([^\]]*))?)?")
_CURES = {
    "INSTALL_FAILED_UPDATE_INCOMPATIBLE": (
        "an app of this name with another key is installed: remove it with `{uninstall}` and run "
        "again, or sign with the key that it was signed with (BOKEHBENCH_APK_KEY)"
    ),
    "INSTALL_FAILED_SHARED_USER_INCOMPATIBLE": (
        "what an app of this name left behind has another key: `{uninstall}` and run again"
    ),
    "INSTALL_FAILED_USER_RESTRICTED": (
        "the device lets nobody install over USB: accept its question on the screen; on Xiaomi, "
        "Redmi and POCO switch on `Install via USB` in the developer options (it wants a SIM card "
        "and an account)"
    ),
    "INSTALL_FAILED_VERIFICATION_FAILURE": (
        "Play Protect or another verifier refused it: accept on the screen, or switch off `Verify "
        "apps over USB` in the developer options"
    ),
    "INSTALL_FAILED_VERIFICATION_TIMEOUT": (
        "Play Protect or another verifier did not answer: look at the screen, or switch off "
        "`Verify apps over USB` in the developer options"
    ),
    "INSTALL_FAILED_REJECTED_BY_BUILDTYPE": "the device takes signed system builds alone",
    "INSTALL_FAILED_NO_MATCHING_ABIS": (
        "the APK has no libraries for what this device runs; build it for the device's own ABI"
    ),
    "INSTALL_FAILED_CPU_ABI_INCOMPATIBLE": (
        "the APK has no libraries for what this device runs; build it for the device's own ABI"
    ),
    "INSTALL_FAILED_INSUFFICIENT_STORAGE": "the device is full: remove something and run again",
    "INSTALL_FAILED_MEDIA_UNAVAILABLE": "the device's storage is not there: restart it",
    "INSTALL_FAILED_CONTAINER_ERROR": "the device's storage took no app: free space or restart it",
    "INSTALL_FAILED_VERSION_DOWNGRADE": (
        "a newer version of the app is installed: `{uninstall}` and run again"
    ),
    "INSTALL_FAILED_OLDER_SDK": "the device's Android is too old: 7.0 or newer is needed",
    "INSTALL_FAILED_DEPRECATED_SDK_VERSION": (
        "the device's Android takes no app built for versions this old: build the APK anew with "
        "today's bokehbench"
    ),
    "INSTALL_FAILED_TEST_ONLY": "the APK is marked for tests only; build it with bokehbench",
    "INSTALL_FAILED_INVALID_APK": "the device takes it for no APK; `bokehbench apk check` tells",
    "INSTALL_FAILED_ABORTED": "the installation was ended on the device: accept it on the screen",
    "INSTALL_FAILED_MISSING_SPLIT": "the APK is a part of one only; build it with bokehbench",
    "INSTALL_FAILED_DUPLICATE_PERMISSION": "an app of another key owns a permission of this one",
    "INSTALL_FAILED_INTERNAL_ERROR": "the device's package manager failed: restart the device",
}
_PARSE_CURE = (
    "the device can't read the APK; `bokehbench apk check` tells whether it is whole, and an APK "
    "signed with v2 alone needs Android 7.0"
)
_UNKNOWN_CURE = "the device's own word is all there is"


def is_installed(said: str) -> bool:
    """Whether `pm install` says so; its exit code does not on every Android."""
    return any(line.strip() == "Success" for line in said.splitlines())


def install_failure(said: str, address: str) -> str:
    """Why `pm install` failed and what to do, in one line, from all that it said."""
    found = _FAILURE.search(said)
    if found is None or found[1] is None:
        return unnamed_failure(said)
    code, detail = found[1], clean((found[2] or "").strip())[:200]
    cure = _CURES.get(code)
    if cure is None:
        cure = _PARSE_CURE if code.startswith("INSTALL_PARSE_FAILED_") else _UNKNOWN_CURE
    cure = cure.format(uninstall=f"{UNINSTALL} {address}")
    return f"{code}{f' ({detail})' if detail else ''}: {cure}"


def unnamed_failure(said: str) -> str:
    """Why `pm` failed where it names no code, from all that it said."""
    line = last_line(said) or "nothing was said"
    if "SecurityException" in said:
        return (
            f"{line}: the device keeps the shell from installing: allow it in the developer "
            "options (`USB debugging (Security settings)` on Xiaomi), or ask who manages the device"
        )
    if "not found" in said or "can't find service" in said.lower():
        return f"{line}: the device has no package manager; is it Android, and has it booted?"
    return f"{line}: the device's own word is all there is"


def start_failure(said: str) -> str | None:
    """Why `am start` started nothing and what to do, or None when it says nothing of the kind."""
    if "does not exist" in said and "Activity class" in said:
        return (
            f"`am` knows no {PACKAGE}/{ACTIVITY}: the app was removed, or is installed for another "
            "user of the device; run again"
        )
    if "SecurityException" in said or "Permission Denial" in said:
        return (
            f"{last_line(said)}: the device keeps the shell from starting apps: allow it in the "
            "developer options (`USB debugging (Security settings)` on Xiaomi)"
        )
    if re.search(r"^Error(?: type \d+)?:|^Error type \d+", said, re.MULTILINE):
        return f"`am start` says: {last_line(said)}"
    if "not found" in said and "am:" in said:
        return f"{last_line(said)}: is this device Android?"
    return None


def last_line(said: str) -> str:
    """The last line that says something, short and safe to print."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # A Java trace ends in frames; the exception's own line tells.
    told = [line for line in lines if not line.startswith(("at ", "..."))]
    named = [line for line in told if "Exception" in line or line.startswith("Error")]
    return clean((named or told or [""])[-1])[:200]


def apk_paths(said: str) -> list[str]:
    """The installed files of the package, from `pm path PACKAGE`."""
    return [
        line.removeprefix("package:").strip()
        for line in said.splitlines()
        if line.startswith("package:/")
    ]


def uninstall_failure(said: str) -> str:
    """Why `pm uninstall` failed, from all that it said."""
    found = _FAILURE.search(said)
    if found is None or found[1] is None:
        return unnamed_failure(said)
    code = found[1]
    if code == "DELETE_FAILED_DEVICE_POLICY_MANAGER":
        return f"{code}: the device's administrator keeps it; remove it in the settings"
    if code == "DELETE_FAILED_USER_RESTRICTED":
        return f"{code}: this user may remove no apps; remove it in the settings"
    return f"{code}: remove it in the device's settings"


def why_not_in_front(window: str, power: str) -> str:
    """Why an activity may not be in front, from `dumpsys window` and `dumpsys power`."""
    if re.search(r"mWakefulness=(?!Awake)\w+", power):
        return "the screen is off and does not come on: wake the device, and unlock it"
    if re.search(
        r"(?:mDreamingLockscreen|mShowingLockscreen|isStatusBarKeyguard|isKeyguardShowing"
        r"|mKeyguardShowing|KeyguardShowing|mIsShowing)=true",
        window,
    ):
        return "the screen is locked: unlock the device"
    focus = re.search(r"mCurrentFocus=(?:Window\{\S+ \S+ ([^\s}]+)|(null))", window)
    if focus and focus[1] and PACKAGE not in focus[1]:
        return f"in front is {clean(focus[1])[:80]}: close it"
    return "look at the screen: unlock the device and close what is in front"
