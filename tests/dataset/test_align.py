"""`dataset align` from folder to folder: what is written, and what a kill leaves."""

import csv
import io
import json
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from bokehbench.fidelity import open_dataset
from bokehbench.fidelity.images import load_gray, load_rgb
from tests.dataset.photos import HEIGHT, ROWS, make_raw, photos, save, tree
from tests.rig.leash import children
from tests.support.command import Command

WORDS = ("--height", HEIGHT, "--jobs", 2)


def test_pairs_reports_and_depth(bokehbench: Command, tmp_path: Path) -> None:
    raw, out = make_raw(tmp_path / "raw", 3), tmp_path / "out"
    narrow, _ = photos(2)
    # A map whose values are columns: where a column lands says what was cropped.
    columns = narrow.shape[1] // 2
    ramp = np.tile(np.linspace(0, 255, columns).astype(np.uint8), (ROWS // 2, 1))
    save(raw / "original_depth" / "2.png", ramp)
    save(raw / "original" / "4.jpg", photos(1)[0])
    save(raw / "bokeh" / "4.jpg", photos(2)[1])
    ended = bokehbench("dataset", "align", raw, out, *WORDS, "--json", "-")
    assert ended.code == 1, ended.err
    assert "height 280" in ended.err
    assert "4: no_match" in ended.err
    rows = {row["name"]: row for row in ended.json()["rows"]}
    assert [row["verdict"] for row in rows.values()] == ["aligned"] * 3 + ["no_match"]

    dataset = open_dataset(out)
    assert [pair.name for pair in dataset.pairs] == ["1", "2", "3"]
    for pair in dataset.pairs:
        original, bokeh = (load_rgb(pair.paths[role]) for role in ("original", "bokeh"))
        assert original.shape == bokeh.shape
        assert original.shape[0] == HEIGHT
        assert rows[pair.name]["size"] == f"{original.shape[1]}x{HEIGHT}"
        # Aligned pairs differ by gain, noise and blur; 20 pixels of shift differ by much more.
        ratio = bokeh.astype(float).mean() / original.astype(float).mean()
        left = np.abs(original * ratio - bokeh).mean()
        assert left < 0.6 * np.abs(np.roll(original, 6, axis=1) * ratio - bokeh).mean()

    depth = load_gray(out / "original_depth" / "2.png")
    crop = rows["2"]["crop"]
    share = (ROWS // 2) / ROWS
    assert depth.shape[0] == round(HEIGHT * share)
    expected = np.interp(
        [crop[0] * share, crop[2] * share - 1], np.arange(columns), np.linspace(0, 255, columns)
    )
    assert depth[5, 0] == pytest.approx(expected[0], abs=2.5)
    assert depth[5, -1] == pytest.approx(expected[1], abs=2.5)

    table = list(csv.DictReader(io.StringIO((out / "align.csv").read_text())))
    assert [line["verdict"] for line in table] == ["aligned"] * 3 + ["no_match"]
    assert float(table[0]["residual_px"]) < 0.5
    page = (out / "align.html").read_text()
    assert page.count("<img") == 3 * 4 + 2
    assert "no_match" in page
    assert "max_exposure_ev" in page
    assert json.loads((out / "align.json").read_text())["settings"]["height"] == HEIGHT


def test_killed_and_started_again_is_as_if_never_killed(
    bokehbench: Command, tmp_path: Path
) -> None:
    raw = make_raw(tmp_path / "raw", 8)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert bokehbench("dataset", "align", raw, whole, *WORDS, "--jobs", 1).code == 0
    journal = broken / "align.journal.jsonl"
    with bokehbench.start("dataset", "align", raw, broken, *WORDS) as process:
        until = time.monotonic() + 120
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= 4):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        workers = children(process.pid)
        assert workers
        process.send_signal(signal.SIGKILL)
        process.communicate()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < until, "workers outlive the command"
        time.sleep(0.05)
    # Killed in the middle of a line and of a file.
    journal.write_bytes(journal.read_bytes() + b'{"name": "8", "verd')
    (broken / "bokeh" / ".8.jpg.bokehbench-part").write_bytes(b"half")
    done = journal.read_bytes().count(b"\n") - 1
    assert 0 < done < 8
    stamps = {path: path.stat().st_mtime_ns for path in broken.glob("bokeh/?.jpg")}
    ended = bokehbench("dataset", "align", raw, broken, *WORDS)
    assert ended.code == 0, ended.err
    assert f"{done} of 8 pairs were done before" in ended.err
    assert tree(broken) == tree(whole)
    kept = [path for path, stamp in stamps.items() if path.stat().st_mtime_ns == stamp]
    assert len(kept) >= done


def test_ctrl_c_ends_with_130_and_no_more_lines(bokehbench: Command, tmp_path: Path) -> None:
    raw, out = make_raw(tmp_path / "raw", 8), tmp_path / "out"
    with bokehbench.start("dataset", "align", raw, out, *WORDS) as process:
        journal = out / "align.journal.jsonl"
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= 2):
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "bokehbench: interrupted"


def test_what_changes_is_done_again(bokehbench: Command, tmp_path: Path) -> None:
    raw, out = make_raw(tmp_path / "raw", 3), tmp_path / "out"
    assert bokehbench("dataset", "align", raw, out, *WORDS).code == 0
    before = tree(out)
    # One pair is no pair any more, one is gone, one output was spoiled by hand.
    save(raw / "bokeh" / "1.jpg", photos(2)[1])
    for role in ("original", "bokeh"):
        (raw / role / "2.jpg").unlink()
    (out / "bokeh" / "3.jpg").write_bytes(b"spoiled")
    ended = bokehbench("dataset", "align", raw, out, *WORDS)
    assert ended.code == 1, ended.err
    after = tree(out)
    images = {name for name in after if name.endswith(".jpg")}
    assert images == {"original/3.jpg", "bokeh/3.jpg"}
    assert after["bokeh/3.jpg"] == before["bokeh/3.jpg"]


def test_other_options_are_refused_in_the_same_folder(bokehbench: Command, tmp_path: Path) -> None:
    raw, out = make_raw(tmp_path / "raw", 1), tmp_path / "out"
    assert bokehbench("dataset", "align", raw, out, *WORDS).code == 0
    before = tree(out)
    ended = bokehbench("dataset", "align", raw, out, "--height", HEIGHT - 8)
    assert ended.code == 2
    assert "height 280, now 272" in ended.complaint
    assert {k: v for k, v in tree(out).items() if "journal" not in k} == before


def test_png_and_other_folder_names(bokehbench: Command, tmp_path: Path) -> None:
    narrow, wide = photos(1)
    save(tmp_path / "raw" / "f16" / "a b.png", narrow)
    save(tmp_path / "raw" / "f1.8" / "a b.jpg", wide)
    words = ("--narrow", "f16", "--wide", "f1.8", "--format", "png")
    out = tmp_path / "out"
    ended = bokehbench("dataset", "align", tmp_path / "raw", out, *WORDS, *words)
    assert ended.code == 0, ended.err
    assert sorted(name for name in tree(out) if name.endswith(".png")) == [
        "f1.8/a b.png",
        "f16/a b.png",
    ]


@pytest.mark.parametrize("shape", [(392, 518), (500, 667)])
def test_a_map_of_a_little_another_shape_lies_on_its_photo(
    bokehbench: Command, tmp_path: Path, shape: tuple[int, int]
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    # Odd sizes, read at a half: the last column stands for one pixel of the file.
    size = 1331, 999
    for role, photo in zip(("original", "bokeh"), photos(3), strict=True):
        image = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)
        save(raw / role / "1.png", np.asarray(image, np.uint8))
    rows, columns = shape
    # Black up to 90 % of the photo's width and height, with the pixel that is cut in two gray.
    x, y = (np.clip(np.arange(n) - 0.9 * n + 1.0, 0.0, 1.0) for n in (columns, rows))
    edges = np.rint(255 * np.maximum(x[None, :], y[:, None])).astype(np.uint8)
    save(raw / "original_depth" / "1.png", edges)
    ended = bokehbench("dataset", "align", raw, out, *WORDS, "--json", "-")
    assert ended.code == 0, ended.err
    # Two pixels of the file for each that was read; the last one of an odd size is cut off.
    left, top, right, bottom = (edge + edge % 2 for edge in ended.json()["rows"][0]["crop"])
    depth = load_gray(out / "original_depth" / "1.png").astype(float)
    black = (255 - depth[0]).sum() / 255, (255 - depth[:, 0]).sum() / 255
    wide, high = depth.shape[1] / (right - left), depth.shape[0] / (bottom - top)
    assert black[0] == pytest.approx((0.9 * size[0] - left) * wide, abs=0.03)
    assert black[1] == pytest.approx((0.9 * size[1] - top) * high, abs=0.03)
