"""ELF files are what they say, or are refused by what they are."""

import random
from pathlib import Path

import pytest

from bokehbench.engines.catalog import Role
from bokehbench.engines.elf import check_elf, read_elf
from bokehbench.errors import EngineError
from tests.engines.elves import Elf, Workshop, c_api


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file.so"
    path.write_bytes(data)
    return path


def check(path: Path, abi: str = "arm64-v8a", role: Role = "library", names: str = "") -> None:
    functions = list(c_api(names)) if names else []
    check_elf(path, "lib.so", platform="android", abi=abi, role=role, functions=functions)


def test_facts_of_an_android_library(tmp_path: Path, tflite: bytes) -> None:
    facts = read_elf(written(tmp_path, tflite), "lib.so")
    assert (facts.machine, facts.bits, facts.platform) == ("EM_AARCH64", 64, "android")
    assert facts.is_library
    assert facts.needed == ("libc.so",)
    assert facts.functions >= set(c_api("tflite-c-api"))
    assert "getpid" not in facts.functions, "what it asks for is not what it exports"
    assert facts.android_api == 21
    assert facts.align_bytes >= 4096


@pytest.mark.parametrize(
    ("elf", "complaint"),
    [
        (Elf(abi="x86_64"), "built for x86-64, which android arm64-v8a can't load"),
        (Elf(abi="armeabi-v7a"), "built for 32-bit ARM, which android arm64-v8a can't load"),
        (Elf(needs="libc.so.6"), "built for linux, not for android"),
        (Elf(interpreter="/system/bin/linker64"), "a program, where a shared library is needed"),
        (Elf(functions=("TfLiteVersion",)), "lacks TfLiteModelCreateFromFile, TfLiteInt"),
    ],
)
def test_what_does_not_fit_is_called_by_name(
    tmp_path: Path, workshop: Workshop, elf: Elf, complaint: str
) -> None:
    path = written(tmp_path, workshop.build(elf))
    with pytest.raises(EngineError) as caught:
        check(path, names="tflite-c-api")
    assert complaint in str(caught.value)


def test_a_library_is_no_program(tmp_path: Path, tflite: bytes, program: bytes) -> None:
    check(written(tmp_path, program), role="program")
    with pytest.raises(EngineError, match="a shared library, where a program is needed"):
        check(written(tmp_path, tflite), role="program")


def test_text_is_no_elf_file(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"lib.so: not an ELF file, it begins with b'<htm'"):
        check(written(tmp_path, b"<html>sign in first</html>"))


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, tflite: bytes) -> None:
    for length in [*range(0, 128, 3), *range(128, len(tflite) - 1, 97)]:
        with pytest.raises(EngineError):
            check(written(tmp_path, tflite[:length]), names="tflite-c-api")


def test_flipped_bytes_end_in_an_answer_or_a_refusal(tmp_path: Path, tflite: bytes) -> None:
    random_ = random.Random(7)
    refusals = []
    for _ in range(300):
        data = bytearray(tflite)
        for _ in range(random_.randint(1, 8)):
            data[random_.randrange(4, len(data))] = random_.randrange(256)
        try:
            check(written(tmp_path, bytes(data)), names="tflite-c-api")
        except EngineError as error:
            refusals.append(str(error))
    assert refusals
    assert all(text.startswith("lib.so: ") for text in refusals)
