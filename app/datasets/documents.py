"""A data set as the contract shows it."""

from typing import Any

from app.datasets.errors import DatasetError
from app.datasets.selection import Selection, select
from app.models import Dataset


def document(dataset: Dataset) -> dict[str, Any]:
    """`shape`, `dtype` and `classes` are those of a spec that names no columns; null where it has to."""
    description = dataset.description
    warnings = list(description["warnings"])
    selection: Selection | None = None
    try:
        selection = select(description)
    except DatasetError as error:
        warnings.append(f"a spec must choose columns: {error}")
    classes = selection.class_values if selection else None
    return {
        "id": dataset.id,
        "object": "dataset",
        "name": dataset.name,
        "version": dataset.version,
        "format": dataset.format,
        "target": description["target"],
        "samples": dataset.samples,
        "shape": list(selection.shape) if selection else None,
        "dtype": selection.dtype if selection else None,
        "classes": selection.classes if selection else None,
        "class_names": [str(value) for value in classes] if classes is not None else None,
        "bytes": dataset.bytes,
        "sha256": dataset.sha256,
        "columns": description["columns"],
        "warnings": warnings,
        "published": dataset.published_at is not None,
        "created_at": dataset.created_at,
    }
