"""Android's binary XML, as an AndroidManifest.xml inside an APK has to be.

Source: `ResourceTypes.h` of AOSP's libandroidfw (ResXMLTree). The system reads attributes by
resource id and by a search that takes them for sorted, so they are written in that order, and the
names that have ids come first in the string pool, in step with the resource map.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ANDROID_URI = "http://schemas.android.com/apk/res/android"

_STRING_POOL = 0x0001
_XML = 0x0003
_START_NAMESPACE, _END_NAMESPACE, _START_ELEMENT, _END_ELEMENT = 0x0100, 0x0101, 0x0102, 0x0103
_RESOURCE_MAP = 0x0180
_NONE = 0xFFFFFFFF
_NO_ID = 0x1_0000_0000

_REFERENCE, _STRING, _DECIMAL, _FLAGS, _BOOLEAN = 0x01, 0x03, 0x10, 0x11, 0x12


@dataclass(frozen=True)
class Reference:
    """A resource of the framework, by its id."""

    id: int


@dataclass(frozen=True)
class Flags:
    """Bits of an attribute of flags, which the system reads as a hexadecimal number."""

    bits: int


Value = str | bool | int | Reference | Flags


@dataclass(frozen=True)
class Attribute:
    """An attribute; `id` is its resource id, or None outside Android's namespace."""

    name: str
    id: int | None
    value: Value

    @property
    def _order(self) -> tuple[int, str]:
        return (_NO_ID if self.id is None else self.id, self.name)


@dataclass(frozen=True)
class Element:
    """An element with attributes and children; there is no text."""

    name: str
    attributes: tuple[Attribute, ...] = ()
    children: tuple["Element", ...] = ()

    def walk(self) -> Iterator["Element"]:
        """This element and all below, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()


def encode(root: Element) -> bytes:
    """The document of that root element, with Android's namespace bound to `android`.

    Raises:
        ValueError: one attribute name has two resource ids.
    """
    ids: dict[str, int] = {}
    for element in root.walk():
        for attribute in element.attributes:
            if attribute.id is not None and ids.setdefault(attribute.name, attribute.id) != (
                attribute.id
            ):
                raise ValueError(f"attribute {attribute.name} has two resource ids")
    known = sorted(ids, key=lambda name: ids[name])
    pool = _Pool(known)
    body = _namespace(_START_NAMESPACE, pool) + _element(root, pool)
    body += _namespace(_END_NAMESPACE, pool)
    id_map = struct.pack(f"<{len(known)}I", *(ids[name] for name in known))
    content = pool.chunk() + _chunk(_RESOURCE_MAP, b"", id_map) + body
    return _chunk(_XML, b"", content)


class _Pool:
    """Strings by number. Names with resource ids come first and are never shared with texts:
    the resource map gives every use of their numbers that id."""

    def __init__(self, names_with_ids: Sequence[str]) -> None:
        self._texts = list(names_with_ids)
        self._named = {name: number for number, name in enumerate(names_with_ids)}
        self._plain: dict[str, int] = {}

    def name(self, attribute: Attribute) -> int:
        """The number of an attribute's name."""
        return self.text(attribute.name) if attribute.id is None else self._named[attribute.name]

    def text(self, text: str) -> int:
        """The number of any other string."""
        if text not in self._plain:
            self._plain[text] = len(self._texts)
            self._texts.append(text)
        return self._plain[text]

    def chunk(self) -> bytes:
        """The pool as UTF-16, which every Android version reads."""
        data, offsets = b"", []
        for text in self._texts:
            units = text.encode("utf-16-le")
            if len(units) // 2 > 0x7FFF:
                raise ValueError("a string of more than 32767 units has another form")
            offsets.append(len(data))
            data += struct.pack("<H", len(units) // 2) + units + b"\0\0"
        data += b"\0" * (-len(data) % 4)
        start = 28 + 4 * len(offsets)
        head = struct.pack("<5I", len(offsets), 0, 0, start, 0)
        return _chunk(_STRING_POOL, head, struct.pack(f"<{len(offsets)}I", *offsets) + data)


def _chunk(kind: int, head: bytes, content: bytes) -> bytes:
    head_size = 8 + len(head)
    return struct.pack("<HHI", kind, head_size, head_size + len(content)) + head + content


def _node(kind: int, content: bytes) -> bytes:
    # No line of a source file, no comment.
    return _chunk(kind, struct.pack("<II", 0, _NONE), content)


def _namespace(kind: int, pool: _Pool) -> bytes:
    return _node(kind, struct.pack("<II", pool.text("android"), pool.text(ANDROID_URI)))


def _element(element: Element, pool: _Pool) -> bytes:
    attributes = sorted(element.attributes, key=lambda attribute: attribute._order)
    name = pool.text(element.name)
    # Where attributes start, size of one, how many; no id, class or style among them.
    start = struct.pack("<IIHHHHHH", _NONE, name, 20, 20, len(attributes), 0, 0, 0)
    start += b"".join(_attribute(attribute, pool) for attribute in attributes)
    inside = b"".join(_element(child, pool) for child in element.children)
    end = _node(_END_ELEMENT, struct.pack("<II", _NONE, name))
    return _node(_START_ELEMENT, start) + inside + end


def _attribute(attribute: Attribute, pool: _Pool) -> bytes:
    namespace = _NONE if attribute.id is None else pool.text(ANDROID_URI)
    kind, data = _typed(attribute.value, pool)
    raw = data if kind == _STRING else _NONE
    return struct.pack("<IIIHBBI", namespace, pool.name(attribute), raw, 8, 0, kind, data)


def _typed(value: Value, pool: _Pool) -> tuple[int, int]:
    if isinstance(value, bool):
        return _BOOLEAN, _NONE if value else 0
    if isinstance(value, int):
        return _DECIMAL, value
    if isinstance(value, Flags):
        return _FLAGS, value.bits
    if isinstance(value, Reference):
        return _REFERENCE, value.id
    return _STRING, pool.text(value)
