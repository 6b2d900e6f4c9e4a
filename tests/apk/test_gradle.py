"""The project for Android Studio says the same as the manifest that is written here."""

import re
from pathlib import Path
from xml.etree import ElementTree

from bokehbench.apk.axml import ANDROID_URI, Element, Flags, Reference
from bokehbench.apk.manifest import _manifest
from bokehbench.facts.app import ABIS, LIBRARY_NAME, MIN_SDK, PACKAGE, TARGET_SDK

FOLDER = Path(__file__).parents[2] / "android_app"
BUILD = (FOLDER / "build.gradle.kts").read_text(encoding="utf-8")

# Bits of ActivityInfo.CONFIG_* (AOSP), under the names that a manifest gives them.
CHANGES = {
    **{name: 1 << bit for bit, name in enumerate(("mcc", "mnc", "locale", "touchscreen"))},
    **{"keyboard": 0x10, "keyboardHidden": 0x20, "navigation": 0x40, "orientation": 0x80},
    **{"screenLayout": 0x100, "uiMode": 0x200, "screenSize": 0x400, "smallestScreenSize": 0x800},
    **{"density": 0x1000, "layoutDirection": 0x2000, "colorMode": 0x4000},
    **{"grammaticalGender": 0x8000, "fontWeightAdjustment": 1 << 28, "fontScale": 1 << 30},
}
WORDS: dict[str, object] = {
    "singleTask": 2,
    "nosensor": 5,
    "@android:style/Theme.NoTitleBar.Fullscreen": Reference(0x01030007),
    "true": True,
    "false": False,
}


def read(node: ElementTree.Element) -> tuple[str, dict[str, object], list[object]]:
    """A text manifest as names, values and children."""
    values: dict[str, object] = {}
    for name, text in node.attrib.items():
        short = name.removeprefix(f"{{{ANDROID_URI}}}")
        if short == "configChanges":
            values[short] = Flags(sum(CHANGES[word] for word in text.split("|")))
        else:
            values[short] = WORDS.get(text, text)
    return node.tag, values, [read(child) for child in node]


def told(element: Element) -> tuple[str, dict[str, object], list[object]]:
    """The same of a binary one."""
    values: dict[str, object] = {a.name: a.value for a in element.attributes}
    return element.name, values, [told(child) for child in element.children]


def test_both_manifests_say_the_same() -> None:
    _, _, [text] = read(ElementTree.parse(FOLDER / "app" / "AndroidManifest.xml").getroot())
    application = told(_manifest("x").children[1])
    # Gradle sets this one by `useLegacyPackaging`.
    assert application[1].pop("extractNativeLibs") is False
    assert re.search(r"useLegacyPackaging = false", BUILD)
    assert text == application


def test_gradle_names_what_the_host_knows() -> None:
    assert re.findall(r'applicationId = "(.+)"', BUILD) == [PACKAGE]
    assert re.findall(r"minSdk = (\d+)", BUILD) == [str(MIN_SDK)]
    assert re.findall(r"targetSdk = (\d+)", BUILD) == [str(TARGET_SDK)]
    assert re.findall(r"compileSdk = (\d+)", BUILD) == [str(TARGET_SDK)]
    [abis] = re.findall(r"abiFilters \+= listOf\((.+)\)", BUILD)
    assert [word.strip('"') for word in abis.split(", ")] == list(ABIS)
    assert re.findall(r'targets \+= "(.+)"', BUILD) == [LIBRARY_NAME]


def test_gradle_takes_the_engine_that_is_pinned() -> None:
    import tomllib

    from bokehbench import engines

    catalog = Path(engines.__file__).with_name("catalog.toml")
    text = catalog.read_text(encoding="utf-8")
    assert tomllib.loads(text)
    versions = set(re.findall(r'"org\.tensorflow:tensorflow-lite(?:-gpu)?:(.+)"', BUILD))
    assert len(versions) == 1
    assert f'"{versions.pop()}"' in text
