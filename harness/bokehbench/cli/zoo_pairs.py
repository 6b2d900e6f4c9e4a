"""Which pairs `bokehbench zoo train` trains on, and which it measures on: never the same photo."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bokehbench.cli.dataset_progress import pair_bar
from bokehbench.cli.output import note
from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.dataset.likeness import Print
    from bokehbench.fidelity.pairs import Dataset, Pair

LOOK_SIDE = 256
"""Pixels of the shorter side that suffice to see what a photo shows: eight for each of a print."""


class Chosen(NamedTuple):
    """Pairs to train on, others to measure on, and a digest of both."""

    train: "list[Pair]"
    held: "list[Pair]"
    digest: str


def choose_pairs(folder: Path, validation: str | None, seed: int) -> Chosen:
    """Open the dataset, and hold out of it what `--validation` says, or open that folder.

    Raises:
        UsageError: `validation` can't be had, or names photos that are trained on.
        DatasetError: a folder has no pairs, or a photo can't be read.
    """
    from bokehbench.fidelity.pairs import open_dataset

    dataset = open_dataset(folder)
    for file in dataset.unpaired:
        note(f"warning: {file} has no partner and is left out")
    if validation is None or validation.isdecimal():
        return _held_out(dataset, validation, seed)
    other = open_dataset(Path(validation))
    if other.root.resolve() == dataset.root.resolve():
        raise UsageError(
            f"--validation {validation}: is the dataset itself; give a number to hold out"
        )
    _refuse_same_files(dataset, other, validation)
    _warn_of_likeness(dataset, other)
    return Chosen(list(dataset.pairs), list(other.pairs), f"{dataset.digest} {other.digest}")


def _held_out(dataset: "Dataset", validation: str | None, seed: int) -> Chosen:
    from bokehbench.dataset.likeness import alike, groups
    from bokehbench.zoo.validation import hold_out

    count = max(1, len(dataset.pairs) // 10) if validation is None else int(validation)
    if count < 1:
        raise UsageError("--validation 0: at least one pair is needed to choose the best epoch")
    together = groups(len(dataset.pairs), alike(_prints(dataset.pairs)))
    train, held = hold_out(dataset, count, seed, together)
    if validation is not None and len(held) != count:
        raise UsageError(
            f"--validation {count}: {len(held)} is as near as one comes with this --seed without "
            "tearing apart photos that show the same; give that, or remove duplicates"
        )
    names = "\n".join(pair.name for pair in held)
    digest = hashlib.sha256(f"{dataset.digest}\n{names}".encode()).hexdigest()
    return Chosen(train, held, digest)


def _prints(pairs: "Sequence[Pair]") -> "list[Print]":
    """What each pair's photo shows, from a small picture of it."""
    from bokehbench.dataset.likeness import fingerprint
    from bokehbench.fidelity.images import load_rgb
    from bokehbench.fidelity.threads import map_threads, usable_cores

    def look(pair: "Pair") -> "Print":
        seen = fingerprint(load_rgb(pair.paths["original"], at_least=LOOK_SIDE))
        on_pair()
        return seen

    with pair_bar() as (on_plan, on_pair):
        on_plan(len(pairs))
        return map_threads(look, pairs, usable_cores())


def _refuse_same_files(dataset: "Dataset", other: "Dataset", validation: str) -> None:
    """Files of one content are of one size; only those are read."""
    from bokehbench.dataset.files import file_digest

    digest_of = cache(file_digest)
    by_size = defaultdict(list)
    for path in (path for pair in dataset.pairs for path in pair.paths.values()):
        by_size[path.stat().st_size].append(path)
    for path in (path for pair in other.pairs for path in pair.paths.values()):
        for rival in by_size.get(path.stat().st_size, []):
            if digest_of(rival) == digest_of(path):
                raise UsageError(
                    f"--validation {validation}: {path} is the same file as {rival}, which is "
                    "trained on; remove one of the two"
                )


def _warn_of_likeness(dataset: "Dataset", other: "Dataset") -> None:
    from bokehbench.dataset.likeness import alike

    pairs = (*dataset.pairs, *other.pairs)
    first = len(dataset.pairs)
    leaks = {b: a for a, b in alike(_prints(pairs)) if a < first <= b}
    if leaks:
        b, a = next(iter(leaks.items()))
        note(
            f"warning: {len(leaks)} of {len(other.pairs)} validation photos show the same as "
            f"photos that are trained on ({pairs[b].paths['original']} and "
            f"{pairs[a].paths['original']}); their scores say little of other photos"
        )
