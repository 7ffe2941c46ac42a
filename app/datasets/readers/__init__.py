"""One file a format. To add one: a module with `read`, a row in READERS, and one in `app.datasets.formats.FORMATS`."""

from collections.abc import Callable, Mapping

from app.datasets.formats import Files
from app.datasets.limits import Limits

from . import csv, idx, images, jsonl, npz, parquet, vectors
from .table import Names, Rows, Table, Types, Values

__all__ = ["READERS", "Files", "Names", "Rows", "Table", "Types", "Values", "read"]

READERS: Mapping[str, Callable[[Files, Limits, Types | None], Table]] = {
    "csv": csv.read,
    "parquet": parquet.read,
    "npz": npz.read,
    "jsonl": jsonl.read,
    "idx": idx.read,
    "images": images.read,
    "vectors": vectors.read,
}


def read(format: str, files: Files, limits: Limits, types: Types | None = None) -> Table:
    """Open a data set. `types` (what an earlier reading found) spares the text formats a pass over the file.

    Raises DatasetError, DatasetTooLarge; so do the batches.
    """
    return READERS[format](files, limits, types)
