"""What Android's own tools and androguard say of our APKs, and of altered ones."""

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bokehbench.apk import ApkFile
from bokehbench.apk.manifest import _IDS
from bokehbench.apk.sections import split
from bokehbench.apk.signing import V2_ID
from bokehbench.facts.app import LIBRARY_NAME, OPTIONAL_LIBRARIES, PACKAGE
from tests.apk.conftest import Parts
from tests.support.apk import ask


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Keep androguard's log of everything it reads out of the tests."""
    from loguru import logger

    logger.disable("androguard")


@pytest.mark.real("apksigner")
def test_apksigner_accepts_both_schemes(apk: ApkFile) -> None:
    answer = ask("apksigner", "verify", "--verbose", "--print-certs", apk.path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "WARNING" not in answer.stdout + answer.stderr
    assert "(APK Signature Scheme v2): true" in answer.stdout
    assert "(APK Signature Scheme v3): true" in answer.stdout
    assert f"certificate SHA-256 digest: {apk.cert_sha256}" in answer.stdout


@pytest.mark.real("apksigner")
@pytest.mark.parametrize("parts", ["arm64-v8a"], indirect=True)
@pytest.mark.parametrize("what", ["library", "directory", "stripped"])
def test_apksigner_rejects_what_was_altered(what: str, apk: ApkFile, tmp_path: Path) -> None:
    data = bytearray(apk.path.read_bytes())
    sections = split(bytes(data))
    if what == "library":
        data[len(sections.entries) - 1000] ^= 1
    elif what == "directory":
        data[-30 - len("lib/")] ^= 1
    else:
        data = bytearray(sections.with_block({V2_ID: sections.block[V2_ID]}))
    path = tmp_path / "altered.apk"
    path.write_bytes(data)
    answer = ask("apksigner", "verify", path)
    assert answer.returncode != 0
    assert "DOES NOT VERIFY" in answer.stdout + answer.stderr or "ApkFormat" in answer.stderr


@pytest.mark.real("aapt2")
def test_aapt2_reads_what_the_app_is(apk: ApkFile, parts: Parts) -> None:
    badging = ask("aapt2", "dump", "badging", apk.path)
    assert badging.returncode == 0, badging.stderr
    assert f"package: name='{PACKAGE}' versionCode='1' versionName='{apk.version_name}'" in (
        badging.stdout
    )
    for line in ("sdkVersion:'24'", "targetSdkVersion:'34'", f"native-code: '{parts.abi}'"):
        assert line in badging.stdout.splitlines()
    assert "debuggable" not in badging.stdout


@pytest.mark.real("aapt2")
def test_aapt2_reads_every_attribute(apk: ApkFile) -> None:
    """Compared with what aapt2 29 itself makes of the same manifest as text."""
    tree = ask("aapt2", "dump", "xmltree", apk.path, "--file", "AndroidManifest.xml").stdout
    found = [re.sub(r"http\S+res/android:", "", line).strip() for line in tree.splitlines()]
    for line in (
        "A: extractNativeLibs(0x010104ea)=false",
        "A: hasCode(0x0101000c)=true",
        "A: shell(0x01010594)=true",
        "A: theme(0x01010000)=@0x01030007",
        "A: exported(0x01010010)=true",
        "A: launchMode(0x0101001d)=2",
        "A: screenOrientation(0x0101001e)=5",
        "A: resizeableActivity(0x010104f6)=false",
        "A: showWhenLocked(0x01010569)=true",
        "A: turnScreenOn(0x0101056a)=true",
        f'A: value(0x01010024)="{LIBRARY_NAME}" (Raw: "{LIBRARY_NAME}")',
        *(f'A: name(0x01010003)="{name}" (Raw: "{name}")' for name in OPTIONAL_LIBRARIES),
    ):
        assert line in found
    [changes] = re.findall(r"configChanges\(0x0101001f\)=0x([0-9a-f]+)", tree)
    # All that aapt2 29 knows by name, from mcc to fontScale.
    assert int(changes, 16) & 0x40007FFF == 0x40007FFF


@pytest.mark.real("zipalign")
def test_zipalign_finds_everything_in_place(apk: ApkFile) -> None:
    answer = ask("zipalign", "-c", "-p", "-v", "4", apk.path)
    assert answer.returncode == 0, answer.stdout
    assert "Verification successful" in answer.stdout
    places = re.findall(r"(\d+) lib/\S+ \(OK\)", answer.stdout)
    assert len(places) == 3
    # This zipalign asks for pages of 4 KiB; ours are of 16.
    assert all(int(place) % 16384 == 0 for place in places)


@pytest.mark.real("dexdump")
def test_the_verifier_of_androids_runtime_takes_the_class(apk: ApkFile, tmp_path: Path) -> None:
    with zipfile.ZipFile(apk.path) as archive:
        archive.extract("classes.dex", tmp_path)
    answer = ask("dexdump", "-f", tmp_path / "classes.dex")
    assert answer.returncode == 0, answer.stderr
    assert "Class descriptor  : 'Lorg/bokehbench/runner/Empty;'" in answer.stdout
    data = bytearray((tmp_path / "classes.dex").read_bytes())
    data[-3] ^= 1
    (tmp_path / "broken.dex").write_bytes(data)
    assert ask("dexdump", "-f", tmp_path / "broken.dex").returncode != 0


def test_androguard_reads_manifest_signatures_and_code(apk: ApkFile) -> None:
    from androguard.core.apk import APK
    from androguard.core.dex import DEX

    read: Any = APK(str(apk.path))
    assert read.is_valid_APK()
    assert read.get_package() == PACKAGE
    assert read.get_activities() == ["android.app.NativeActivity"]
    assert (read.get_min_sdk_version(), read.get_target_sdk_version()) == ("24", "34")
    assert (read.is_signed_v1(), read.is_signed_v2(), read.is_signed_v3()) == (False, True, True)
    assert read.get_certificates_der_v2() == read.get_certificates_der_v3()
    assert read.get_attribute_value("application", "extractNativeLibs") == "false"
    code: Any = DEX(read.get_dex())
    [only] = code.get_classes()
    assert only.get_name() == "Lorg/bokehbench/runner/Empty;"
    assert only.get_superclassname() == "Ljava/lang/Object;"
    assert not only.get_methods()


def test_resource_ids_are_those_that_androguard_knows() -> None:
    from androguard.core.resources.public import SYSTEM_RESOURCES

    known = SYSTEM_RESOURCES["attributes"]["forward"]
    unknown = {name for name, number in _IDS.items() if known.get(name) != number}
    assert unknown == {"shell"}  # of API 29, which its list does not reach


def test_the_dex_says_its_own_checksums(apk: ApkFile) -> None:
    import hashlib
    import zlib

    with zipfile.ZipFile(apk.path) as archive:
        dex = archive.read("classes.dex")
    assert int.from_bytes(dex[8:12], "little") == zlib.adler32(dex[12:])
    assert dex[12:32] == hashlib.sha1(dex[32:]).digest()
    assert int.from_bytes(dex[32:36], "little") == len(dex) < 300
