"""Draws after construction: torch.nn.init by parameter name, then weights from a file."""

from collections.abc import Callable
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from worker.training.errors import ConfigError

INITIALIZERS: dict[str, Callable[..., Any]] = {
    name: getattr(nn.init, name)
    for name in (
        "uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "eye_", "dirac_", "sparse_",
        "orthogonal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_",
    )
}  # fmt: skip


def initialize(model: nn.Module, rules: list[dict[str, Any]]) -> None:
    """Apply {"params": [names], "type", arguments} in the list's order. Raises ConfigError for what torch refuses."""
    parameters = dict(model.named_parameters())
    for index, rule in enumerate(rules):
        pointer = f"/model/initialization/{index}"
        if rule["type"] not in INITIALIZERS:
            raise ConfigError(f"{pointer}/type", f"unknown initialization {rule['type']}")
        arguments = {key: value for key, value in rule.items() if key not in ("type", "params")}
        for name in rule["params"]:
            try:
                INITIALIZERS[rule["type"]](parameters[name], **arguments)
            except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
                raise ConfigError(pointer, f"{name}: {error}") from error


def load_vectors(model: nn.Module, source: dict[str, Any]) -> None:
    """Copy the `values` of {"file": safetensors} into the `rows` of the embedding; the other rows keep their draw."""
    embedding = model.get_parameter("embedding.weight")
    with safe_open(source["file"], framework="pt") as file, torch.no_grad():
        rows, values = file.get_tensor("rows"), file.get_tensor("values")
        if values.shape[1] != embedding.shape[1]:
            raise ConfigError("/model/vectors", f"are {values.shape[1]} wide, the embedding {embedding.shape[1]}")
        embedding[rows] = values


def load_initial_weights(model: nn.Module, source: dict[str, Any]) -> None:
    """Copy {"file": safetensors, "names": {the model's name: the file's name}} into the model. Raises ConfigError."""
    own = model.state_dict()
    with safe_open(source["file"], framework="pt") as file, torch.no_grad():
        for name, stored in source["names"].items():
            if name not in own:
                raise ConfigError("/model/initial_weights", f"the model has no {name}")
            tensor = file.get_tensor(stored)
            if tensor.shape != own[name].shape:
                raise ConfigError(
                    "/model/initial_weights", f"{name} is {list(own[name].shape)}, the file has {list(tensor.shape)}"
                )
            own[name].copy_(tensor)
