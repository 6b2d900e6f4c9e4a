"""Mutants: a number names one, and the same number always gives the same bytes.

Most change a few places of a known kind in the bytes (offsets, vtables, lengths, numbers, cuts,
insertions, grafts); every eighth is changed as objects and packed again, so that its
flatbuffer is sound and only its meaning is wrong.
"""

import random
from collections.abc import Callable
from functools import cache
from struct import pack_into, unpack_from
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from tests.fuzz.anatomy import Anatomy, dissect
from tests.fuzz.corpus import corpus

NUMBERS = (
    *(0, 1, 2, 3, 4, 5, 7, 8, 16, 31, 32, 64, 100, 126, 127, 128, 255, 256, 1000, 1024, 4096),
    *(0x7FFF, 0x8000, 0xFFFF, 0x10000, 46341, 1 << 20, 1 << 24, 1 << 28, 1 << 30),
    *(0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFFFFFFFFFF, (1 << 64) - 1),
)
WHOLE = 8
"""One mutant of so many is changed as objects."""

Change = Callable[[random.Random, bytearray, Anatomy], None]


@cache
def specimens() -> tuple[tuple[str, bytes, Anatomy], ...]:
    """The models, small ones oftener than large ones, with their anatomies."""
    found = [(name, data, dissect(data)) for name, data in corpus().items()]
    return tuple(entry for entry in found for _ in range(1 if len(entry[1]) > 20_000 else 4))


def mutant(seed: int, number: int) -> bytes:
    """The bytes of one mutated file."""
    dice = random.Random(f"{seed}:{number}")
    _, data, anatomy = dice.choice(specimens())
    if number % WHOLE == 0:
        return _whole(dice, data)
    body = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        dice.choice(_CHANGES)(dice, body, anatomy)
    return bytes(body)


def _put(body: bytearray, place: int, width: int, value: int) -> None:
    """Writes where there is still room: an earlier change may have cut the file."""
    if place >= 0 and place + width <= len(body):
        body[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, "little")


def _number(dice: random.Random, old: int) -> int:
    way = dice.randrange(5)
    if way == 0:
        return old + dice.choice((-4, -2, -1, 1, 2, 4, 8))
    if way == 1:
        return dice.getrandbits(dice.choice((4, 8, 16, 32, 64)))
    if way == 2:
        return old ^ (1 << dice.randrange(32))
    if way == 3:
        return -dice.choice((1, 2, 3, 128, 1 << 15, 1 << 31))
    return dice.choice(NUMBERS)


def _change_number(dice: random.Random, body: bytearray, anatomy: Anatomy) -> None:
    place, width = dice.choice(anatomy.numbers)
    old = int.from_bytes(body[place : place + width], "little")
    _put(body, place, width, _number(dice, old))


def _change_length(dice: random.Random, body: bytearray, anatomy: Anatomy) -> None:
    place = dice.choice(anatomy.lengths)
    _put(body, place, 4, _number(dice, int.from_bytes(body[place : place + 4], "little")))


def _change_offset(dice: random.Random, body: bytearray, anatomy: Anatomy) -> None:
    place, _ = dice.choice(anatomy.offsets)
    _put(body, place, 4, _number(dice, int.from_bytes(body[place : place + 4], "little")))


def _share(dice: random.Random, body: bytearray, anatomy: Anatomy) -> None:
    """Points at another thing of the same kind, mostly; offsets go forward only."""
    place, kind = dice.choice(anatomy.offsets)
    if dice.random() < 0.3:
        kind = dice.choice(list(anatomy.things))
    targets = [target for target in anatomy.things.get(kind, ()) if target > place]
    if targets:
        _put(body, place, 4, dice.choice(targets) - place)


def _graft(dice: random.Random, body: bytearray, anatomy: Anatomy) -> None:
    """Copies a piece to the end and points there: subtrees move, tables overlap."""
    place, _ = dice.choice(anatomy.offsets)
    if place + 4 > len(body):
        return
    start = place + unpack_from("<I", body, place)[0]
    begin = max(0, min(start, len(body)) - dice.choice((0, 0, 16, 64)))
    begin -= begin % 8
    piece = body[begin : begin + dice.choice((16, 64, 256, 1024))]
    body.extend(bytes(-len(body) % 8))
    end = len(body)
    body.extend(piece)
    _put(body, place, 4, end + (start - begin) - place)


def _change_slot(dice: random.Random, body: bytearray, anatomy: Anatomy) -> None:
    place = dice.choice(anatomy.slots)
    old = int.from_bytes(body[place : place + 2], "little")
    _put(body, place, 2, dice.choice((0, 4, 8, 12, 16, old + 4, old - 4, _number(dice, old))))


def _change_head(dice: random.Random, body: bytearray, anatomy: Anatomy) -> None:
    place = dice.choice(anatomy.heads)
    old = int.from_bytes(body[place : place + 2], "little")
    _put(body, place, 2, dice.choice((old + 2, old - 2, old + 4, _number(dice, old))))


def _change_vtable(dice: random.Random, body: bytearray, anatomy: Anatomy) -> None:
    place = dice.choice(anatomy.tables)
    other = dice.choice(anatomy.heads)
    _put(body, place, 4, dice.choice((place - other, place - other, _number(dice, 4))))


def _cut(dice: random.Random, body: bytearray, _anatomy: Anatomy) -> None:
    if dice.random() < 0.5:
        del body[dice.randrange(len(body) + 1) :]
    else:
        del body[max(0, len(body) - dice.randrange(64)) :]


def _insert(dice: random.Random, body: bytearray, _anatomy: Anatomy) -> None:
    place = dice.randrange(len(body) + 1)
    piece = dice.randbytes(dice.choice((1, 2, 4, 8, 64)))
    if dice.random() < 0.5:
        other = dice.randrange(len(body) + 1)
        piece = bytes(body[other : other + dice.choice((4, 16, 64))])
    body[place:place] = piece


def _remove(dice: random.Random, body: bytearray, _anatomy: Anatomy) -> None:
    place = dice.randrange(len(body) + 1)
    del body[place : place + dice.choice((1, 2, 4, 8, 64))]


def _overwrite(dice: random.Random, body: bytearray, _anatomy: Anatomy) -> None:
    for _ in range(dice.choice((1, 4, 16))):
        if body:
            body[dice.randrange(min(len(body), 4096))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))


_CHANGES: tuple[Change, ...] = (
    *(_change_number,) * 5,
    *(_share,) * 3,
    *(_change_offset, _change_length, _graft) * 2,
    *(_change_slot, _change_head, _change_vtable, _cut, _insert, _remove, _overwrite),
)


def _whole(dice: random.Random, data: bytes) -> bytes:
    """The model changed as objects; what can't be packed becomes a change of bytes."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    for _ in range(dice.choice((1, 1, 2, 3))):
        holder, name = dice.choice(_fields(model))
        setattr(holder, name, _other(dice, getattr(holder, name)))
    packer = flatbuffers.Builder(len(data))
    try:
        packer.Finish(model.Pack(packer), b"TFL3")
    except (TypeError, ValueError, AttributeError, OverflowError, KeyError, IndexError):
        body = bytearray(data)
        pack_into("<I", body, 0, dice.getrandbits(32))
        return bytes(body)
    packed = bytes(packer.Output())
    # Weights behind the flatbuffer stay where they were.
    return packed.ljust(len(data), b"\0") if len(packed) < len(data) else packed


def _fields(thing: Any) -> list[tuple[Any, str]]:
    """All attributes of all objects below `thing`, with their holders."""
    found = []
    waiting = [thing]
    while waiting:
        holder = waiting.pop()
        for name, value in vars(holder).items():
            found.append((holder, name))
            if hasattr(value, "__dict__"):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [entry for entry in value if hasattr(entry, "__dict__")]
    return found


def _other(dice: random.Random, value: Any) -> Any:
    """Another value of the same form."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        number = _number(dice, value)
        return number if dice.random() < 0.2 else max(-128, min(number, 127))
    if isinstance(value, float):
        return dice.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
    if isinstance(value, (str, bytes)):
        return dice.choice((None, "", "x" * 5000, b"\xff\xfe", "a\0b"))
    if value is None:
        return dice.choice((None, [], [0], [dice.choice(NUMBERS) % (1 << 31)] * 4))
    if hasattr(value, "__len__") and not isinstance(value, list):
        return value[: dice.randrange(len(value) + 1)]
    if isinstance(value, list) and value:
        return _other_list(dice, list(value))
    return None


def _other_list(dice: random.Random, value: list[Any]) -> list[Any]:
    way = dice.randrange(5)
    place, other = dice.randrange(len(value)), dice.randrange(len(value))
    if way == 0:
        del value[place]
    elif way == 1:
        value.insert(other, value[place])
    elif way == 2:
        value[place], value[other] = value[other], value[place]
    elif way == 3:
        value *= dice.choice((2, 3, 50))
    elif isinstance(value[place], int):
        value[place] = _number(dice, value[place]) & 0x7FFFFFFF
    return value
