"""The shapes of replies for the OpenAPI document, and of the form that uploads come in."""

from datetime import datetime
from typing import Any, Literal

from app.datasets.schemas import FILE, Reply


class Tensor(Reply):
    name: str
    dtype: str
    shape: list[int]


class Weights(Reply):
    """`parameters`: how many numbers all tensors have together. A list leaves `tensors` out."""

    id: str
    object: Literal["weights"]
    name: str | None
    parameters: int
    tensors: list[Tensor] | None = None
    bytes: int
    sha256: str
    created_at: datetime


class WeightsList(Reply):
    object: Literal["list"]
    data: list[Weights]
    first_id: str | None
    last_id: str | None
    has_more: bool


FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "name": {"type": "string", "maxLength": 200},
                        "file": {**FILE, "description": "A safetensors file"},
                    },
                },
                "example": {"name": "backbone", "file": "(the bytes of backbone.safetensors)"},
            }
        },
    }
}
EXAMPLE: dict[str, Any] = {
    "id": "wts_01k0a8m3x5v7w9y1z3b5d7f9h1",
    "object": "weights",
    "name": "backbone",
    "parameters": 80,
    "tensors": [
        {"name": "1.weight", "dtype": "F32", "shape": [16, 4]},
        {"name": "1.bias", "dtype": "F32", "shape": [16]},
    ],
    "bytes": 456,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "created_at": "2026-11-21T12:00:00Z",
}
