"""`dataset synth` started again: what is kept, what is made anew, what is refused."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.dataset.photos import save, tree
from tests.dataset.test_synth import scene
from tests.rig.leash import children
from tests.support.command import Command

WORDS = ("--radius", 12, "--jobs", 1)


def make(root: Path, count: int) -> Path:
    """A folder with photos 1 to `count`, each a little darker than the one before."""
    photo, disparity = scene()
    for number in range(1, count + 1):
        darker = (photo * (1.0 - number / 50.0)).astype(np.uint8)
        save(root / "original" / f"{number}.JPG", darker, format="JPEG")
        save(root / "original_depth" / f"{number}.png", disparity)
    return root


def worker(pid: int) -> int | None:
    """The pid of a worker process of the command `pid`, None while there is none."""
    for child in children(pid):
        try:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        except OSError:
            continue
    return None


def test_a_worker_is_killed_and_the_rest_is_made_later(bokehbench: Command, tmp_path: Path) -> None:
    photos = make(tmp_path / "photos", 24)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert bokehbench("dataset", "synth", photos, whole, *WORDS).code == 0
    journal = broken / "synth.journal.jsonl"
    with bokehbench.start("dataset", "synth", photos, broken, *WORDS) as process:
        until = time.monotonic() + 120
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        pid = worker(process.pid)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "start again with fewer --jobs; what is done stays done" in err
    assert "Traceback" not in err
    done = journal.read_bytes().count(b"\n") - 1
    stamps = {path: path.stat().st_mtime_ns for path in broken.glob("bokeh/*.jpg")}
    ended = bokehbench("dataset", "synth", photos, broken, *WORDS)
    assert ended.code == 0, ended.err
    assert f"{done} of 24 pairs were done before" in ended.err
    assert tree(broken) == tree(whole)
    kept = [path for path, stamp in stamps.items() if path.stat().st_mtime_ns == stamp]
    assert len(kept) >= done


def test_what_changes_is_made_again(bokehbench: Command, tmp_path: Path) -> None:
    photos, out = make(tmp_path / "photos", 4), tmp_path / "out"
    assert bokehbench("dataset", "synth", photos, out, *WORDS).code == 0
    before = tree(out)
    # One photo is gone, one is no photo any more, one output was spoiled, one photo is another.
    (photos / "original" / "1.JPG").unlink()
    (photos / "original" / "2.JPG").write_text("not a photo")
    (out / "bokeh" / "3.jpg").write_bytes(b"spoiled")
    (photos / "original" / "4.JPG").unlink()
    save(photos / "original" / "4.png", scene()[0])
    ended = bokehbench("dataset", "synth", photos, out, *WORDS)
    assert ended.code == 1, ended.err
    assert "2.JPG: not a JPEG or PNG" in ended.err
    after = tree(out)
    assert {name for name in after if "/" in name} == {
        "original/3.JPG",
        "original/4.png",
        "original_depth/3.png",
        "original_depth/4.png",
        "bokeh/3.jpg",
        "bokeh/4.jpg",
    }
    assert after["bokeh/3.jpg"] == before["bokeh/3.jpg"]
    assert after["bokeh/4.jpg"] != before["bokeh/4.jpg"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--radius", 13), "radius_px 12.0, now 13.0"),
        (("--radius", 12, "--focus", 0.5), "focus auto, now 0.5"),
    ],
)
def test_other_settings_are_refused(
    bokehbench: Command, tmp_path: Path, words: tuple[object, ...], told: str
) -> None:
    photos, out = make(tmp_path / "photos", 1), tmp_path / "out"
    document = json.loads(bokehbench("dataset", "synth", photos, out, *WORDS, "--json", "-").out)
    written = json.loads((out / "synth.json").read_text())
    assert {key: written[key] for key in document} == document
    before = tree(out)
    ended = bokehbench("dataset", "synth", photos, out, *words)
    assert ended.code == 2
    assert told in ended.complaint
    assert {name: data for name, data in tree(out).items() if data} == before
