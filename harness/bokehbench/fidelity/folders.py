"""Two files, or two folders whose files are paired by name, to be compared."""

from dataclasses import dataclass
from pathlib import Path

from bokehbench.errors import DatasetError
from bokehbench.fidelity.arrays import ARRAY_SUFFIX
from bokehbench.fidelity.images import shown
from bokehbench.fidelity.pairs import SUFFIXES, list_files, natural_order


@dataclass(frozen=True)
class FilePair:
    """A prediction and its reference; `name` is what they share, or the prediction's own."""

    name: str
    prediction: Path
    reference: Path


@dataclass(frozen=True)
class Pairing:
    """Pairs in natural order, and the paths of the files that found no partner."""

    pairs: tuple[FilePair, ...]
    unpaired: tuple[Path, ...]


def pair_paths(prediction: Path, reference: Path) -> Pairing:
    """Pair two files, or the JPEG, PNG and .npy files of two folders by their stems.

    Raises:
        DatasetError: one is missing, one is a file and the other a folder, a folder holds no
            images or one stem twice, or no names agree.
    """
    kinds = [_is_folder(path) for path in (prediction, reference)]
    if kinds[0] != kinds[1]:
        folder, file = (prediction, reference) if kinds[0] else (reference, prediction)
        raise DatasetError(
            f"{shown(folder)} is a folder but {shown(file)} a file: give two files or two folders"
        )
    if not kinds[0]:
        return Pairing((FilePair(prediction.stem, prediction, reference),), ())
    listings = []
    for path in (prediction, reference):
        listing = list_files(path, (*SUFFIXES, ARRAY_SUFFIX))
        if not listing:
            raise DatasetError(
                f"{shown(path)}: holds no images: give a folder of JPEG, PNG or .npy files"
            )
        listings.append(listing)
    left, right = listings
    stems = sorted(left.keys() & right.keys(), key=natural_order)
    if not stems:
        raise DatasetError(
            f"no names agree: {_some(prediction, left)}, {_some(reference, right)}: "
            "give both files of a pair one name"
        )
    unpaired = [
        listing[stem]
        for listing in listings
        for stem in sorted(listing.keys() - set(stems), key=natural_order)
    ]
    return Pairing(
        tuple(FilePair(stem, left[stem], right[stem]) for stem in stems), tuple(unpaired)
    )


def _is_folder(path: Path) -> bool:
    try:
        if path.is_dir():
            return True
        if path.exists():
            return False
    except (OSError, ValueError) as error:
        raise DatasetError(f"{shown(path)}: can't be read ({error})") from None
    raise DatasetError(f"{shown(path)}: no such file or folder: check the path")


def _some(folder: Path, listing: dict[str, Path]) -> str:
    """A folder and some of its names."""
    names = [shown(listing[stem].name) for stem in sorted(listing, key=natural_order)]
    more = ", ..." if len(names) > 3 else ""
    return f"{shown(folder)} has {', '.join(names[:3])}{more}"
