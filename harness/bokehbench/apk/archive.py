"""The zip of an APK: entries stored as they are, libraries at the start of a page."""

import io
import struct
import zipfile
from collections.abc import Mapping

PAGE_BYTES = 16 * 1024
"""Where libraries start: the linker maps them straight from the APK, and devices since Android 15
may have pages of 16 KiB."""

ALIGN_BYTES = 4
"""Where everything else starts, as `zipalign` has it."""

# What apksigner writes into such gaps (ZipUtils of AOSP's apksig): alignment, then zeros.
_ALIGNMENT_FIELD = 0xD935
_LOCAL_HEADER_BYTES = 30
# The first date that aapt and zipalign use: a zip has no empty one.
_DATE = (1981, 1, 1, 1, 1, 2)


def write_archive(entries: Mapping[str, bytes]) -> bytes:
    """A zip of those entries in their order, the same bytes for the same entries everywhere.

    Nothing is compressed: compressors of different versions write different bytes, and the
    libraries, which are nearly all of it, have to be stored anyway.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 0
            info.external_attr = 0o644 << 16
            alignment = PAGE_BYTES if name.endswith(".so") else ALIGN_BYTES
            info.extra = _gap(out.tell() + _LOCAL_HEADER_BYTES + len(name.encode()), alignment)
            archive.writestr(info, data)
            # The gap belongs to the entry alone, not to the central directory, where it is no use.
            info.extra = b""
    return out.getvalue()


def _gap(data_at: int, alignment: int) -> bytes:
    """An extra field after which data that would have started at `data_at` is aligned."""
    head = struct.pack("<HHH", _ALIGNMENT_FIELD, 0, 0)
    zeros = -(data_at + len(head)) % alignment
    return struct.pack("<HHH", _ALIGNMENT_FIELD, 2 + zeros, alignment) + b"\0" * zeros
