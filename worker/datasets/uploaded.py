"""Uploaded data sets as arrays that are mapped from disk: read once for each content and choice of columns.

They lie under `<store>/prepared/columns/<sha256>-<choice>/` as inputs.npy (texts: a file with offsets), targets.npy,
weights.npy.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.blobs import blob_path, columns_folder
from app.datasets.builtin import BUILTIN
from app.datasets.errors import DatasetError
from app.datasets.limits import Limits
from app.datasets.readers import Rows, Values, read
from app.datasets.selection import Columns, Selection, select
from app.datasets.stored import Known, Stored
from worker.datasets.sources import Source, SourceOf, builtin_source
from worker.datasets.tables import Columns as ColumnNames
from worker.datasets.texts import Texts, TextWriter

FORMAT = 2  # raised when the same content comes to give other arrays

Array = NDArray[Any]


@dataclass(frozen=True)
class Loaded:
    """`inputs` [n, ...] float64, uint8, int64, or texts; `targets` [n, ...] int64 for classes and whole-number arrays,
    else float64; `weights` float64 [n]. Missing numbers among the inputs are NaN. Pages are read when they are touched.
    """

    inputs: Array | Texts
    targets: Array | None
    weights: Array | None
    selection: Selection


def load(
    stored: Stored,
    store: Path,
    columns: Columns | None = None,
    *,
    target: str = "class",
    like: Selection | None = None,
) -> Loaded:
    """`target`: "class", "number" for the values themselves, or "binary": classes where there are two.

    `like`: the training part's selection, where this is another part of the same data, whose classes and categories it
    shares. Raises DatasetError.
    """
    selection = select(stored.description, columns)
    if like is not None:
        selection = replace(selection, classes=like.classes, class_values=like.class_values, categories=like.categories)
    if target == "binary":
        target = "class" if selection.classes == 2 else "number"
    described = [stored.sha256, stored.format, asdict(selection), target, FORMAT]
    key = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32]
    folder = columns_folder(store) / f"{stored.sha256}-{key}"
    if not folder.is_dir():
        check_files(stored, store)
        _make(folder, lambda made: _write(made, stored, store, selection, target))
    return Loaded(
        Texts(folder) if selection.dtype == "text" else _map(folder / "inputs.npy"),
        _map(folder / "targets.npy") if selection.targets else None,
        _map(folder / "weights.npy") if selection.weight is not None else None,
        selection,
    )


def sources_of(known: Known, store: Path) -> SourceOf:
    """Reads the data sets that are known, and the built-in ones."""

    def source_of(
        reference: str, columns: Columns | None = None, target: str = "class", like: Source | None = None, /
    ) -> dict[str, Source]:
        if reference in BUILTIN:
            return builtin_source(reference, columns, target, like)
        shared = like.selection if isinstance(like, UploadedSource) else None
        found: dict[str, Source] = {}
        for part, stored in sorted(known.find(reference).items(), key=lambda item: item[0] != "train"):
            loaded = load(stored, store, columns, target=target, like=shared)
            shared = shared or loaded.selection  # its own parts have the classes of its training part
            found[part] = UploadedSource.of(loaded)
        return found

    return source_of


@dataclass(frozen=True)
class UploadedSource(Source):
    selection: Selection | None = None

    @classmethod
    def of(cls, loaded: Loaded) -> "UploadedSource":
        """Tensors on the mapped pages. Raises DatasetError without a target."""
        if loaded.targets is None and isinstance(loaded.inputs, Texts):
            return cls(loaded.inputs, torch.zeros(len(loaded.inputs)), selection=loaded.selection)  # a language model's
        if loaded.targets is None:
            raise DatasetError("no column is the target: name it in data.columns", pointer="/target")
        selection = loaded.selection
        return cls(
            loaded.inputs if isinstance(loaded.inputs, Texts) else torch.from_numpy(loaded.inputs),
            torch.from_numpy(loaded.targets),
            None if loaded.weights is None else torch.from_numpy(loaded.weights),
            ColumnNames(
                tuple(selection.features),
                {name: tuple(values) for name, values in selection.categories.items()},
                {name: tuple(values) for name, values in selection.levels.items()},
            ),
            tuple(selection.targets),
            selection.largest,
            selection,
        )


def check_files(stored: Stored, store: Path) -> None:
    """Raises DatasetError when a file is gone or not the one that was uploaded."""
    for role, sha256 in stored.files.items():
        try:
            with blob_path(store, sha256).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            found = ""
        if found != sha256:
            raise DatasetError(f"the data set's file ({role}) is {'damaged' if found else 'gone'}: upload it again")


def _make(folder: Path, write: Callable[[Path], None]) -> None:
    """Whole and synced under its name, or not there: two jobs may make the same folder at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        write(making)
        for path in (*making.iterdir(), making):
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        try:
            making.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _map(path: Path) -> Array:
    mapped: Array = np.load(path, mmap_mode="c")  # what is written to it stays in this process
    return mapped


def _write(folder: Path, stored: Stored, store: Path, selection: Selection, target: str) -> None:
    n = stored.description["samples"]
    names = [*selection.inputs, *selection.targets, *([selection.weight] if selection.weight else [])]
    writers: list[tuple[Callable[[Rows], Any], Array | TextWriter]] = []
    if selection.dtype == "text":
        writers.append((lambda rows: rows[selection.inputs[0]], TextWriter(folder, n)))
    else:
        inputs = _file(folder / "inputs.npy", selection.dtype, (n, *selection.shape))
        writers.append((lambda rows: _inputs(rows, selection), inputs))
    if selection.targets:
        dtype = selection.target_dtype if target == "class" else "float64"
        targets = _file(folder / "targets.npy", dtype, (n, *selection.target_shape))
        writers.append((lambda rows: _targets(rows, selection, target), targets))
    if selection.weight is not None:
        weight = selection.weight
        writers.append((lambda rows: rows[weight], _file(folder / "weights.npy", "float64", (n,))))
    start = 0
    for rows in rows_of(stored, store, names):
        stop = start + len(rows[names[0]])
        for pick, out in writers:
            if isinstance(out, TextWriter):
                out.add(pick(rows))
            else:
                out[start:stop] = pick(rows)
        start = stop
    for _, out in writers:
        out.close() if isinstance(out, TextWriter) else out.flush()  # type: ignore[attr-defined]  # a memmap has it


def _file(path: Path, dtype: str, shape: tuple[int, ...]) -> Array:
    mapped: Array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    return mapped


def rows_of(stored: Stored, store: Path, names: list[str]) -> Iterator[Rows]:
    files = {role: blob_path(store, sha256) for role, sha256 in stored.files.items()}
    types = {
        column["name"]: "text" if column["type"] == "text" else "number" for column in stored.description["columns"]
    }
    yield from read(stored.format, files, Limits(), types).batches(names)


def _inputs(rows: Rows, selection: Selection) -> Array:
    columns = [_codes(rows[name], selection.categories.get(name), name) for name in selection.inputs]
    if len(columns) == 1 and columns[0].ndim > 1:
        return columns[0]
    return np.stack([column.astype(np.float64) for column in columns], axis=1)


def _codes(values: Values, categories: list[str] | None, name: str) -> Array:
    """Numbers as they are; text as the place of each value in `categories` (missing: NaN)."""
    if not isinstance(values, list):
        return values
    places = {value: float(place) for place, value in enumerate(categories or ())}
    try:
        return np.array([np.nan if value is None else places[value] for value in values])
    except KeyError as error:
        raise DatasetError(f"{error.args[0]!r} is no value of the training part", column=name) from error


def _targets(rows: Rows, selection: Selection, target: str) -> Array:
    columns = [rows[name] for name in selection.targets]
    for name, values in zip(selection.targets, columns, strict=True):
        missing = isinstance(values, list) and None in values
        if missing or (not isinstance(values, list) and values.dtype.kind == "f" and np.isnan(values).any()):
            raise DatasetError("a target is missing", column=name)
        if isinstance(values, list) and target == "number":
            raise DatasetError("is text: this loss takes numbers", column=name)
    if target == "class" and selection.class_values is not None:
        return _classes(columns[0], selection.class_values, selection.targets[0])
    if len(columns) == 1:
        found = np.asarray(columns[0])
        if target == "class" and selection.classes is not None:
            for edge in (found.min(initial=0), found.max(initial=0)):
                if not 0 <= edge < selection.classes:
                    raise DatasetError(f"{edge:g} is no class of the training part", column=selection.targets[0])
        return found
    return np.stack([np.asarray(values, dtype=np.float64) for values in columns], axis=1)


def _classes(values: Values, class_values: list[str | int], name: str) -> Array:
    places = {value: place for place, value in enumerate(class_values)}
    listed = values if isinstance(values, list) else [int(value) for value in values]
    try:
        return np.array([places[value] for value in listed if value is not None], dtype=np.int64)
    except KeyError as error:
        raise DatasetError(f"{error.args[0]!r} is no class of the training part", column=name) from error
