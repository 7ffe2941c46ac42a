"""The formats of uploads, as far as the API knows them: their files, and what a look into them gives."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

Files = Mapping[str, Path]
"""The stored files by role: {"file": path}, for IDX {"images", "labels"}."""
Description = dict[str, Any]
"""What `describe` finds:
{"samples", "columns": [{"name", "type": "number|integer|text", "dtype", "shape", "min", "max",
"missing", "values"?, "counts"?}], "target", "warnings"}: JSON. `values` (sorted, with counts) of columns with few."""


class Format(NamedTuple):
    """`endings` of file names that give it away; `roles`: the multipart fields that carry its files."""

    endings: tuple[str, ...]
    roles: tuple[str, ...] = ("file",)


FORMATS: Mapping[str, Format] = {
    "csv": Format((".csv", ".tsv")),
    "parquet": Format((".parquet", ".pq")),
    "npz": Format((".npz",)),
    "jsonl": Format((".jsonl", ".ndjson")),
    "idx": Format((), ("images", "labels")),
    "images": Format((".zip",)),
    "vectors": Format((".txt", ".vec")),
}


def guess_format(roles: frozenset[str], filename: str) -> str | None:
    """The format by the fields that came with files, and a file's name."""
    if roles != {"file"}:
        return next((name for name, format in FORMATS.items() if roles <= set(format.roles)), None)
    return next((name for name, format in FORMATS.items() if Path(filename.lower()).suffix in format.endings), None)
