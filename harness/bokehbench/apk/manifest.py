"""The app's AndroidManifest.xml: what it is, what it may load, and how its activity behaves."""

from bokehbench.apk.axml import Attribute, Element, Flags, Reference, Value, encode
from bokehbench.facts.app import (
    ACTIVITY,
    LIBRARY_NAME,
    MIN_SDK,
    OPTIONAL_LIBRARIES,
    PACKAGE,
    TARGET_SDK,
)

VERSION_CODE = 1
"""The same for every build. Android refuses a lower one than what is installed, so a number that
came from the content would bar about half of all updates; `versionName` tells builds apart."""

# Resource ids of android.R.attr, from AOSP's frameworks/base public-final.xml.
_IDS = {
    "theme": 0x01010000,
    "label": 0x01010001,
    "name": 0x01010003,
    "hasCode": 0x0101000C,
    "exported": 0x01010010,
    "launchMode": 0x0101001D,
    "screenOrientation": 0x0101001E,
    "configChanges": 0x0101001F,
    "value": 0x01010024,
    "minSdkVersion": 0x0101020C,
    "versionCode": 0x0101021B,
    "versionName": 0x0101021C,
    "targetSdkVersion": 0x01010270,
    "allowBackup": 0x01010280,
    "required": 0x0101028E,
    "extractNativeLibs": 0x010104EA,
    "resizeableActivity": 0x010104F6,
    "showWhenLocked": 0x01010569,
    "turnScreenOn": 0x0101056A,
    "shell": 0x01010594,
}

_FULL_SCREEN = Reference(0x01030007)  # @android:style/Theme.NoTitleBar.Fullscreen
_SINGLE_TASK = 2
_NO_SENSOR = 5

# Every change of configuration that a manifest can name: none of them restarts the activity.
# mcc to colorMode are the low 15 bits, then grammaticalGender, fontWeightAdjustment, fontScale.
_ALL_CHANGES = Flags(0x7FFF | 0x8000 | 0x1000_0000 | 0x4000_0000)


def write_manifest(version_name: str) -> bytes:
    """The binary manifest of a build called `version_name`."""
    return encode(_manifest(version_name))


def _manifest(version_name: str) -> Element:
    return Element(
        "manifest",
        (
            *_attributes(versionCode=VERSION_CODE, versionName=version_name),
            Attribute("package", None, PACKAGE),
        ),
        (
            Element("uses-sdk", _attributes(minSdkVersion=MIN_SDK, targetSdkVersion=TARGET_SDK)),
            _application(),
        ),
    )


def _application() -> Element:
    libraries = (
        Element("uses-native-library", _attributes(name=name, required=False))
        for name in OPTIONAL_LIBRARIES
    )
    # hasCode, with the empty class of classes.dex: without code the system gives an app of this
    # target level no class loader for native libraries, and the vendor's stay out of sight.
    about = _attributes(
        label="bokehbench", hasCode=True, allowBackup=False, extractNativeLibs=False
    )
    profileable = Element("profileable", _attributes(shell=True))
    return Element("application", about, (*libraries, profileable, _activity()))


def _activity() -> Element:
    about = _attributes(
        name=ACTIVITY,
        exported=True,
        theme=_FULL_SCREEN,
        launchMode=_SINGLE_TASK,
        screenOrientation=_NO_SENSOR,
        configChanges=_ALL_CHANGES,
        resizeableActivity=False,
        showWhenLocked=True,
        turnScreenOn=True,
    )
    library = Element("meta-data", _attributes(name="android.app.lib_name", value=LIBRARY_NAME))
    return Element("activity", about, (library,))


def _attributes(**values: Value) -> tuple[Attribute, ...]:
    return tuple(Attribute(name, _IDS[name], value) for name, value in values.items())
