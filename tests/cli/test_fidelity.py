"""`bokehbench fidelity`, and what `run` does with images beside scoring them."""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bokehbench.fidelity
from bokehbench.fidelity import get_protocol
from bokehbench.fidelity.protocol_file import read_protocol
from tests.cli.conftest import make_pairs
from tests.rig import TestDevice, require_rig
from tests.support.command import Command

GOLDEN = Path(bokehbench.fidelity.__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
FAST = ("--quick", "--runs", 5, "--warmups", 1)


@pytest.fixture
def golden(tmp_path: Path) -> tuple[Path, Path]:
    """The golden pairs as two folders."""
    folders = tmp_path / "prediction", tmp_path / "reference"
    for folder in folders:
        folder.mkdir()
        for name in EXPECTED:
            shutil.copy(GOLDEN / f"{name}_{folder.name}.png", folder / f"{name}.png")
    return folders


def near(found: Any, expected: dict[str, float]) -> None:
    """Every expected metric to its tolerance."""
    for metric, value in expected.items():
        tolerance = 1e-4 if metric == "lpips" else 1e-9
        assert found[metric.removesuffix("_gaussian")] == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("name", EXPECTED)
def test_two_files(bokehbench: Command, name: str) -> None:
    files = [GOLDEN / f"{name}_{part}.png" for part in ("prediction", "reference")]
    ended = bokehbench("fidelity", *files, "--json", "-")
    assert (ended.code, ended.err) == (0, "")
    document = ended.json()
    near(document, EXPECTED[name]["mai22"])
    assert document["format"] == "bokehbench-fidelity/1"
    assert (document["protocol"], document["images"]) == ("mai22", 1)
    assert "ms_ssim" not in document
    assert document["rules"]["name"] == "mai22"
    [image] = document["per_image"]
    near(image, EXPECTED[name]["mai22"])
    assert image["name"] == f"{name}_prediction"
    assert document["interval"]["psnr"] is None


@pytest.mark.parametrize(
    ("protocol", "key"),
    [("mai22", "mai22"), ("val294", "val294"), ("ntire23", "val294"), ("pynet", "crop32")],
)
def test_two_folders(
    bokehbench: Command, golden: tuple[Path, Path], protocol: str, key: str
) -> None:
    ended = bokehbench("fidelity", *golden, "--protocol", protocol, "--json", "-")
    assert (ended.code, ended.err) == (0, "")
    document = ended.json()
    assert (document["protocol"], document["images"]) == (protocol, 2)
    assert [image["name"] for image in document["per_image"]] == ["chelsea", "coffee"]
    for image in document["per_image"]:
        near(image, EXPECTED[image["name"]][key])
    for metric in ("psnr", "ssim", "lpips"):
        values = [image[metric] for image in document["per_image"]]
        assert document[metric] == pytest.approx(sum(values) / 2)
        assert document["median"][metric] == pytest.approx(sum(values) / 2)
        low, high = document["interval"][metric]
        assert min(values) <= low <= document[metric] <= high <= max(values)
        worst = max if metric == "lpips" else min
        assert document["worst"][metric][0] == ["chelsea", "coffee"][values.index(worst(values))]
    assert ("ms_ssim" in document) == (protocol == "pynet")
    assert document["unpaired"] == document["failures"] == []
    assert document["rules"]["sources"] == list(get_protocol(protocol).sources)


def test_tables_files_and_the_picture(
    bokehbench: Command, golden: tuple[Path, Path], tmp_path: Path
) -> None:
    targets = [tmp_path / name for name in ("all.json", "images.csv", "worst.png")]
    words = zip(("--json", "--csv", "--montage"), targets, strict=True)
    ended = bokehbench("fidelity", *golden, *(word for pair in words for word in pair))
    assert (ended.code, ended.err) == (0, "")
    assert "Fidelity: mai22 (uint8; range 255; full frame; SSIM Gaussian 11x11" in ended.out
    for text in ("coffee", "26.85", "0.7748", "0.2954", "bootstrap", "Median"):
        assert text in ended.out
    document = json.loads(targets[0].read_text())
    assert document["images"] == 2
    rows = list(csv.DictReader(io.StringIO(targets[1].read_text())))
    assert [row["name"] for row in rows] == ["chelsea", "coffee"]
    assert float(rows[1]["psnr"]) == document["per_image"][1]["psnr"]
    assert "mai22" in rows[0]["table"]
    with Image.open(targets[2]) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1600


def test_csv_to_standard_output_is_alone_there(
    bokehbench: Command, golden: tuple[Path, Path]
) -> None:
    ended = bokehbench("fidelity", *golden, "--csv", "-")
    assert ended.out.splitlines()[0] == "name,size,psnr,ssim,lpips,notes,table"
    assert len(ended.out.splitlines()) == 3


def test_identical_images(bokehbench: Command, tmp_path: Path) -> None:
    make_pairs(tmp_path / "pairs", [(48, 64)] * 2)
    folder = tmp_path / "pairs" / "original"
    alone = bokehbench("fidelity", folder, folder, "--json", "-").json()
    assert (alone["psnr"], alone["ssim"], alone["lpips"]) == (None, 1.0, 0.0)
    assert (alone["identical"], alone["images"]) == (2, 2)
    assert all(image["identical"] and image["psnr"] is None for image in alone["per_image"])
    shutil.copy(folder / "0.png", tmp_path / "pairs" / "bokeh" / "0.png")
    mixed = bokehbench("fidelity", folder, tmp_path / "pairs" / "bokeh", "--json", "-").json()
    assert mixed["psnr"] == mixed["per_image"][1]["psnr"]
    assert mixed["identical"] == 1
    shown = bokehbench("fidelity", folder, tmp_path / "pairs" / "bokeh")
    assert "inf(1)" in shown.out
    assert "identical images: PSNR is infinite and kept out of mean" in shown.out


def test_what_does_not_pair_or_can_not_be_scored(bokehbench: Command, tmp_path: Path) -> None:
    make_pairs(tmp_path, [(48, 64)] * 4)
    left, right = tmp_path / "original", tmp_path / "bokeh"
    (left / "3.png").rename(left / "9.png")
    (left / "1.png").write_bytes(b"broken")
    Image.new("RGB", (64, 49)).save(right / "2.png")
    ended = bokehbench("fidelity", left, right, "--json", "-")
    assert ended.code == 1
    document = ended.json()
    assert (document["images"], document["failed"]) == (1, 2)
    assert document["unpaired"] == [str(left / "9.png"), str(right / "3.png")]
    assert [failure["name"] for failure in document["failures"]] == ["1", "2"]
    assert "not a JPEG or PNG" in document["failures"][0]["failure"]
    assert f"warning: 2 files have no partner: {left / '9.png'}, {right / '3.png'}" in ended.err
    assert "warning: 2: the prediction is 48x64, the reference 49x64" in ended.err
    shown = bokehbench("fidelity", left, right)
    assert shown.code == 1
    assert "Error" in shown.out
    (left / "0.png").write_bytes(b"broken")
    ended = bokehbench("fidelity", left, right)
    assert ended.code == 2
    assert "0.png: not a JPEG or PNG: replace or remove it (and 2 more pairs)" in ended.complaint


def test_arrays(bokehbench: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    noisy = reference / 255 + rng.normal(0, 0.02, reference.shape)
    np.save(tmp_path / "floats.npy", noisy.astype(np.float32))
    np.save(tmp_path / "bytes.npy", np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8))
    Image.fromarray(reference).save(tmp_path / "reference.png")
    found = [
        bokehbench(
            "fidelity", tmp_path / name, tmp_path / "reference.png", "--json", "-", *words
        ).json()
        for name, words in (
            ("floats.npy", ()),
            ("bytes.npy", ()),
            ("floats.npy", ("--threads", 1)),
        )
    ]
    assert found[0]["psnr"] == found[1]["psnr"] == found[2]["psnr"]
    assert found[0]["ssim"] == found[1]["ssim"] == found[2]["ssim"]


def test_a_protocol_of_ones_own(
    bokehbench: Command, golden: tuple[Path, Path], tmp_path: Path
) -> None:
    shipped = Path(bokehbench_protocol("mai22"))
    mine = tmp_path / "mine.toml"
    mine.write_text(
        shipped.read_text().replace('"mai22"', '"mine"').replace("crop = 0", "crop = 32")
    )
    document = bokehbench("fidelity", *golden, "--protocol", mine, "--json", "-").json()
    assert document["protocol"] == document["rules"]["name"] == "mine"
    for image in document["per_image"]:
        near(image, EXPECTED[image["name"]]["crop32"])
    mine.write_text(mine.read_text().replace("size = 11", "size = 10"))
    ended = bokehbench("fidelity", *golden, "--protocol", mine)
    assert ended.code == 2
    assert f"{mine}, line 20: ssim.size: give an odd number" in ended.complaint


def bokehbench_protocol(name: str) -> Path:
    """A shipped protocol's file."""
    return GOLDEN.parent / "protocol_files" / f"{name}.toml"


def test_the_self_test(bokehbench: Command, tmp_path: Path) -> None:
    ended = bokehbench("fidelity", "--self-test")
    assert (ended.code, ended.err) == (0, "")
    assert "MISSED" not in ended.out
    document = bokehbench("fidelity", "--self-test", "--json", "-").json()
    assert document["met"] is True
    assert {check["pair"] for check in document["checks"]} >= set(EXPECTED)
    ended = bokehbench("fidelity", "--self-test", "--lpips-images", tmp_path)
    assert ended.code == 2
    assert "has no ex_ref.png, ex_p0.png, ex_p1.png" in ended.complaint
    for name in ("ex_ref", "ex_p0", "ex_p1"):
        pixels = np.random.default_rng(len(name)).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    wrong = bokehbench("fidelity", "--self-test", "--lpips-images", tmp_path)
    assert wrong.code == 1
    assert "2 of 26 known answers are missed on this machine" in wrong.err
    assert wrong.out.count("MISSED") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give a PREDICTION and a REFERENCE"),
        (("one.png",), "give a PREDICTION and a REFERENCE"),
        (("none.png", "none.png"), "none.png: no such file or folder: check the path"),
        (("a.png", "a.png", "--protocol", "mai23"), "unknown fidelity protocol 'mai23'"),
        (("a.png", "a.png", "--protocol", "./x.toml"), "x.toml: can't be read"),
        (("a.png", "."), "is a folder but"),
        (("a.png", "a.png", "--json", "none/x.json"), "--json none/x.json: can't be written"),
        (("a.png", "a.png", "--montage", "none/x.png"), "--montage none/x.png: can't be written"),
        (("a.png", "a.png", "--montage", "-"), "--montage -: give a file"),
        (("a.png", "a.png", "--montage", "b.jpg"), "--montage b.jpg: give a name that ends in"),
        (("a.png", "a.png", "--json", "-", "--csv", "-"), "only one of them"),
        (("a.png", "a.png", "--lpips-images", "."), "--lpips-images: is for --self-test"),
        (("a.png", "a.png", "--self-test"), "--self-test: has its own images"),
        (("a.png", "a.png", "--threads", "0"), "--threads"),
    ],
)
def test_bad_words(
    bokehbench: Command, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    ended = bokehbench("fidelity", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.complaint


def only_record(bokehbench: Command, *words: object) -> dict[str, Any]:
    ended = bokehbench("run", *words, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert isinstance(record, dict)
    return record


def test_a_run_scores_by_all_metrics_and_keeps_outputs(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    pairs = make_pairs(tmp_path / "pairs", [(48, 64)] * 3)
    kept = tmp_path / "kept"
    record = only_record(
        bokehbench, "--device", "local", *FAST, model, "--dataset", pairs, "--keep-outputs", kept
    )
    assert record["fidelity_protocol"] == "mai22"
    assert record["fidelity_rules"]["lpips"] == {
        "net": "alex",
        "version": "0.1",
        "range": [-1.0, 1.0],
    }
    # This machine's CPU is not compared with itself.
    assert record["host_run"] is None
    [folder] = kept.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "2.png"]
    again = bokehbench("fidelity", folder, pairs / "bokeh", "--json", "-").json()
    for metric in ("psnr", "ssim", "lpips"):
        assert record["fidelity"][metric] == again[metric]
        per_image = [image[metric] for image in again["per_image"]]
        assert [image[metric] for image in record["images"]] == per_image
    table = bokehbench("table").out
    assert "mai22" in table
    assert f"{again['lpips']:.4f}" in table


def test_a_run_by_a_protocol_of_floats(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path / "pairs", [(48, 64)] * 2)
    mine = tmp_path / "mine.toml"
    text = bokehbench_protocol("pynet").read_text(encoding="utf-8").replace('"pynet"', '"mine"')
    text = text.replace("crop = 32", "crop = 4")
    start, end = text.index("[ms_ssim]"), text.index("[lpips]")
    mine.write_text(text[:start] + text[end:])
    kept = tmp_path / "kept"
    words = ("--dataset", pairs, "--fidelity-protocol", mine, "--keep-outputs", kept)
    record = only_record(bokehbench, "--device", "local", *FAST, model, *words)
    assert record["fidelity_protocol"] == record["fidelity"]["protocol"] == "mine"
    rules = read_protocol(mine)
    assert record["fidelity_rules"]["crop"] == rules.crop == 4
    [folder] = kept.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["0.npy", "1.npy"]
    by_mine = ("--protocol", mine, "--json", "-")
    again = bokehbench("fidelity", folder, pairs / "bokeh", *by_mine).json()
    # Kept in single precision, as they came; a Record's are the very same values.
    assert record["fidelity"]["psnr"] == pytest.approx(again["psnr"], abs=1e-5)
    assert record["fidelity"]["ssim"] == pytest.approx(again["ssim"], abs=1e-6)
    assert record["fidelity"]["lpips"] == pytest.approx(again["lpips"], abs=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--fidelity-protocol", "mai23"), "unknown fidelity protocol 'mai23'"),
        (("--fidelity-protocol", "val294"), "--fidelity-protocol: is about images"),
        (("--reference-images", "2"), "--reference-images: is about images"),
        (("--keep-outputs", "x"), "--keep-outputs: is about images"),
        (
            ("--dataset", "pairs", "--keep-outputs", "net.tflite"),
            "--keep-outputs net.tflite: can't",
        ),
    ],
)
def test_bad_words_about_images(
    bokehbench: Command, model: Path, pairs: Path, words: tuple[str, ...], message: str
) -> None:
    assert model.name == "net.tflite"
    assert pairs.name == "pairs"
    ended = bokehbench("run", "--device", "local", model, *words)
    assert ended.code == 2
    assert message in ended.complaint


@pytest.fixture
def phone() -> Iterator[TestDevice]:
    """A test device of this test's own."""
    require_rig()
    with TestDevice() as device:
        yield device


def test_a_devices_outputs_are_compared_with_this_hosts(
    bokehbench: Command, phone: TestDevice, model: Path, pairs: Path
) -> None:
    words = ("--device", f"tcp:{phone.address}", *FAST, model, "--dataset", pairs)
    record = only_record(bokehbench, *words)
    host = record["host_run"]
    assert (host["engine"], host["backend"], host["images"]) == ("litert", "cpu", 3)
    assert host["failure"] is None
    compared = [image["reference_max_difference"] for image in record["images"]]
    # XNNPACK and plain kernels add in another order: a byte may be rounded the other way.
    assert all(steps <= 1 for steps in compared[:3])
    assert compared[3:] == [None]
    assert "output_differs_from_reference" not in record["reasons"]
    none = only_record(bokehbench, *words, "--reference-images", 0)
    assert none["host_run"] is None
    assert {image["reference_max_difference"] for image in none["images"]} == {None}
