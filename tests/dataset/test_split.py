"""`dataset split`: sizes, the seed, what stays together, and a folder that is whole or absent."""

import json
from pathlib import Path

import numpy as np

from bokehbench.dataset.check import Look
from bokehbench.dataset.likeness import fingerprint
from bokehbench.dataset.split import SPLITS, Split, choose
from tests.dataset.photos import save, tree
from tests.dataset.test_check import make, photo, soft
from tests.support.command import Command

WORDS = ("--jobs", 1)


def looks(count: int, twice: int = 0) -> tuple[Look, ...]:
    """Looks at `count` photos; the first `twice` come a second time under another name."""
    found = []
    for number in range(count):
        seen = fingerprint(photo(number))
        found.append(Look("", str(number), (), (200, 300), seen))
        if number < twice:
            found.append(Look("", f"{number}b", (), (200, 300), seen))
    return tuple(found)


def parts(split: Split) -> dict[str, set[str]]:
    return {name: set(getattr(split, name)) for name in SPLITS}


def test_sizes_and_seed() -> None:
    seen = looks(30)
    one = parts(choose(seen, 6, 4, seed=1))
    assert {name: len(names) for name, names in one.items()} == {"train": 20, "val": 4, "test": 6}
    assert set.union(*one.values()) == {look.name for look in seen}
    assert parts(choose(tuple(reversed(seen)), 6, 4, seed=1)) == one
    assert parts(choose(seen, 6, 4, seed=2)) != one


def test_a_pair_more_moves_few_others() -> None:
    before, after = (parts(choose(looks(count), 8, 0, seed=3)) for count in (30, 31))
    assert len(before["test"] & after["test"]) >= 7


def test_what_shows_the_same_stays_together() -> None:
    for seed in range(8):
        found = choose(looks(20, twice=5), 6, 3, seed)
        assert found.together == 10
        for names in parts(found).values():
            for number in range(5):
                assert (str(number) in names) == (f"{number}b" in names)


def test_files_and_depth(bokehbench: Command, tmp_path: Path) -> None:
    root = make(tmp_path / "d", range(1, 11))
    save(root / "original_depth" / "4.png", np.zeros((100, 150), np.uint8))
    out = tmp_path / "out"
    words = ("dataset", "split", root, out, "--test", 3, "--val", 2, "--seed", 7, *WORDS)
    ended = bokehbench(*words)
    assert ended.code == 0, ended.err
    assert "train 5, val 2, test 3, seed 7" in ended.out
    names = json.loads((out / "split.json").read_text())
    for split in SPLITS:
        for role in ("original", "bokeh"):
            files = {path.stem: path for path in (out / split / role).iterdir()}
            assert set(files) == set(names[split])
            for name, path in files.items():
                assert path.read_bytes() == (root / role / f"{name}.jpg").read_bytes()
    [depth] = out.glob("*/original_depth/4.png")
    assert "4" in names[depth.parents[1].name]
    again = tmp_path / "again"
    ended = bokehbench(*words[:3], again, *words[4:], "--link")
    assert ended.code == 0, ended.err
    assert tree(again) == tree(out)
    linked = next(again.glob("train/original/*.jpg"))
    assert linked.samefile(root / "original" / linked.name)


def test_a_map_keeps_its_capitals_and_its_pair(bokehbench: Command, tmp_path: Path) -> None:
    root = make(tmp_path / "d", range(1, 5))
    flat = np.zeros((100, 150), np.uint8)
    save(root / "original_depth" / "1.png", flat)
    save(root / "original_depth" / "2.PNG", flat)
    save(root / "original_depth" / "9.PNG", flat)
    ended = bokehbench("dataset", "check", root, "--json", "-", *WORDS)
    assert [problem["files"] for problem in ended.json()["problems"]] == [["original_depth/9.PNG"]]
    out = tmp_path / "out"
    ended = bokehbench("dataset", "split", root, out, "--test", 1, *WORDS)
    assert ended.code == 0, ended.err
    maps = {path.name: path.parents[1].name for path in out.glob("*/original_depth/*")}
    photos = {path.stem: path.parents[1].name for path in out.glob("*/original/*")}
    assert maps == {"1.png": photos["1"], "2.PNG": photos["2"]}


def test_refusals_leave_nothing(bokehbench: Command, tmp_path: Path) -> None:
    root = make(tmp_path / "d", range(1, 5))
    out = tmp_path / "out"
    ended = bokehbench("dataset", "split", root, out, *WORDS)
    assert ended.code == 2
    assert "--test 200" in ended.complaint
    out.mkdir()
    ended = bokehbench("dataset", "split", root, out, "--test", 1, *WORDS)
    assert "is there already" in ended.complaint
    out.rmdir()
    ended = bokehbench("dataset", "split", root, root / "out", "--test", 1, *WORDS)
    assert "lies in the dataset" in ended.complaint
    save(root / "bokeh" / "2.jpg", soft(photo(2))[:-8])
    ended = bokehbench("dataset", "split", root, out, "--test", 1, *WORDS)
    assert "bokeh/2.jpg is 300x192" in ended.complaint
    (tmp_path / "s").mkdir()
    make(tmp_path / "s" / "a", range(3))
    ended = bokehbench("dataset", "split", tmp_path / "s", out, "--test", 1, *WORDS)
    assert "is split already (a)" in ended.complaint
    assert not out.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "home", "s"]
