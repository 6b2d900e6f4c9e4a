"""What msgspec prepares for a type, prepared before several threads need it."""

from typing import Any

import msgspec


def prepare(*kinds: Any) -> None:
    """Let msgspec make its tables of these types and all within them; call it without threads.

    msgspec makes them when a type is first decoded or converted, and shows them to other threads
    half made: 0.22 then reads through a null pointer, which ends the process.
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)
