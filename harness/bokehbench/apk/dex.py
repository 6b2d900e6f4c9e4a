"""The smallest classes.dex: one public class without fields or methods.

Source: the "Dalvik Executable format" page of AOSP, version 035, which Android 7 and later read.
"""

import hashlib
import struct
import zlib

_HEADER_SIZE = 0x70
_ENDIAN_CONSTANT = 0x12345678
_NO_INDEX = 0xFFFFFFFF
_PUBLIC = 0x1

_HEADER_ITEM, _STRING_ID, _TYPE_ID, _CLASS_DEF = 0x0000, 0x0001, 0x0002, 0x0006
_MAP_LIST, _STRING_DATA = 0x1000, 0x2002


def write_dex(class_name: str) -> bytes:
    """A file with the class of that name (`a.b.C`), whose superclass is Object.

    Raises:
        ValueError: the name is not plain ASCII of at most 100 characters.
    """
    if not (class_name.isascii() and 0 < len(class_name) <= 100):
        raise ValueError(f"not a plain class name: {class_name!r}")
    own = f"L{class_name.replace('.', '/')};"
    # Both lists have to be sorted; as type names these strings are the types as well.
    texts = sorted([own, "Ljava/lang/Object;"])
    strings_at = _HEADER_SIZE
    types_at = strings_at + 4 * len(texts)
    classes_at = types_at + 4 * len(texts)
    data_at = classes_at + 32

    data, string_offsets = b"", []
    for text in texts:
        string_offsets.append(data_at + len(data))
        data += bytes([len(text)]) + text.encode("ascii") + b"\0"
    data += b"\0" * (-len(data) % 4)
    map_at = data_at + len(data)
    items = [
        (_HEADER_ITEM, 1, 0),
        (_STRING_ID, len(texts), strings_at),
        (_TYPE_ID, len(texts), types_at),
        (_CLASS_DEF, 1, classes_at),
        (_STRING_DATA, len(texts), data_at),
        (_MAP_LIST, 1, map_at),
    ]
    data += struct.pack("<I", len(items))
    data += b"".join(struct.pack("<HHII", kind, 0, count, at) for kind, count, at in items)

    ids = struct.pack(f"<{len(texts)}I", *string_offsets)
    ids += struct.pack(f"<{len(texts)}I", *range(len(texts)))
    # No interfaces, source file, annotations, members or values.
    super_type = texts.index("Ljava/lang/Object;")
    ids += struct.pack("<8I", texts.index(own), _PUBLIC, super_type, 0, _NO_INDEX, 0, 0, 0)

    size = data_at + len(data)
    # Links, the map, strings, types, prototypes, fields, methods, classes, data: number and place.
    numbers = [size, _HEADER_SIZE, _ENDIAN_CONSTANT, 0, 0, map_at]
    numbers += [len(texts), strings_at, len(texts), types_at, 0, 0, 0, 0, 0, 0]
    numbers += [1, classes_at, len(data), data_at]
    rest = struct.pack(f"<{len(numbers)}I", *numbers) + ids + data
    signed = hashlib.sha1(rest, usedforsecurity=False).digest() + rest
    return b"dex\n035\0" + struct.pack("<I", zlib.adler32(signed)) + signed
