"""`dataset align` meets photos and folders that are not as they should be."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bokehbench.fidelity.images import load_rgb
from tests.dataset.photos import HEIGHT, make_raw, photos, save, tree
from tests.support.command import Command, Ended

ORIENTATION = 0x0112
WORDS = ("--height", HEIGHT, "--jobs", 1)


def run(bokehbench: Command, raw: Path, *more: object) -> tuple[Ended, dict[str, Any]]:
    """The command's end, and its rows by name."""
    out = raw.parent / "out"
    ended = bokehbench("dataset", "align", raw, out, *WORDS, "--json", "-", *more)
    assert "Traceback" not in ended.err
    rows = {row["name"]: row for row in ended.json()["rows"]} if ended.out else {}
    return ended, rows


def images(raw: Path) -> set[str]:
    """What was written as images."""
    return {name for name in tree(raw.parent / "out") if name.endswith((".jpg", ".png"))}


def test_pixels_that_no_photo_here_may_have(bokehbench: Command, tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "raw", 1)
    narrow, wide = photos(1)
    # One fault a pair: 16 bits, black, a copy, cut in the middle, no picture, too small.
    deep = (narrow[..., 0].astype(np.uint16)) * 257
    Image.fromarray(deep).save(raw / "original" / "deep.png")
    save(raw / "bokeh" / "deep.jpg", wide)
    save(raw / "original" / "dark.jpg", np.zeros_like(narrow))
    save(raw / "bokeh" / "dark.jpg", wide)
    save(raw / "original" / "same.jpg", narrow)
    save(raw / "bokeh" / "same.jpg", narrow)
    save(raw / "original" / "cut.jpg", narrow)
    data = save(raw / "bokeh" / "cut.jpg", wide).read_bytes()
    (raw / "bokeh" / "cut.jpg").write_bytes(data[: len(data) // 2])
    save(raw / "original" / "text.jpg", narrow)
    (raw / "bokeh" / "text.jpg").write_text("not a photo")
    save(raw / "original" / "mirror.jpg", narrow)
    save(raw / "bokeh" / "mirror.jpg", np.ascontiguousarray(wide[:, ::-1]))
    save(raw / "original" / "turned.jpg", narrow)
    save(raw / "bokeh" / "turned.jpg", np.ascontiguousarray(np.rot90(wide)))
    small = narrow[::2, ::2], wide[::2, ::2]
    save(raw / "original" / "small.png", np.ascontiguousarray(small[0]))
    save(raw / "bokeh" / "small.png", np.ascontiguousarray(small[1]))
    ended, rows = run(bokehbench, raw)
    assert ended.code == 1, ended.err
    assert images(raw) == {"original/1.jpg", "bokeh/1.jpg"}
    verdicts = {name: row["verdict"] for name, row in rows.items()}
    assert verdicts == {
        "1": "aligned",
        "deep": "unreadable",
        "dark": "blank",
        "same": "identical",
        "cut": "unreadable",
        "text": "unreadable",
        "mirror": "no_match",
        "turned": "turned",
        "small": "too_small",
    }
    assert "16-bit" in rows["deep"]["reason"]
    assert "cut.jpg: corrupt JPEG" in rows["cut"]["reason"]
    assert "mirrored" in rows["mirror"]["reason"]
    assert "EXIF" in rows["turned"]["reason"]


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_exif_orientation_is_honoured(
    bokehbench: Command, tmp_path: Path, orientation: int
) -> None:
    narrow, wide = photos(1)
    raw = tmp_path / "raw"
    save(raw / "original" / "1.png", narrow)
    # As a camera held otherwise stores it: the inverse of what a viewer does to it.
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(wide).transpose(back)
    (raw / "bokeh").mkdir()
    stored.save(raw / "bokeh" / "1.png", exif=exif)
    ended, rows = run(bokehbench, raw)
    assert ended.code == 0, ended.err
    assert rows["1"]["wide_size"] == f"{wide.shape[1]}x{wide.shape[0]}"


def test_photos_of_fifty_megapixels(bokehbench: Command, tmp_path: Path) -> None:
    narrow, wide = photos(1)
    raw = tmp_path / "raw"
    large = (7100, 7100)
    for role, photo in (("original", narrow), ("bokeh", wide)):
        (raw / role).mkdir(parents=True)
        big = Image.fromarray(photo).resize(large, Image.Resampling.BILINEAR)
        big.save(raw / role / "1.jpg", quality=80)
    ended, rows = run(bokehbench, raw)
    assert ended.code == 0, ended.err
    assert rows["1"]["narrow_size"] == "7100x7100"
    written = load_rgb(tmp_path / "out" / "original" / "1.jpg")
    assert written.shape[0] == HEIGHT
    # Columns of the file, not of the reduced image that was worked on.
    assert 6000 < rows["1"]["crop"][2] <= 7100


def test_camera_raw_files_are_named_and_refused(bokehbench: Command, tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "raw", 1)
    for role in ("original", "bokeh"):
        (raw / role / "2.CR3").write_bytes(b"\0\0\0\x18ftypcrx ")
    ended, rows = run(bokehbench, raw)
    assert ended.code == 1
    assert rows["original/2.CR3"]["verdict"] == "unreadable"
    assert "develop it to JPEG or PNG" in rows["bokeh/2.CR3"]["reason"]
    assert images(raw) == {"original/1.jpg", "bokeh/1.jpg"}


def test_nothing_but_camera_raw_files(bokehbench: Command, tmp_path: Path) -> None:
    for role in ("original", "bokeh"):
        (tmp_path / "raw" / role).mkdir(parents=True)
        (tmp_path / "raw" / role / "1.dng").write_bytes(b"II*\0")
    ended, _ = run(bokehbench, tmp_path / "raw")
    assert ended.code == 2
    assert "1.dng" in ended.complaint
    assert "develop" in ended.complaint


def test_names_that_collide(bokehbench: Command, tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "raw", 1)
    shutil.copy(raw / "original" / "1.jpg", raw / "original" / "1.png")
    ended, _ = run(bokehbench, raw)
    assert ended.code == 2
    assert "one stem" in ended.complaint
    (raw / "original" / "1.png").unlink()
    for role in ("original", "bokeh"):
        shutil.copy(raw / role / "1.jpg", raw / role / "Sea.jpg")
        shutil.copy(raw / role / "1.jpg", raw / role / "sea.jpg")
    ended, _ = run(bokehbench, raw)
    assert ended.code == 2
    assert "Sea and sea are one name" in ended.complaint


def test_links_that_lead_out(bokehbench: Command, tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "raw", 2)
    away = tmp_path / "away.jpg"
    (raw / "bokeh" / "1.jpg").rename(away)
    (raw / "bokeh" / "1.jpg").symlink_to(away)
    (raw / "original" / "2.jpg").rename(raw / "kept.jpg")
    (raw / "original" / "2.jpg").symlink_to(raw / "kept.jpg")
    ended, rows = run(bokehbench, raw)
    assert ended.code == 1
    assert "leads out of" in rows["1"]["reason"]
    assert rows["2"]["verdict"] == "aligned"
    shutil.move(raw / "bokeh", tmp_path / "elsewhere")
    (raw / "bokeh").symlink_to(tmp_path / "elsewhere")
    assert "leads out of" in bokehbench("dataset", "align", raw, tmp_path / "new", *WORDS).complaint


def test_an_output_folder_that_leads_away_is_left_alone(
    bokehbench: Command, tmp_path: Path
) -> None:
    raw = make_raw(tmp_path / "raw", 1)
    ended, _ = run(bokehbench, raw)
    assert ended.code == 0
    out, away = tmp_path / "out", tmp_path / "away"
    shutil.move(out / "bokeh", away)
    (out / "bokeh").symlink_to(away)
    before = tree(away)
    (raw / "bokeh" / "1.jpg").write_bytes((raw / "original" / "1.jpg").read_bytes())
    ended, _ = run(bokehbench, raw)
    assert ended.code == 2
    assert "leads out of" in ended.complaint
    assert tree(away) == before


def test_folders_that_can_not_be_used(bokehbench: Command, tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "raw", 1)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    for out, words in (
        (raw / "out", "lies in RAW"),
        (raw, "lies in RAW"),
        (tmp_path, "lies in RAW"),
        (full, "did not write"),
    ):
        ended = bokehbench("dataset", "align", raw, out, *WORDS)
        assert ended.code == 2
        assert words in ended.complaint
    assert tree(full) == {"mine.txt": b"mine"}
    assert "no such folder" in bokehbench("dataset", "align", tmp_path / "no", full).complaint
    ended = bokehbench("dataset", "align", raw, tmp_path / "o", "--narrow", "../x")
    assert "--narrow ../x" in ended.complaint


def test_depth_of_another_photo(bokehbench: Command, tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "raw", 1)
    save(raw / "original_depth" / "1.png", np.zeros((90, 300), np.uint8))
    ended, rows = run(bokehbench, raw)
    assert ended.code == 2
    assert "of another shape" in rows["1"]["reason"]
    assert images(raw) == set()


def test_a_full_disk_loses_nothing_that_is_done(bokehbench: Command, tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "raw", 4)
    small, kept = tmp_path / "small", tmp_path / "kept"
    small.mkdir()
    kept.mkdir()
    unshare = shutil.which("unshare")
    assert unshare is not None, "unshare is missing: apt-get install util-linux"
    script = (
        'mount -t tmpfs -o size=200k tmpfs "$1" && "$3" -m bokehbench dataset align "$2" "$1/out" '
        '--height 280 --jobs 1; code=$?; cp -r "$1"/. "$4"; exit $code'
    )
    words = [str(small), str(raw), sys.executable, str(kept)]
    done = subprocess.run(
        [unshare, "-Urm", "sh", "-c", script, "sh", *words],
        capture_output=True,
        text=True,
        env=dict(bokehbench.variables()),
        check=False,
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "No space left on device" in last
    assert "make room" in last
    found = tree(kept / "out")
    assert not [name for name in found if "part" in name]
    assert [name for name in found if name.endswith(".jpg")]
    ended = bokehbench("dataset", "align", raw, kept / "out", *WORDS)
    assert ended.code == 0, ended.err
    assert "done before" in ended.err
