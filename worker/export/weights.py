"""The model's first weights: draws after construction, word vectors, and tensors of a file beside the script."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from worker.training.config import Config

from .code import block, call, literal
from .data import LOADING
from .paths import parameter_path

VECTORS, INITIAL = "vectors.safetensors", "initial.safetensors"


def first_weights(config: Config, model: nn.Module) -> Iterator[str]:
    """In the engine's order."""
    for rule in config.model.get("initialization") or []:
        options = [f"{key}={literal(value)}" for key, value in rule.items() if key not in ("type", "params")]
        for name in rule["params"]:
            yield call(f"nn.init.{rule['type']}", [parameter_path(model, name), *options])
    if isinstance(config.model.get("vectors"), dict):
        yield f'vectors = load("{VECTORS}")'
        yield 'model.embedding.weight.data[vectors["rows"]] = vectors["values"]'
    if config.model.get("initial_weights"):
        yield from copied(config.model["initial_weights"]["names"])


def copied(names: dict[str, str]) -> Iterator[str]:
    """By name out of the file beside the script."""
    yield f'weights, own = load("{INITIAL}"), model.state_dict()'
    pairs = "".join(f"    {literal(name)}: {literal(stored)},\n" for name, stored in names.items())
    yield f"stored = {{\n{pairs}}}"
    yield block("for name, other in stored.items():", ["own[name].copy_(weights[other])"])


def files(config: Config) -> dict[str, str]:
    """Name beside the script: path."""
    found: dict[str, Any] = {VECTORS: config.model.get("vectors"), INITIAL: config.model.get("initial_weights")}
    return {name: entry["file"] for name, entry in found.items() if isinstance(entry, dict)}


def definitions(config: Config) -> tuple[str, ...]:
    return LOADING if files(config) else ()
