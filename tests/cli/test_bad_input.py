"""Wrong words, files and folders: one clear line, the right exit code, nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import make_pairs
from tests.support import models
from tests.support.command import Command, Ended

LOCAL = ("run", "--device", "local", "--quick", "--runs", 3, "--warmups", 1)


def refused(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, (ended.out, ended.err)
    assert ended.out == ""
    for word in words:
        assert word in ended.complaint


def test_no_such_model(bokehbench: Command) -> None:
    refused(bokehbench(*LOCAL, "none.tflite"), 2, "none.tflite", "no such file")


def test_a_directory(bokehbench: Command, tmp_path: Path) -> None:
    refused(bokehbench(*LOCAL, tmp_path), 2, str(tmp_path), "directory")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("eight", bytes.fromhex("18 00 00 00 54 46 4C 33")),
        ("garbage", bytes(range(256)) * 10),
        ("truncated", models.conv()[:700]),
    ],
)
def test_broken_models(bokehbench: Command, tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(data)
    refused(bokehbench(*LOCAL, path, "--json", "-"), 2, f"{name}.tflite")
    assert not bokehbench.store.exists()


def test_two_inputs_without_a_spec(bokehbench: Command, tmp_path: Path) -> None:
    path = tmp_path / "two.tflite"
    path.write_bytes(models.add())
    refused(bokehbench(*LOCAL, path), 2, "two.tflite", "left", "right", "io.toml")


def test_a_spec_that_is_not_there(bokehbench: Command, model: Path) -> None:
    refused(bokehbench(*LOCAL, model, "--io", "nowhere.toml"), 2, "nowhere.toml")


def test_a_spec_that_names_no_tensor(bokehbench: Command, model: Path) -> None:
    model.with_name("net.io.toml").write_text('[output]\ntensor = "sky"\n')
    refused(bokehbench(*LOCAL, model), 2, "net.io.toml", "sky")


def test_a_dataset_that_is_not_there(bokehbench: Command, model: Path) -> None:
    refused(bokehbench(*LOCAL, model, "--dataset", "nowhere"), 2, "nowhere", "original")


def test_a_dataset_without_pairs(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    for name in ("original", "bokeh"):
        (tmp_path / "d" / name).mkdir(parents=True)
    refused(bokehbench(*LOCAL, model, "--dataset", tmp_path / "d"), 2, "no pairs")


def test_unpaired_files_are_named_and_the_rest_is_scored(
    bokehbench: Command, model: Path, pairs: Path
) -> None:
    (pairs / "bokeh" / "3.png").unlink()
    ended = bokehbench(*LOCAL, model, "--dataset", pairs, "--json", "-")
    assert ended.code == 0, ended.err
    assert "original/3.png" in ended.err
    [record] = ended.json()["records"]
    assert record["fidelity"]["images"] == 3
    assert record["dataset"]["unpaired"] == ["original/3.png"]


@pytest.mark.parametrize("where", ["original", "bokeh"])
def test_a_corrupt_photo_is_named_and_the_rest_is_scored(
    bokehbench: Command, model: Path, tmp_path: Path, where: str
) -> None:
    pairs = tmp_path / "jpg"
    random = np.random.default_rng(2)
    for name in ("original", "bokeh"):
        (pairs / name).mkdir(parents=True)
        for number in range(4):
            image = random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(image).save(pairs / name / f"{number}.jpg", quality=95)
    photo = pairs / where / "1.jpg"
    photo.write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
    ended = bokehbench(*LOCAL, model, "--dataset", pairs, "--json", "-")
    assert ended.code == 0, ended.err
    assert f"{where}/1.jpg" in ended.err
    [record] = ended.json()["records"]
    assert record["status"] == "provisional"
    assert "incomplete" in record["reasons"]
    assert record["fidelity"]["images"] == 3
    assert record["fidelity"]["failed"] == 1


def test_a_photo_that_is_no_photo(bokehbench: Command, model: Path, pairs: Path) -> None:
    (pairs / "original" / "2.png").write_bytes(b"this is text")
    ended = bokehbench(*LOCAL, model, "--dataset", pairs, "--json", "-")
    assert ended.code == 0, ended.err
    assert "original/2.png" in ended.err
    [record] = ended.json()["records"]
    assert record["fidelity"]["images"] == 3


def test_mixed_sizes_are_scored_each_at_its_own(
    bokehbench: Command, free_model: Path, tmp_path: Path
) -> None:
    sizes = [(48, 64), (64, 48), (40, 40), (48, 64)]
    pairs = make_pairs(tmp_path / "mixed", sizes)
    ended = bokehbench(*LOCAL, free_model, "--dataset", pairs, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    found = [(s["height"], s["width"]) for s in record["fidelity"]["per_image"]]
    assert sorted(found) == sorted(sizes)
    assert len(record["image_trials"]) == 3


def test_a_size_mismatch_is_refused_with_both_sizes_and_the_cure(
    bokehbench: Command, tmp_path: Path, pairs: Path
) -> None:
    path = tmp_path / "fixed.tflite"
    path.write_bytes(models.conv(32, 32))
    words = (*LOCAL, path, "--dataset", pairs)
    refused(bokehbench(*words), 2, "48x64", "32x32", "--fit")
    refused(bokehbench(*words, "--fit", "native"), 2, "48x64", "32x32")
    for fit in ("resize", "crop"):
        ended = bokehbench(*words, "--fit", fit, "--json", "-")
        assert ended.code == 0, ended.err
        assert ended.json()["records"][0]["dataset"]["fit"] == fit


def test_an_image_too_small_to_score_costs_only_itself(
    bokehbench: Command, free_model: Path, tmp_path: Path
) -> None:
    pairs = make_pairs(tmp_path / "tiny", [(48, 64), (8, 8), (48, 64)])
    ended = bokehbench(*LOCAL, free_model, "--dataset", pairs, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert record["fidelity"]["images"] == 2
    [failed] = [s for s in record["fidelity"]["per_image"] if s["status"] == "failed"]
    assert "8x8" in failed["failure"]


def test_nothing_scored_is_invalid(bokehbench: Command, model: Path, pairs: Path) -> None:
    for photo in (pairs / "original").iterdir():
        photo.write_bytes(b"no photo")
    ended = bokehbench(*LOCAL, model, "--dataset", pairs, "--json", "-")
    assert ended.code == 1, ended.err
    assert "no_image_scored" in ended.json()["records"][0]["reasons"]


def test_json_into_a_pipe_a_device_and_a_link(bokehbench: Command, model: Path) -> None:
    fifo = bokehbench.home / "fifo"
    os.mkfifo(fifo)
    process = bokehbench.start(*LOCAL, model, "--json", fifo)
    assert json.loads(fifo.read_text())["format"] == "bokehbench-run/1"
    process.communicate(timeout=30)
    assert fifo.is_fifo()
    assert bokehbench(*LOCAL, model, "--json", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    link, goal = bokehbench.home / "link.json", bokehbench.home / "goal.json"
    goal.write_text("{}")
    link.symlink_to(goal)
    assert bokehbench(*LOCAL, model, "--json", link).code == 0
    assert link.is_symlink()
    assert json.loads(goal.read_text())["records"]


def test_names_that_are_not_utf8(bokehbench: Command, model: Path) -> None:
    refused(
        bokehbench(*LOCAL, model, "--name", b"\xff".decode("utf-8", "surrogateescape")), 2, "--name"
    )
    odd = model.with_name(b"bad\xff.tflite".decode("utf-8", "surrogateescape"))
    model.rename(odd)
    ended = bokehbench(*LOCAL, odd, "--json", "-")
    assert ended.code == 0, ended.err
    assert ended.json()["records"][0]["model"]["file_name"] == "bad\ufffd.tflite"


def test_references_of_another_size(bokehbench: Command, model: Path, pairs: Path) -> None:
    Image.new("RGB", (32, 32)).save(pairs / "bokeh" / "1.png")
    ended = bokehbench(*LOCAL, model, "--dataset", pairs, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    [failed] = [s for s in record["fidelity"]["per_image"] if s["status"] == "failed"]
    assert "32x32" in failed["failure"]


def test_unknown_device_and_none(bokehbench: Command, model: Path) -> None:
    nobody = ("--adb-server", "127.0.0.1:1")
    refused(bokehbench("run", "--device", "R58M123", model, *nobody), 3, "adb start-server", "tcp:")
    refused(bokehbench("run", "--device", "tcp:127.0.0.1:1", model), 3, "127.0.0.1:1", "adb tcpip")
    refused(bokehbench("run", "--device", "tcp:nowhere:x", model), 2, "HOST:PORT")
    # Where the host has no IPv6, that is what is said of the same address.
    refused(bokehbench("run", "--device", "tcp:[::1]:1", model), 3, "no device at [::1]:1")
    refused(bokehbench("run", model, *nobody), 2, "--device local")


@pytest.mark.parametrize(
    ("store", "word"), [("/proc/none/s.sqlite3", "mkdir -p"), ("ftp://x/y", "unknown scheme")]
)
def test_a_store_that_cannot_be_written(
    bokehbench: Command, model: Path, store: str, word: str
) -> None:
    refused(bokehbench(*LOCAL, model, "--store", store), 2, store[:6], word)


def test_a_store_that_is_a_folder_or_no_database(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    refused(bokehbench(*LOCAL, model, "--store", tmp_path), 2, str(tmp_path))
    text = tmp_path / "text.sqlite3"
    text.write_text("no database\n" * 100)
    refused(bokehbench(*LOCAL, model, "--store", text), 2, "text.sqlite3")
    assert text.read_text() == "no database\n" * 100


def test_a_json_path_that_cannot_be_written_is_found_before_measuring(
    bokehbench: Command, model: Path
) -> None:
    refused(bokehbench(*LOCAL, model, "--json", "/proc/none/x.json"), 2, "--json", "/proc/none")
    refused(bokehbench(*LOCAL, model, "--json", bokehbench.home), 2, "--json", "folder")
    assert not bokehbench.store.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--runs", "0"),
        ("--threads", "-1"),
        ("--backend", "npu"),
        ("--core-mask", "zz"),
        ("--input-range", "1"),
        ("--bogus",),
        ("--profile", "none"),
        ("--name", "a", "--name", "b"),
        ("--quick", "--processes", "5"),
        ("--max-seconds", "nan"),
        ("--sustained", "nan"),
        ("--recovery-seconds", "inf"),
        ("--core-mask", "f0000000"),
        ("--core-mask", "1" * 22, "--seed", "1"),
        ("--fit", "crop"),
        ("--adb-server", "127.0.0.1:x"),
        ("--adb-server", ""),
        ("--gpu-api", "opencl", "--backend", "xnnpack"),
        ("--gpu-preference", "sustained_speed", "--backend", "cpu"),
        ("--max-partitions", "4", "--backend", "xnnpack"),
        ("--gpu-cache", "both", "--backend", "cpu"),
        ("--precision", "both", "--backend", "xnnpack"),
    ],
)
def test_wrong_words(bokehbench: Command, model: Path, words: tuple[str, ...]) -> None:
    ended = bokehbench("run", "--device", "local", model, *words, "--dry-run")
    refused(ended, 2, words[0])


def test_words_about_a_gpu_that_is_not_there_are_told_of(bokehbench: Command, model: Path) -> None:
    # The same words go to several devices; one of them may have a GPU.
    (bokehbench.home / "cpu.toml").write_text(
        'name = "cpu-alone"\ntitle = "t"\nmatch.platform = ["linux"]\nmatch.unverified = "s"\n'
        'sources.s = "s"\n[[backends]]\nname = "cpu"\nengine = "litert"\nreason = "r"\n'
        'unverified = "s"\n'
    )
    profile = ("--profile-dir", bokehbench.home, "--profile", "cpu-alone")
    words = ("run", "--device", "local", model, "--dry-run", *profile)
    about = ("--gpu-api", "opencl", "--precision", "default", "--max-partitions", "4")
    ended = bokehbench(*words, *about)
    assert ended.code == 0, ended.err
    assert "local: --gpu-api opencl, --max-partitions 4: of no effect here" in ended.err
    assert bokehbench(*words).err == ""


def test_wrong_numbers_for_the_score(bokehbench: Command) -> None:
    refused(bokehbench("score", "--psnr", "22", "--runtime-ms", "0"), 2, "runtime")
    refused(bokehbench("score", "--psnr", "nan", "--runtime-ms", "1"), 2, "PSNR")


def test_nothing_to_show_yet(bokehbench: Command) -> None:
    refused(bokehbench("table"), 2, "bokehbench run")
    refused(bokehbench("records", "list"), 2, "bokehbench run")
    refused(bokehbench("records", "show", "abc"), 2, "bokehbench run")


def test_a_record_altered_by_hand_is_refused(bokehbench: Command, model: Path) -> None:
    assert bokehbench(*LOCAL, model, "--json", "-").code == 0
    line = bokehbench("records", "export").out
    record = json.loads(line)
    record["trials"][0]["invoke_ns"][0] -= 1000
    altered = bokehbench.home / "altered.jsonl"
    altered.write_text(json.dumps(record) + "\n")
    ended = bokehbench("records", "import", altered, "--store", bokehbench.home / "other.sqlite3")
    refused(ended, 2, record["record_id"])
    altered.write_text(line)
    ended = bokehbench("records", "import", altered, "--store", bokehbench.home / "other.sqlite3")
    assert ended.code == 0, ended.err


def on_small_disk(bokehbench: Command, folder: Path, size: str, *words: object) -> Ended:
    """Run a command while a tmpfs of `size` is mounted on `folder`, in a namespace of its own."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "unshare is missing: apt-get install util-linux"
    script = (
        'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && "$@"; code=$?; '
        'cp -r "$SEEN"/. "$KEPT" 2>/dev/null; exit $code'
    )
    kept = bokehbench.home / "kept"
    kept.mkdir(exist_ok=True)
    argv = [unshare, "-Urm", "sh", "-c", script, "sh", size, str(folder)]
    argv += [sys.executable, "-m", "bokehbench", *map(str, words)]
    environment = {**bokehbench.variables(), "SEEN": str(folder), "KEPT": str(kept)}
    done = subprocess.run(
        argv, capture_output=True, text=True, env=environment, cwd=bokehbench.home, check=False
    )
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.fail(f"this machine allows no user namespace: {done.stderr}")
    return Ended(done.returncode, done.stdout, done.stderr)


def test_a_device_that_may_not_execute(bokehbench: Command, model: Path) -> None:
    cache = bokehbench.home / "cache"
    cache.mkdir()
    ended = on_small_disk(bokehbench, cache, "8m,noexec", *LOCAL, model, "--json", "-")
    assert ended.code == 4, ended.err
    [record] = ended.json()["records"]
    assert "noexec" in record["trials"][0]["failure"]["message"]


def test_a_full_disk_on_the_device(bokehbench: Command, model: Path) -> None:
    cache = bokehbench.home / "cache"
    cache.mkdir()
    ended = on_small_disk(bokehbench, cache, "40k", *LOCAL, model)
    refused(ended, 3, "No space left")


def test_a_disk_that_fills_up_under_the_store_loses_no_record(
    bokehbench: Command, model: Path
) -> None:
    folder = bokehbench.home / "small"
    folder.mkdir()
    words = ("run", "--device", "local", "--processes", 6, "--runs", 3000, model)
    store = ("--store", folder / "s.sqlite3")
    ended = on_small_disk(bokehbench, folder, "240k", *words, *store, "--json", "-")
    assert ended.code == 2, (ended.out[-300:], ended.err)
    assert "disk is full" in ended.err
    [record] = ended.json()["records"]
    assert len(record["trials"]) == 6
    [spilled] = bokehbench.home.glob("bokehbench-*.jsonl")
    imported = bokehbench("records", "import", spilled)
    assert imported.code == 0, imported.err
    [row] = bokehbench("records", "list", "--json").json()["records"]
    assert row["record_id"] == record["record_id"]
