"""A dataset -> train, val and test folders, by a seed; what shows the same stays together."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from bokehbench.dataset.check import Checked, Look, check, likenesses
from bokehbench.dataset.files import is_inside
from bokehbench.dataset.likeness import groups
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import shown
from bokehbench.fidelity.pairs import natural_order

FORMAT = "bokehbench-split/1"
SPLITS = ("train", "val", "test")
# What would make a split unusable; the rest is for `check` to tell.
FATAL = ("corrupt", "link", "size", "raw", "unpaired")


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Names by split, in natural order, and the seed that chose them."""

    format: str = FORMAT
    seed: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    together: int = 0


def choose(looks: tuple[Look, ...], test: int, val: int, seed: int) -> Split:
    """Which pair goes where. Pairs that show the same go to one split.

    The order is by a hash of seed and name, so that a pair more or less moves few others.

    Raises:
        DatasetError: fewer pairs than wanted, or none left to train on, or the sizes can't be met
            without tearing apart what shows the same.
    """
    if test + val >= len(looks):
        raise DatasetError(
            f"--test {test} and --val {val} leave nothing of {len(looks)} pairs to train on: "
            "give smaller numbers"
        )
    found = groups(len(looks), likenesses(looks))
    named = [[looks[place].name for place in group] for group in found]
    named.sort(key=lambda names: _rank(seed, min(names, key=natural_order)))
    chosen: dict[str, list[str]] = {split: [] for split in SPLITS}
    wanted = {"test": test, "val": val}
    for names in named:
        split = next(
            (s for s in ("test", "val") if len(chosen[s]) + len(names) <= wanted[s]), "train"
        )
        chosen[split] += names
    for split, count in wanted.items():
        if len(chosen[split]) != count:
            raise DatasetError(
                f"--{split} {count}: {len(chosen[split])} is as near as one comes without tearing "
                "apart images that show the same: give that, or remove duplicates"
            )
    ordered = {split: tuple(sorted(names, key=natural_order)) for split, names in chosen.items()}
    together = sum(len(names) for names in named if len(names) > 1)
    return Split(
        seed=seed,
        train=ordered["train"],
        val=ordered["val"],
        test=ordered["test"],
        together=together,
    )


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode()).digest()


def split_dataset(
    folder: Path,
    out: Path,
    *,
    test: int,
    val: int,
    seed: int,
    link: bool = False,
    source: str = "original",
    reference: str = "bokeh",
    jobs: int | None = None,
    on_plan: Callable[[int], None] | None = None,
    on_pair: Callable[[], None] | None = None,
) -> Split:
    """Copy a dataset to `out`/train, val and test, whole or not at all; `link` makes hard links.

    Raises:
        DatasetError: as `check` and `choose`; the dataset has splits or faults already; `out` is
            there, or can't be written.
    """
    if os.path.lexists(out):
        raise DatasetError(f"{shown(out)}: is there already: give a new folder")
    if is_inside(out, folder):
        raise DatasetError(f"{shown(out)}: lies in the dataset: give a folder beside it")
    checked = check(
        folder, source=source, reference=reference, jobs=jobs, on_plan=on_plan, on_pair=on_pair
    )
    _refuse(folder, checked)
    chosen = choose(checked.looks, test, val, seed)
    part = out.with_name(f".{out.name}.bokehbench-part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        _fill(part, folder, checked, chosen, link)
        (part / "split.json").write_bytes(
            msgspec.json.format(msgspec.json.encode(chosen), indent=1) + b"\n"
        )
        part.rename(out)
    except OSError as error:
        raise DatasetError(
            f"{shown(out)}: can't be written ({error.strerror}): make room or give another folder"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return chosen


def _refuse(folder: Path, checked: Checked) -> None:
    if set(checked.pairs) != {""}:
        names = ", ".join(sorted(checked.pairs))
        raise DatasetError(f"{shown(folder)}: is split already ({shown(names)}): give one split")
    fatal = [problem for problem in checked.problems if problem.kind in FATAL]
    if fatal:
        more = f" (and {len(fatal) - 1} more)" if len(fatal) > 1 else ""
        raise DatasetError(f"{fatal[0].text}{more}: `bokehbench dataset check` lists all")


def _fill(part: Path, folder: Path, checked: Checked, chosen: Split, link: bool) -> None:
    """Files of every pair, its depth map with it."""
    place = {name: split for split in SPLITS for name in getattr(chosen, split)}
    for look in checked.looks:
        files = (*look.files, look.depth) if look.depth else look.files
        for path in (folder / file for file in files):
            goal = part / place[look.name] / path.parent.name / path.name
            goal.parent.mkdir(parents=True, exist_ok=True)
            if link:
                os.link(os.path.realpath(path), goal)
            else:
                shutil.copyfile(path, goal)
