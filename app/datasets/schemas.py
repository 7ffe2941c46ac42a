"""The shapes of replies for the OpenAPI document, and of the form that uploads come in."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from app.datasets.formats import FORMATS


class Reply(BaseModel):
    """Unknown fields may appear: clients ignore them."""

    model_config = ConfigDict(extra="allow")


class Column(Reply):
    name: str
    type: Literal["number", "integer", "text"]
    dtype: str
    shape: list[int]
    missing: int
    min: float | None = None
    max: float | None = None
    values: list[str | int] | None = None
    counts: list[int] | None = None


class Dataset(Reply):
    """`shape`, `dtype`, `classes`: of a sample whose inputs are all columns but the target."""

    id: str
    object: Literal["dataset"]
    name: str
    version: int
    format: str
    target: str | None
    samples: int
    shape: list[int] | None
    dtype: str | None
    classes: int | None
    class_names: list[str] | None
    bytes: int
    sha256: str
    columns: list[Column]
    warnings: list[str]
    created_at: datetime


class DatasetList(Reply):
    object: Literal["list"]
    data: list[Dataset]
    first_id: str | None
    last_id: str | None
    has_more: bool


FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "pattern": r"^\s*[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}\s*$"},
                        "format": {"type": "string", "enum": list(FORMATS)},
                        "target": {"type": "string", "description": "The label column; a CSV needs one"},
                        "file": FILE,
                        "images": {**FILE, "description": "IDX: the images"},
                        "labels": {**FILE, "description": "IDX: the labels"},
                    },
                },
                "example": {
                    "name": "flowers",
                    "format": "csv",
                    "target": "species",
                    "file": "length,width,species\n5.1,3.5,setosa\n",
                },
            }
        },
    }
}
EXAMPLE: dict[str, Any] = {
    "id": "ds_01k0a8m3x5v7w9y1z3b5d7f9h1",
    "object": "dataset",
    "name": "flowers",
    "version": 1,
    "format": "csv",
    "target": "species",
    "samples": 150,
    "shape": [2],
    "dtype": "float64",
    "classes": 2,
    "class_names": ["setosa", "virginica"],
    "bytes": 2400,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "columns": [
        {"name": "length", "type": "number", "dtype": "float64", "shape": [], "missing": 0, "min": 4.3, "max": 7.9},
        {"name": "width", "type": "number", "dtype": "float64", "shape": [], "missing": 0, "min": 2.0, "max": 4.4},
        {
            "name": "species",
            "type": "text",
            "dtype": "text",
            "shape": [],
            "missing": 0,
            "values": ["setosa", "virginica"],
            "counts": [75, 75],
        },
    ],
    "warnings": [],
    "published": False,
    "created_at": "2026-11-21T12:00:00Z",
}
