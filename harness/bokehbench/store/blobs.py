"""Blobs by their sha256: compressed, kept once, and checked whenever they are read."""

import hashlib
import zlib

from bokehbench.errors import StoreError
from bokehbench.store.dialects import Database
from bokehbench.store.rows import insert

MOST_BLOB_BYTES = 512 << 20


def put_blob(db: Database, data: bytes) -> tuple[str, bool]:
    """Inside a transaction: keeps `data`; its sha256, and whether it is new here.

    Raises:
        StoreError: `data` is larger than MOST_BLOB_BYTES.
    """
    digest = hashlib.sha256(data).hexdigest()
    if len(data) > MOST_BLOB_BYTES:
        raise StoreError(
            f"{db.name}: a blob of {len(data)} bytes: the most is {MOST_BLOB_BYTES}: "
            "keep it in a file"
        )
    columns = {"sha256": digest, "size_bytes": len(data), "data": zlib.compress(data)}
    return digest, bool(insert(db, "bokehbench_blobs", columns))


def get_packed(db: Database, digest: str) -> bytes | None:
    """Inside a transaction: a blob as it lies there, compressed; None if it doesn't."""
    found = db.rows("SELECT data FROM bokehbench_blobs WHERE sha256 = ?", (digest,))
    return bytes(found[0][0]) if found else None


def unpack(packed: bytes, digest: str) -> bytes | None:
    """The bytes whose sha256 is `digest`; None if `packed` holds anything else."""
    worker = zlib.decompressobj()
    try:
        # Bounded: a few hostile bytes can unpack to any amount of memory.
        data = worker.decompress(packed, MOST_BLOB_BYTES + 1)
    except zlib.error:
        return None
    if not worker.eof or hashlib.sha256(data).hexdigest() != digest:
        return None
    return data
