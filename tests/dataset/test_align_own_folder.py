"""`dataset align` and its own OUT: what it takes for its own, and what it removes."""

import json
from pathlib import Path

import cv2
import PIL
import pytest

from bokehbench.dataset.align import owner
from bokehbench.dataset.files import is_label, remove_labels
from bokehbench.dataset.journal import Journal
from bokehbench.dataset.settings import AlignSettings
from bokehbench.errors import DatasetError
from tests.dataset.photos import HEIGHT, make_raw, tree
from tests.support.command import Command

WORDS = ("--height", HEIGHT, "--jobs", 1)


@pytest.mark.parametrize(
    "label",
    [
        "../victim.txt",
        "../1.jpg",
        "bokeh/../1.jpg",
        "bokeh/../../1.jpg",
        "/1.jpg",
        "/etc/1.jpg",
        "bokeh/2.jpg",
        "bokeh/1.txt",
        "bokeh/1",
        "bokeh/1\0.jpg",
        "other/1.jpg",
        "1.jpg",
        "",
    ],
)
def test_labels_that_no_run_writes(label: str) -> None:
    assert not is_label(label, "1", ("original", "bokeh"))


def test_labels_of_a_pair() -> None:
    roles = ("original", "bokeh")
    for label in ("original/1.jpg", "bokeh/1.png", "bokeh/1.JPEG"):
        assert is_label(label, "1", roles)
    assert is_label("bokeh/a.b c.jpg", "a.b c", roles)
    # A name is a row's own word too.
    assert not is_label("bokeh/../../x.jpg", "../../x", roles)


def test_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "bokeh" / "1.jpg").mkdir(parents=True)
    remove_labels(tmp_path, ["bokeh/0.jpg"])
    with pytest.raises(DatasetError, match=r"1\.jpg: can't be removed .*: remove it"):
        remove_labels(tmp_path, ["bokeh/1.jpg"])


def test_a_label_that_leads_out_removes_nothing(bokehbench: Command, tmp_path: Path) -> None:
    raw, out = make_raw(tmp_path / "raw", 2), tmp_path / "out"
    assert bokehbench("dataset", "align", raw, out, *WORDS).code == 0
    (tmp_path / "victim.txt").write_text("mine")
    document = json.loads((out / "align.json").read_text())
    document["rows"][0]["outputs"]["../victim.txt"] = "0" * 64
    (out / "align.json").write_text(json.dumps(document))
    before = {name: data for name, data in tree(tmp_path).items() if "raw/" not in name}

    def refused(place: str) -> None:
        ended = bokehbench("dataset", "align", raw, out, *WORDS)
        assert ended.code == 2
        assert f"{place}: is not what `dataset align` wrote" in ended.complaint
        after = tree(tmp_path)
        assert {name: after.get(name) for name in before} == before

    refused("align.json")
    # The pair is no longer in RAW: what was written of it would go.
    for role in ("original", "bokeh"):
        (raw / role / "1.jpg").unlink()
    refused("align.json")
    rows = document.pop("rows")
    lines = "".join(json.dumps(line) + "\n" for line in (document, *rows))
    (out / "align.json").unlink()
    del before["out/align.json"]
    (out / "align.journal.jsonl").write_text(lines)
    refused("align.journal.jsonl")


def test_a_refusal_makes_nothing(bokehbench: Command, tmp_path: Path) -> None:
    raw, out = make_raw(tmp_path / "raw", 1), tmp_path / "out"
    (tmp_path / "away").mkdir()
    (raw / "original_depth").symlink_to(tmp_path / "away")
    ended = bokehbench("dataset", "align", raw, out, *WORDS)
    assert ended.code == 2
    assert "leads out of" in ended.complaint
    assert not out.exists()


def test_folders_that_a_run_made_and_could_not_fill(bokehbench: Command, tmp_path: Path) -> None:
    raw, out = make_raw(tmp_path / "raw", 1), tmp_path / "out"
    for role in ("original", "bokeh"):
        (out / role).mkdir(parents=True)
    (out / "bokeh" / "mine.jpg").touch()
    ended = bokehbench("dataset", "align", raw, out, *WORDS)
    assert ended.code == 2
    assert "did not write" in ended.complaint
    (out / "bokeh" / "mine.jpg").unlink()
    assert bokehbench("dataset", "align", raw, out, *WORDS).code == 0


@pytest.mark.parametrize("library", ["opencv", "pillow"])
def test_another_library_is_refused(tmp_path: Path, library: str) -> None:
    mine = owner(AlignSettings())
    with Journal(tmp_path, mine, AlignSettings()) as journal:
        journal.finish(())
    document = json.loads((tmp_path / "align.json").read_text())
    assert document["opencv"] == cv2.__version__
    assert document["pillow"] == PIL.__version__
    with Journal(tmp_path, mine, AlignSettings()):
        pass
    (tmp_path / "align.json").write_text(json.dumps({**document, library: "1.0"}))
    with pytest.raises(DatasetError, match=rf"(?i){library} 1\.0, now {document[library]}"):
        Journal(tmp_path, mine, AlignSettings()).__enter__()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"rows": [], "settings": 1}']
)
def test_documents_of_others(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "align.json").write_bytes(data)
    with pytest.raises(DatasetError, match="is not what `dataset align` wrote"):
        Journal(tmp_path, owner(AlignSettings()), AlignSettings()).__enter__()
