"""Every offset of a whole file checked against the schema, before anything of it is used.

Engines follow offsets that nobody here reads: options, strings, names of containers. What the
schema knows is checked in full, as flatbuffers' own Verifier does it: places and alignment of
tables, vtables, fields, vectors and strings. In addition a tensor, an operator or a
subgraph belongs to one place only, so that a small file can't describe a large one.
"""

from struct import Struct
from typing import Final, NamedTuple

from bokehbench.model.flatbuffer import INT32, UINT32, VTABLE_HEAD, Source
from bokehbench.model.layout import TABLES, UNIONS, Field

TABLE_COST: Final = 64
ENTRY_COST: Final = 16

_OWNED: Final = frozenset({"Model", "SubGraph", "Tensor", "Operator"})


class _Layout(NamedTuple):
    number: int
    name: str
    fields: tuple[Field, ...]


class _Reference(NamedTuple):
    """A field that points somewhere; `tag` is where a union's type lies, both in the table."""

    offset: int
    field: Field
    tag: int


class _Plan(NamedTuple):
    """What one vtable means for one kind of table: size, numbers of 8 bytes, references."""

    inline: int
    wide: tuple[int, ...]
    references: tuple[_Reference, ...]


def _layouts() -> dict[str, _Layout]:
    members = [name for union in UNIONS.values() for name in union]
    names = dict.fromkeys([*TABLES, *members])
    return {name: _Layout(number, name, TABLES.get(name, ())) for number, name in enumerate(names)}


_LAYOUTS: Final = _layouts()
_ANY: Final = _Layout(len(_LAYOUTS), "unknown", ())
"""A member of a union that is newer than the schema here: only its own place is checked."""

_MEMBERS: Final = {
    name: tuple(_LAYOUTS[member] for member in members) for name, members in UNIONS.items()
}


def verify(source: Source, identifier: bytes) -> None:
    """Checks all that the root table of `source` leads to.

    Raises:
        ModelError: something lies outside the file, or where the schema does not allow it.
    """
    _Verifier(source).table(source.root_place(identifier), _LAYOUTS["Model"])


class _Verifier:
    """One walk; it goes no deeper than the schema, which has no table within itself."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.data = source.data
        self.size = source.size
        self.seen: set[tuple[int, int]] = set()
        self.plans: dict[tuple[int, int], _Plan] = {}

    def table(self, at: int, layout: _Layout) -> None:
        """Checks the table at byte `at` and all below it, once."""
        key = at, layout.number
        if key in self.seen:
            if layout.name in _OWNED:
                self.source.fail(f"two places use the one {layout.name} at byte {at}")
            return
        self.seen.add(key)
        source = self.source
        source.spend(TABLE_COST)
        if at & 3 or at > self.size - 4:
            outside = at > self.size - 4
            what = f"lies outside its {self.size} bytes" if outside else "is not aligned"
            source.fail(f"the table {layout.name} at byte {at} {what}")
        vtable = at - INT32.unpack_from(self.data, at)[0]
        plan = self.plans.get((vtable, layout.number))
        if plan is None:
            plan = self.plans[vtable, layout.number] = self._plan(at, vtable, layout)
        if at + plan.inline > self.size:
            source.fail(f"the table {layout.name} at byte {at} ends outside the file")
        for offset in plan.wide:
            if (at + offset) & 7:
                source.fail(f"a number of the table {layout.name} at byte {at} is not aligned")
        for offset, field, tag in plan.references:
            self._follow(at, at + offset, field, layout, self.data[at + tag] if tag else 0)

    def _plan(self, at: int, vtable: int, layout: _Layout) -> _Plan:
        source, size = self.source, self.size
        if not 0 <= vtable <= size - 4 or vtable & 1:
            source.fail(f"the vtable of the table at byte {at} lies outside its {size} bytes")
        length, inline = VTABLE_HEAD.unpack_from(self.data, vtable)
        if length < 4 or length % 2 or vtable + length > size:
            source.fail(f"the vtable at byte {vtable} has an impossible length of {length}")
        if inline < 4:
            source.fail(f"the table at byte {at} has an impossible length of {inline}")
        count = (length - 4) // 2
        last = layout.fields[-1].slot + 1 if layout.fields else 0
        held = min(count, last)
        offsets: tuple[int, ...] = Struct(f"<{held}H").unpack_from(self.data, vtable + 4)
        wide: list[int] = []
        references: list[_Reference] = []
        for field in layout.fields:
            if field.slot >= held:
                break
            offset = offsets[field.slot]
            if offset == 0:
                continue
            width = field.width if field.kind == "number" else 4
            if offset < 4 or offset + width > inline or offset & min(width - 1, 3):
                source.fail(
                    f"field {field.slot} of the table {layout.name} at byte {at} lies outside it"
                )
            if field.kind != "number":
                tag = offsets[field.slot - 1] if field.kind == "union" else 0
                references.append(_Reference(offset, field, tag))
            elif width == 8:
                wide.append(offset)
        return _Plan(inline, tuple(wide), tuple(references))

    def _follow(self, at: int, place: int, field: Field, layout: _Layout, tag: int) -> None:
        source, data = self.source, self.data
        target: int = place + UINT32.unpack_from(data, place)[0]
        if target > self.size - 4 or target == place or target & 3:
            source.fail(
                f"field {field.slot} of the table {layout.name} at byte {at} points nowhere"
            )
        kind = field.kind
        if kind == "table":
            self.table(target, _LAYOUTS[field.name])
            return
        if kind == "union":
            members = _MEMBERS[field.name]
            if tag:
                self.table(target, members[tag - 1] if tag <= len(members) else _ANY)
            return
        count: int = UINT32.unpack_from(data, target)[0]
        end = target + 4 + count * field.width
        if end > self.size:
            source.fail(
                f"a vector of {count} elements at byte {target} ends outside the file's "
                f"{self.size} bytes"
            )
        if kind == "string":
            if end >= self.size or data[end] != 0:
                source.fail(f"the string at byte {target} has no end")
        elif kind == "tables":
            self._entries(target, count, _LAYOUTS[field.name])

    def _entries(self, vector: int, count: int, layout: _Layout) -> None:
        """Every table of a vector; a vector that was seen is not gone through again."""
        key = vector, -1 - layout.number
        if key in self.seen and layout.name not in _OWNED:
            return
        self.seen.add(key)
        self.source.spend(count * ENTRY_COST)
        for place in range(vector + 4, vector + 4 + 4 * count, 4):
            self.table(place + UINT32.unpack_from(self.data, place)[0], layout)
