"""Weights that were looked up, told without a database: what a dry run and a trainer need of them."""

from dataclasses import asdict, dataclass
from typing import Any

from app.weights.header import Tensors

CHECKPOINT_PREFIX = "model."
"""What the names of the weights in force begin with in a checkpoint's file."""


@dataclass(frozen=True)
class StoredFile:
    """A safetensors file among the blobs. `reference`: the `wts_…` or `ckpt_…` of the resolved spec."""

    reference: str
    sha256: str
    bytes: int
    prefix: str
    shapes: dict[str, list[int]]
    """By name, without the prefix."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def shapes_of(tensors: Tensors) -> dict[str, list[int]]:
    return {name: entry["shape"] for name, entry in tensors.items()}


def reference_in(resolved: dict[str, Any]) -> str | None:
    """What a resolved spec's model starts from: an upload's or a checkpoint's id."""
    named = resolved["model"].get("initial_weights") or {}
    found: str | None = named.get("upload") or named.get("checkpoint")
    return found
