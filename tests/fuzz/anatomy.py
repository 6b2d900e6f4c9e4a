"""Where in a valid file each offset, vtable, length and number lies."""

from dataclasses import dataclass, field
from struct import Struct

from bokehbench.model.layout import TABLES, UNIONS, Field

U16, U32, I32 = Struct("<H"), Struct("<I"), Struct("<i")


@dataclass
class Anatomy:
    """Places by what lies there; first bytes, unless said otherwise.

    `offsets` are fields that point, with the kind of thing that they point at; `slots` entries of
    vtables; `heads` the two sizes of each vtable; `numbers` scalars and elements with their
    widths; `things` what can be pointed at, by kind.
    """

    tables: list[int] = field(default_factory=list)
    offsets: list[tuple[int, str]] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    numbers: list[tuple[int, int]] = field(default_factory=list)
    things: dict[str, list[int]] = field(default_factory=dict)


def dissect(data: bytes) -> Anatomy:
    """The anatomy of a valid file; weights are left out of `numbers`."""
    anatomy = Anatomy()
    anatomy.offsets.append((0, "Model"))
    _table(data, U32.unpack_from(data, 0)[0], "Model", anatomy, set())
    return anatomy


def _table(data: bytes, at: int, name: str, anatomy: Anatomy, seen: set[int]) -> None:
    if at in seen:
        return
    seen.add(at)
    anatomy.tables.append(at)
    anatomy.things.setdefault(name, []).append(at)
    vtable = at - I32.unpack_from(data, at)[0]
    length = U16.unpack_from(data, vtable)[0]
    anatomy.heads += [vtable, vtable + 2]
    held = {
        slot: U16.unpack_from(data, vtable + 4 + 2 * slot)[0] for slot in range((length - 4) // 2)
    }
    anatomy.slots += [vtable + 4 + 2 * slot for slot in held]
    for entry in TABLES.get(name, ()):
        if held.get(entry.slot):
            tag = held.get(entry.slot - 1, 0)
            _field(data, at + held[entry.slot], entry, at + tag if tag else 0, anatomy, seen)


def _field(
    data: bytes, place: int, entry: Field, tag: int, anatomy: Anatomy, seen: set[int]
) -> None:
    if entry.kind == "number":
        anatomy.numbers.append((place, entry.width))
        return
    target = place + U32.unpack_from(data, place)[0]
    if entry.kind == "union":
        members = UNIONS[entry.name]
        name = members[data[tag] - 1] if tag and 0 < data[tag] <= len(members) else "none"
        anatomy.offsets.append((place, name))
        if name != "none":
            _table(data, target, name, anatomy, seen)
        return
    if entry.kind == "table":
        anatomy.offsets.append((place, entry.name))
        _table(data, target, entry.name, anatomy, seen)
        return
    kind = f"{entry.kind}{entry.width}{entry.name}"
    anatomy.offsets.append((place, kind))
    anatomy.lengths.append(target)
    anatomy.things.setdefault(kind, []).append(target)
    count = U32.unpack_from(data, target)[0]
    if entry.kind == "tables":
        for element in range(target + 4, target + 4 + 4 * count, 4):
            anatomy.offsets.append((element, entry.name))
            _table(data, element + U32.unpack_from(data, element)[0], entry.name, anatomy, seen)
    elif entry.width > 1:
        anatomy.numbers += [
            (target + 4 + entry.width * index, entry.width) for index in range(min(count, 64))
        ]
