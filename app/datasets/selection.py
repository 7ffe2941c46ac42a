"""Which columns are inputs, targets and weight, and what a sample then looks like."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.datasets.errors import DatasetError
from app.datasets.formats import Description
from app.datasets.limits import MAX_CLASSES

Columns = Mapping[str, Any]
"""The spec's `data.columns`: {"inputs": [names], "target": name | [names], "weight": name}, each may be left out."""


LARGEST = {f"{kind}{bits}": 2 ** (bits - (kind == "int")) - 1 for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
"""By the name of a type of whole numbers."""


@dataclass(frozen=True)
class Selection:
    """`dtype` of the inputs: float64 (numbers), uint8 (pixels), int64 (arrays of whole numbers, such as tokens), text.

    `class_values[i]` is the target's value for class i; None: whole numbers from 0 are the classes themselves.
    `categories`: the values of text columns with few; their codes are the places in the list.
    `levels`: the values of columns of whole numbers with few.
    `largest`: of the type that whole numbers in arrays had in their file.
    """

    inputs: list[str]
    targets: list[str]
    weight: str | None
    shape: tuple[int, ...]
    dtype: str
    classes: int | None
    class_values: list[str | int] | None
    class_counts: tuple[int, ...]
    target_shape: tuple[int, ...]
    target_dtype: str
    categories: dict[str, list[str]]
    levels: dict[str, list[int]]
    missing: list[str]
    largest: int | None

    @property
    def features(self) -> list[str]:
        """The inputs, where each is one number of a sample, or the one text that can be a category."""
        if self.dtype == "text":
            return list(self.categories)
        return self.inputs if self.shape == (len(self.inputs),) and self.dtype == "float64" else []


def select(description: Description, columns: Columns | None = None) -> Selection:
    """Raises DatasetError with a pointer below `columns` ("/inputs/0", "/target")."""
    columns = columns or {}
    by_name = {column["name"]: column for column in description["columns"]}
    asked = columns.get("target") or description["target"]
    targets = [asked] if isinstance(asked, str) else list(asked or ())
    weight = columns.get("weight")
    for pointer, name in [*(("/target", name) for name in targets), ("/weight", weight)]:
        if name is not None:
            _known(name, by_name, pointer)
    taken = {*targets, weight}
    inputs = list(columns.get("inputs") or ()) or _default_inputs([name for name in by_name if name not in taken])
    for index, name in enumerate(inputs):
        _known(name, by_name, f"/inputs/{index}")
        if name in taken:
            raise DatasetError(f"{name!r} is the target or the weight", pointer=f"/inputs/{index}")
        if name in inputs[:index]:
            raise DatasetError(f"{name!r} is named twice", pointer=f"/inputs/{index}")
    for index, name in enumerate(targets):
        if name in targets[:index]:
            raise DatasetError(f"{name!r} is named twice", pointer="/target")
        if by_name[name]["missing"]:
            raise DatasetError(f"{name!r} has missing values", pointer="/target")
    if weight is not None:
        _check_weight(by_name[weight], targets)
    shape, dtype = _inputs([by_name[name] for name in inputs])
    classes, class_values, class_counts = _classes([by_name[name] for name in targets])
    target_shape, target_dtype = _target([by_name[name] for name in targets], classes)
    return Selection(
        inputs,
        targets,
        weight,
        shape,
        dtype,
        classes,
        class_values,
        class_counts,
        target_shape,
        target_dtype,
        _listed(inputs, by_name, "text"),
        _listed(inputs, by_name, "integer"),
        [name for name in inputs if by_name[name]["missing"]],
        LARGEST.get(by_name[inputs[0]]["dtype"]) if dtype in ("uint8", "int64") else None,
    )


def _listed(names: list[str], by_name: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The values of the columns of a kind, where they are few."""
    columns = {name: by_name[name] for name in names if by_name[name]["type"] == kind and not by_name[name]["shape"]}
    return {name: column["values"] for name, column in columns.items() if "values" in column}


def _check_weight(column: Mapping[str, Any], targets: list[str]) -> None:
    name = column["name"]
    if name in targets:
        raise DatasetError(f"{name!r} is the target", pointer="/weight")
    if column["type"] == "text" or column["shape"] or column["missing"]:
        raise DatasetError(f"{name!r} must hold one number for each sample", pointer="/weight")
    if column["min"] < 0 or column["max"] == 0:
        what = "negative numbers" if column["min"] < 0 else "nothing but zeros"
        raise DatasetError(f"{name!r} holds {what}: they weigh samples", pointer="/weight")


def _known(name: str, by_name: Mapping[str, Any], pointer: str) -> None:
    if name not in by_name:
        raise DatasetError(
            f"there is no column {name[:100]!r}; there are: {', '.join(list(by_name)[:20])}", pointer=pointer
        )


def _default_inputs(names: list[str]) -> list[str]:
    """All that is left; of word vectors the vectors, of texts with notes beside them the texts."""
    return next(([name] for name in ("vector", "text") if name in names), names)


def _inputs(columns: list[dict[str, Any]]) -> tuple[tuple[int, ...], str]:
    if not columns:
        raise DatasetError("there is no input column", pointer="/inputs")
    if len(columns) == 1 and columns[0]["type"] == "text":
        return (), "text"
    if len(columns) == 1 and columns[0]["shape"]:
        dtype = columns[0]["dtype"]
        whole = dtype in LARGEST and columns[0]["max"] <= LARGEST["int64"]
        return tuple(columns[0]["shape"]), "uint8" if dtype == "uint8" else "int64" if whole else "float64"
    for index, column in enumerate(columns):
        if column["shape"]:
            raise DatasetError(
                f"{column['name']!r} holds arrays: it must be the only input", pointer=f"/inputs/{index}"
            )
        if column["type"] == "text" and "values" not in column:
            raise DatasetError(
                f"{column['name']!r} is text with too many different values to stand beside numbers",
                pointer=f"/inputs/{index}",
            )
    return (len(columns),), "float64"


def _classes(columns: list[dict[str, Any]]) -> tuple[int | None, list[str | int] | None, tuple[int, ...]]:
    if len(columns) != 1 or columns[0]["shape"]:
        return None, None, ()
    column = columns[0]
    values, counts = column.get("values"), tuple(column.get("counts", ()))
    if column["type"] == "text":
        if values is None:
            raise DatasetError(f"{column['name']!r} has too many different texts to be classes", pointer="/target")
        return len(values), values, counts
    if column["type"] != "integer" or not -MAX_CLASSES < column["min"] <= column["max"] < MAX_CLASSES:
        return None, None, ()
    if column["min"] < 0:
        return (len(values), values, counts) if values is not None else (None, None, ())
    classes = int(column["max"]) + 1
    found = dict(zip(values or (), counts, strict=True))
    return classes, None, tuple(found.get(value, 0) for value in range(classes)) if found else ()


def _target(columns: list[dict[str, Any]], classes: int | None) -> tuple[tuple[int, ...], str]:
    """Shape beyond the batch, and dtype: int64 for classes and arrays of whole numbers, else float64."""
    if len(columns) == 1:
        column = columns[0]
        whole = classes is not None or (column["shape"] and "int" in column["dtype"])
        return tuple(column["shape"]), "int64" if whole else "float64"
    for column in columns:
        if column["type"] == "text" or column["shape"]:
            raise DatasetError(f"{column['name']!r} is no column of numbers: several targets are", pointer="/target")
    return ((len(columns),) if columns else ()), "float64"
