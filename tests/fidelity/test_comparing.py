"""Files and folders: pairs by name, scores in order, summaries, and every kind of bad file."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image, ImageCms

from bokehbench.errors import DatasetError
from bokehbench.fidelity import Scorer, get_protocol
from bokehbench.fidelity.arrays import load_pixels
from bokehbench.fidelity.comparing import MAX_READERS, Compared, compare
from bokehbench.fidelity.folders import FilePair, pair_paths
from bokehbench.fidelity.images import colour_profile
from bokehbench.fidelity.scoring import Scores
from bokehbench.fidelity.summary import RESAMPLES, bootstrap_interval, summarise

RULES = replace(get_protocol("mai22"), lpips=None)


def _noise(seed: int = 0, height: int = 40, width: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _save(path: Path, pixels: NDArray[Any] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = _noise() if pixels is None else pixels
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def test_two_files_need_no_common_name(tmp_path: Path) -> None:
    left, right = _save(tmp_path / "a.png"), _save(tmp_path / "b.jpg")
    pairing = pair_paths(left, right)
    assert pairing.pairs == (FilePair("a", left, right),)
    assert pairing.unpaired == ()


def test_folders_are_paired_by_stem_in_natural_order(tmp_path: Path) -> None:
    for name in ("10.png", "2.npy", "1.PNG", "7.jpg"):
        _save(tmp_path / "p" / name.lower()).rename(tmp_path / "p" / name)
    for name in ("10.jpg", "2.png", "1.png", "9.png"):
        _save(tmp_path / "r" / name)
    (tmp_path / "p" / "notes.txt").write_text("")
    (tmp_path / "p" / "._1.png").write_text("")
    pairing = pair_paths(tmp_path / "p", tmp_path / "r")
    assert [pair.name for pair in pairing.pairs] == ["1", "2", "10"]
    assert pairing.pairs[2].reference == tmp_path / "r" / "10.jpg"
    assert pairing.unpaired == (tmp_path / "p" / "7.jpg", tmp_path / "r" / "9.png")


def test_what_can_not_be_paired(tmp_path: Path) -> None:
    file, folder = _save(tmp_path / "p" / "1.png"), tmp_path / "p"
    other, empty = tmp_path / "other", tmp_path / "empty"
    empty.mkdir()
    for name in ("x1.png", "x2.png", "x3.png", "x4.png"):
        _save(other / name)
    for pair, message in (
        ((file, folder), r"p is a folder but .*1\.png a file: give two files or two folders"),
        ((folder, file), "is a folder but"),
        ((tmp_path / "none", file), "none: no such file or folder"),
        ((folder, empty), "empty: holds no images"),
        ((folder, other), r"no names agree: .*p has 1\.png, .*other has x1\.png, x2\.png, x3\.png"),
        ((Path("a\0b"), file), "no such file or folder|can't be read"),
    ):
        with pytest.raises(DatasetError, match=message):
            pair_paths(*pair)
    _save(folder / "1.jpg")
    with pytest.raises(DatasetError, match=r"both 1\.jpg and 1\.png have one stem: remove one"):
        pair_paths(folder, folder)


def test_scores_are_those_of_each_pair_in_order(tmp_path: Path) -> None:
    for n in range(3 * MAX_READERS):
        _save(tmp_path / "p" / f"{n}.png", _noise(n, 40 + n))
        _save(tmp_path / "r" / f"{n}.png", _noise(100 + n, 40 + n))
    pairs = pair_paths(tmp_path / "p", tmp_path / "r").pairs
    for threads in (1, 2, 7):
        seen: list[Compared] = []
        found = compare(pairs, RULES, threads=threads, on_pair=seen.append)
        assert seen == found
        assert [one.pair for one in found] == list(pairs)
        for n, one in enumerate(found):
            expected = Scorer(RULES).score(_noise(n, 40 + n), _noise(100 + n, 40 + n))
            assert one.scores == expected
            assert (one.height, one.width) == (40 + n, 48)


def test_few_pairs_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(40):
        _save(tmp_path / "p" / f"{n}.png")
    pairs = pair_paths(tmp_path / "p", tmp_path / "p").pairs
    read: list[Path] = []

    def reading(path: Path) -> Any:
        read.append(path)
        return load_pixels(path)

    monkeypatch.setattr("bokehbench.fidelity.arrays.load_pixels", reading)
    ahead = []
    compare(pairs, RULES, threads=2, on_pair=lambda _: ahead.append(len(read) / 2))
    assert len(read) == 80
    assert max(n - done for done, n in enumerate(ahead, 1)) <= 3


def test_a_pair_that_fails_spoils_no_other(tmp_path: Path) -> None:
    for n in range(4):
        _save(tmp_path / "p" / f"{n}.png")
        _save(tmp_path / "r" / f"{n}.png", _noise(5))
    (tmp_path / "p" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    _save(tmp_path / "r" / "2.png", _noise(5, 41))
    found = compare(pair_paths(tmp_path / "p", tmp_path / "r").pairs, RULES)
    assert [one.scores is not None for one in found] == [True, False, False, True]
    assert "1.png: " in (found[1].failure or "")
    assert found[2].failure == (
        "the prediction is 40x48, the reference 41x48: give images of one size"
    )


def _png(width: int, height: int) -> bytes:
    """A PNG whose header promises more than there is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def _bad_files(folder: Path) -> dict[str, str]:
    """Files that are refused, each with words of its message."""
    pixels = _noise()
    image = Image.fromarray(pixels)
    transparent = image.convert("RGBA")
    transparent.putpixel((3, 4), (1, 2, 3, 200))
    transparent.save(folder / "rgba.png")
    Image.fromarray(np.arange(1920, dtype=np.uint16).reshape(40, 48)).save(folder / "deep.png")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.save(folder / "moving.png", save_all=True, append_images=[image.rotate(180)])
    image.save(folder / "other.gif")
    image.save(folder / "whole.png")
    image.save(folder / "whole.jpg")
    for name in ("png", "jpg"):
        whole = (folder / f"whole.{name}").read_bytes()
        (folder / f"cut.{name}").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "bomb.png").write_bytes(_png(60_000, 60_000))
    floats = pixels / 255
    np.save(folder / "nan.npy", np.where(pixels == pixels.max(), np.nan, floats))
    np.save(folder / "bytes_as_floats.npy", pixels.astype(np.float32))
    np.save(folder / "planes.npy", floats.transpose(2, 0, 1))
    np.save(folder / "gray.npy", floats[..., 0])
    np.save(folder / "none.npy", floats[:0])
    np.save(folder / "deep.npy", pixels.astype(np.uint16))
    np.save(folder / "complex.npy", floats.astype(np.complex64))
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with (folder / "archive.npy").open("wb") as file:
        np.savez(file, a=floats)
    np.save(folder / "whole.npy", floats)
    (folder / "cut.npy").write_bytes((folder / "whole.npy").read_bytes()[:500])
    (folder / "junk.npy").write_bytes(b"junk")
    (folder / "empty.npy").write_bytes(b"")
    huge = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 100000, 3), }"
    head = huge.ljust(117) + b"\n"
    (folder / "huge.npy").write_bytes(b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head)
    return {
        "rgba.png": "RGBA with transparent pixels: flatten it",
        "deep.png": "16-bit pixels: save it with 8 bits",
        "cmyk.jpg": "CMYK pixels: save it as 8-bit RGB",
        "moving.png": "animated PNG: save one frame",
        "other.gif": "not a JPEG or PNG",
        "cut.png": "corrupt PNG",
        "cut.jpg": "corrupt JPEG",
        "empty.png": "not a JPEG or PNG",
        "bomb.png": "more than 89478485 pixels: use smaller images",
        "nan.npy": "NaN or infinite values: save finite ones",
        "bytes_as_floats.npy": "values from 0 to 255: floats are from 0 to 1",
        "planes.npy": r"shape \(3, 40, 48\): save \(height, width, 3\) \(transpose it\)",
        "gray.npy": r"shape \(40, 48\): save \(height, width, 3\)",
        "none.npy": r"shape \(0, 48, 3\)",
        "deep.npy": "uint16 values: save uint8, or floats from 0 to 1",
        "complex.npy": "complex64 values",
        "objects.npy": "no whole .npy file of numbers",
        "archive.npy": "an archive: give a .npy file with one array",
        "cut.npy": "no whole .npy file of numbers",
        "junk.npy": "no whole .npy file of numbers",
        "empty.npy": "no whole .npy file of numbers",
        "huge.npy": "no whole .npy file of numbers",
        "missing.png": r"can't be read \(No such file or directory\)",
        "missing.npy": r"can't be read \(No such file or directory\)",
    }


def test_bad_files_are_refused_in_one_line(tmp_path: Path) -> None:
    for name, message in _bad_files(tmp_path).items():
        with pytest.raises(DatasetError, match=message) as caught:
            load_pixels(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(caught.value)


def test_what_is_taken_as_rgb(tmp_path: Path) -> None:
    pixels = _noise()
    image = Image.fromarray(pixels)
    image.convert("RGBA").save(tmp_path / "opaque.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.rot90(pixels).copy()).save(tmp_path / "turned.png", exif=turned)
    for name in ("opaque.png", "turned.png"):
        assert np.array_equal(load_pixels(tmp_path / name), pixels)
    image.convert("L").save(tmp_path / "gray.png")
    gray = load_pixels(tmp_path / "gray.png")
    assert gray.shape == pixels.shape
    assert (gray[..., 0] == gray[..., 2]).all()
    for dtype, tolerance in ((np.float64, 0), (np.float32, 1e-7), (np.float16, 1e-3)):
        np.save(tmp_path / "x.npy", (pixels / 255)[None].astype(dtype))
        found = load_pixels(tmp_path / "x.npy")
        assert found.dtype == np.float64
        assert np.abs(found - pixels / 255).max() <= tolerance
    np.save(tmp_path / "x.npy", np.asfortranarray(pixels))
    assert np.array_equal(load_pixels(tmp_path / "x.npy"), pixels)


def test_colour_profiles_are_told_apart(tmp_path: Path) -> None:
    image = Image.fromarray(_noise())
    profiles: Any = ImageCms
    for name, space in (("srgb", "sRGB"), ("lab", "LAB")):
        profile = profiles.ImageCmsProfile(profiles.createProfile(space)).tobytes()
        image.save(tmp_path / f"{name}.png", icc_profile=profile)
    image.save(tmp_path / "plain.png")
    assert colour_profile(tmp_path / "plain.png") == colour_profile(tmp_path / "srgb.png")
    assert colour_profile(tmp_path / "lab.png") != "sRGB"
    assert colour_profile(tmp_path / "x.npy") == "sRGB"
    [one] = compare(pair_paths(tmp_path / "lab.png", tmp_path / "plain.png").pairs, RULES)
    assert one.profiles_differ
    assert one.scores is not None
    assert one.scores.identical


def _compared(name: str, psnr: float | None, ssim: float, lpips: float | None = None) -> Compared:
    pair = FilePair(name, Path(name), Path(name))
    return Compared(pair, Scores(psnr, ssim, None, lpips, psnr is None))


def test_summaries() -> None:
    compared = [
        _compared("a", 20.0, 0.5, 0.4),
        _compared("b", 30.0, 0.9, 0.1),
        _compared("c", None, 1.0, 0.0),
        _compared("d", 22.0, 0.6, 0.3),
        Compared(FilePair("e", Path("e"), Path("e")), None, "broken"),
    ]
    found = summarise(compared)
    assert set(found) == {"psnr", "ssim", "lpips"}
    assert (found["psnr"].mean, found["psnr"].median) == (24.0, 22.0)
    assert found["psnr"].worst == ("a", "d", "b")
    assert found["ssim"].mean == pytest.approx(0.75)
    assert found["ssim"].median == pytest.approx(0.75)
    assert found["lpips"].worst == ("a", "d", "b", "c")
    interval = found["ssim"].interval
    assert interval is not None
    assert 0.5 <= interval[0] < 0.75 < interval[1] <= 1.0


def test_summaries_of_nothing_and_of_one() -> None:
    assert summarise([]) == summarise([])
    alone = summarise([_compared("a", None, 1.0)])
    assert (alone["psnr"].mean, alone["psnr"].median, alone["psnr"].worst) == (None, None, ())
    assert alone["ssim"].interval is None
    assert "lpips" not in alone


def test_the_interval_is_the_same_again_and_covers() -> None:
    values = [float(value) for value in np.random.default_rng(0).normal(25, 2, 50)]
    interval = bootstrap_interval(values)
    assert interval == bootstrap_interval(values)
    assert interval is not None
    half = 1.96 * np.std(values) / np.sqrt(len(values))
    mean = float(np.mean(values))
    assert interval == pytest.approx((mean - half, mean + half), abs=0.05)
    assert bootstrap_interval([1.0]) is None
    assert bootstrap_interval([3.0, 3.0]) == (3.0, 3.0)
    covered = 0
    for seed in range(60):
        sample = np.random.default_rng(seed).normal(0, 1, 30)
        low, high = bootstrap_interval(sample.tolist()) or (0.0, 0.0)
        covered += low <= 0 <= high
    assert covered >= 51
    assert RESAMPLES >= 1000
