"""Image files of every kind: read as RGB, or refused in one line."""

import io
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import fit_image, header_size, load_gray, load_rgb, shown

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def _save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def _refused(path: Path, part: str, load: Any = load_rgb) -> None:
    with pytest.raises(DatasetError) as caught:
        load(path)
    message = str(caught.value)
    assert part in message
    assert path.name in message
    assert "\n" not in message


def test_png_comes_back_byte_for_byte(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", Image.fromarray(RGB))
    loaded = load_rgb(path)
    assert loaded.dtype == np.uint8
    assert np.array_equal(loaded, RGB)
    assert loaded.flags.writeable
    assert header_size(path) == (6, 9)


def test_jpeg(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.JPG", Image.fromarray(RGB), format="JPEG")
    assert load_rgb(path).shape == (6, 9, 3)
    assert header_size(path) == (6, 9)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    flat = np.repeat(np.repeat(RGB // 64 * 64, 16, axis=0), 16, axis=1)
    path = _save(tmp_path / f"a.{suffix}", Image.fromarray(flat), exif=exif)
    plain = _save(tmp_path / f"b.{suffix}", Image.fromarray(flat))
    stored = load_rgb(plain)
    expected = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: np.rot90(stored, 2).transpose(1, 0, 2),
        8: np.rot90(stored),
    }[orientation]
    loaded = load_rgb(path)
    assert np.array_equal(loaded, expected)
    assert header_size(path) == loaded.shape[:2]


def test_an_impossible_orientation_is_passed_over(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 99
    path = _save(tmp_path / "a.jpg", Image.fromarray(RGB), exif=exif)
    assert load_rgb(path).shape == (6, 9, 3)


def test_gray_is_replicated(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", Image.fromarray(RGB[..., 0]))
    assert np.array_equal(load_rgb(path), np.repeat(RGB[..., :1], 3, axis=2))
    assert np.array_equal(load_gray(path), RGB[..., 0])


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", Image.fromarray(RGB[..., 0] > 128))
    assert np.array_equal(load_rgb(path)[..., 1], np.where(RGB[..., 0] > 128, 255, 0))


def test_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(8)
    path = _save(tmp_path / "a.png", image)
    assert np.array_equal(load_rgb(path), np.array(image.convert("RGB")))


def test_opaque_alpha_is_dropped(tmp_path: Path) -> None:
    opaque = np.dstack([RGB, np.full((6, 9), 255, np.uint8)])
    path = _save(tmp_path / "a.png", Image.fromarray(opaque))
    assert np.array_equal(load_rgb(path), RGB)
    gray = _save(tmp_path / "b.png", Image.fromarray(RGB[..., 0]).convert("LA"))
    assert np.array_equal(load_gray(gray), RGB[..., 0])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_refused(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    alpha = Image.new("L", image.size, 255)
    alpha.putpixel((3, 2), 254)
    image.putalpha(alpha)
    path = _save(tmp_path / "a.png", image)
    _refused(path, f"{mode} with transparent pixels")
    _refused(path, "transparent", load_gray)


def test_a_transparent_colour_is_refused_where_it_occurs(tmp_path: Path) -> None:
    image = Image.fromarray(RGB)
    colour = tuple(int(value) for value in RGB[1, 1])
    _refused(_save(tmp_path / "a.png", image, transparency=colour), "transparent")
    flat = Image.fromarray(np.full((6, 9, 3), 9, np.uint8))
    assert load_rgb(_save(tmp_path / "b.png", flat, transparency=(1, 2, 3))).max() == 9
    palette = image.quantize(4)
    _refused(_save(tmp_path / "c.png", palette, transparency=0), "P with transparent")


def test_16_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gray.png"
    Image.fromarray(RGB[..., 0].astype(np.uint16)).save(path)
    _refused(path, "16-bit")
    _refused(path, "16-bit", load_gray)
    _refused(path, "16-bit", header_size)
    # Pillow would read this one as 8-bit RGB without a word.
    rgb = tmp_path / "rgb.png"
    rgb.write_bytes(_png(width=1, height=1, depth=16, colour=2, rows=b"\0" + bytes(6)))
    with Image.open(rgb) as image:
        assert image.mode == "RGB"
    _refused(rgb, "16-bit")


def test_cmyk_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.jpg", Image.fromarray(RGB).convert("CMYK"))
    _refused(path, "CMYK")


def test_animation_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    path = _save(tmp_path / "a.png", frames[0], save_all=True, append_images=frames[1:])
    _refused(path, "animated")


def test_the_first_picture_of_an_mpo_is_read(tmp_path: Path) -> None:
    other = Image.fromarray(255 - RGB)
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB).save(path, format="MPO", save_all=True, append_images=[other])
    plain = _save(tmp_path / "b.jpg", Image.fromarray(RGB))
    assert np.array_equal(load_rgb(path), load_rgb(plain))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_files(tmp_path: Path, suffix: str, part: float) -> None:
    big = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = _save(tmp_path / f"a.{suffix}", Image.fromarray(big))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    _refused(path, f"corrupt {'PNG' if suffix == 'png' else 'JPEG'}")


def test_every_cut_of_a_small_file_is_refused_or_read_whole(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        path = _save(tmp_path / name, Image.fromarray(RGB))
        data = path.read_bytes()
        whole = load_rgb(path)
        refused = 0
        for length in range(len(data)):
            path.write_bytes(data[:length])
            try:
                # All pixels may be there before the last checksum is.
                assert np.array_equal(load_rgb(path), whole)
            except DatasetError:
                refused += 1
        assert refused >= len(data) - 20


def test_flipped_bytes_never_leak_a_foreign_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    messages = []
    for name in ("a.png", "a.jpg"):
        path = _save(tmp_path / name, Image.fromarray(RGB))
        data = path.read_bytes()
        for _ in range(200):
            broken = bytearray(data)
            for position in rng.integers(0, len(data), 3):
                broken[position] = int(rng.integers(0, 256))
            path.write_bytes(broken)
            for load in (load_rgb, load_gray, header_size):
                try:
                    load(path)
                except DatasetError as error:
                    messages.append(str(error))
    assert messages
    assert not [message for message in messages if "\n" in message]


def test_other_files(tmp_path: Path) -> None:
    text = tmp_path / "a.jpg"
    text.write_text("not an image")
    _refused(text, "not a JPEG or PNG")
    gif = _save(tmp_path / "b.png", Image.fromarray(RGB), format="GIF")
    _refused(gif, "not a JPEG or PNG")
    _refused(tmp_path / "missing.png", "can't be read (No such file")
    (tmp_path / "folder.png").mkdir()
    _refused(tmp_path / "folder.png", "can't be read")


def test_decompression_bombs_are_refused_from_the_header(tmp_path: Path) -> None:
    for side in (10_000, 60_000):
        path = tmp_path / f"{side}.png"
        path.write_bytes(_png(width=side, height=side, depth=8, colour=2, rows=b""))
        _refused(path, "pixels: use smaller images")
        _refused(path, "pixels: use smaller images", header_size)


def test_headers_are_read_without_decoding(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png(width=30, height=20, depth=8, colour=2, rows=b""))
    assert header_size(path) == (20, 30)
    _refused(path, "corrupt PNG")


def test_threads_may_load_at_once(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", Image.fromarray(RGB))
    wrong = []

    def work() -> None:
        for _ in range(50):
            if not np.array_equal(load_rgb(path), RGB):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_depth_in_colour_is_refused(tmp_path: Path) -> None:
    gray = np.repeat(RGB[..., :1], 3, axis=2)
    path = _save(tmp_path / "gray.png", Image.fromarray(gray))
    assert np.array_equal(load_gray(path), RGB[..., 0])
    _refused(_save(tmp_path / "rgb.png", Image.fromarray(RGB)), "has colours", load_gray)


def test_fit_crop_takes_the_centre() -> None:
    assert np.array_equal(fit_image(RGB, 3, 4, "crop"), RGB[1:4, 2:6])
    assert fit_image(RGB, 6, 9, "crop") is RGB
    assert np.array_equal(fit_image(RGB[..., 0], 2, 9, "crop"), RGB[2:4, :, 0])
    with pytest.raises(DatasetError, match="can't be cropped to 7x9"):
        fit_image(RGB, 7, 9, "crop")


def test_fit_resize() -> None:
    flat = np.full((10, 20, 3), 77, np.uint8)
    assert np.array_equal(fit_image(flat, 5, 33, "resize"), np.full((5, 33, 3), 77))
    assert fit_image(flat[..., 0], 5, 33, "resize").shape == (5, 33)
    # Stripes of one pixel shrink to gray, as an antialiased filter has it.
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = fit_image(stripes, 16, 16, "resize")
    assert abs(small.astype(int) - 127).max() < 12


def test_paths_are_shown_in_one_line() -> None:
    assert shown(Path("a\nb\x1b[31m.png")) == "a b\ufffd[31m.png"


def _png(*, width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    out = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    out.seek(8)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    out.write(chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return out.getvalue()
