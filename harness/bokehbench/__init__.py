"""bokehbench: runtime and fidelity of .tflite models, measured on the device itself."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

__version__ = "0.1.0"

__all__ = ["__version__", "load"]


def load(store: str | None = None) -> "DataFrame":
    """All Records of a store as a pandas DataFrame, one row a Record, newest first.

    Args:
        store: a SQLite file or a postgresql:// URL; None is the user's own store.

    Raises:
        StoreError: there is no such store, or it can't be read.
    """
    from bokehbench.derive import derive
    from bokehbench.report.frame import frame
    from bokehbench.store import open_store

    with open_store(store, readonly=True, derive=derive) as opened:
        return frame(opened.records())
