"""MLP and CNN: the Sequential that each stands for."""

import math
from typing import Any

from torch import nn

from worker.training.config import Component
from worker.training.errors import ConfigError

from . import sequential
from .facts import Facts


def complete_mlp(config: Component, facts: Facts) -> Component:
    """{"hidden": [sizes], "activation": "ReLU", "dropout": 0, "norm": null} with in_features and out_features."""
    full = {"activation": "ReLU", "dropout": 0.0, "norm": None, "bias": True, **config}
    full["in_features"] = _input(config, "in_features", math.prod(facts.shape))
    full["out_features"] = config.get("out_features") or facts.outputs
    sequential.complete({"type": "Sequential", "layers": mlp_layers(full)}, facts)
    return full


def mlp_layers(config: Component) -> list[dict[str, Any]]:
    """Flatten; per hidden size Linear, norm, activation, dropout (those asked for); then Linear."""
    layers: list[dict[str, Any]] = [{"type": "Flatten"}]
    size, bias = config["in_features"], config.get("bias", True)
    for hidden in config["hidden"]:
        layers.append({"type": "Linear", "in_features": size, "out_features": hidden, "bias": bias})
        layers += _norm(config.get("norm"), hidden) + _activation(config) + _dropout(config)
        size = hidden
    return [*layers, {"type": "Linear", "in_features": size, "out_features": config["out_features"], "bias": bias}]


def build_mlp(config: Component) -> nn.Module:
    return sequential.build({"layers": mlp_layers(config)})


CNN_DEFAULTS = {"kernel_size": 3, "pool": 2, "hidden": [], "activation": "ReLU", "dropout": 0.0, "norm": None}


def complete_cnn(config: Component, facts: Facts) -> Component:
    """{"channels": [sizes], "kernel_size", "pool", "hidden", ...} with in_channels, in_features, out_features."""
    if len(facts.shape) != 3:
        raise ConfigError("/model/type", f"CNN needs images [C, H, W], the data has {facts.shape}")
    full = {**CNN_DEFAULTS, **config}
    full["in_channels"] = _input(config, "in_channels", facts.shape[0])
    full["out_features"] = config.get("out_features") or facts.outputs
    height, width = facts.shape[1:]
    for _ in full["channels"]:
        if full["pool"]:
            height, width = height // full["pool"], width // full["pool"]
    if not height * width:
        raise ConfigError(
            "/model/channels", f"images of {facts.shape[1:]} are too small for {len(full['channels'])} poolings"
        )
    full["in_features"] = _input(config, "in_features", full["channels"][-1] * height * width)
    sequential.complete({"type": "Sequential", "layers": cnn_layers(full)}, facts)
    return full


def cnn_layers(config: Component) -> list[dict[str, Any]]:
    """Per channel count Conv2d (same size), norm, activation, MaxPool2d; Flatten; then as an MLP without norms."""
    layers: list[dict[str, Any]] = []
    channels, kernel = config["in_channels"], config["kernel_size"]
    for out in config["channels"]:
        layers.append(
            {"type": "Conv2d", "in_channels": channels, "out_channels": out, "kernel_size": kernel, "padding": "same"}
        )
        layers += _norm(config.get("norm"), out) + _activation(config)
        if config["pool"]:
            layers.append({"type": "MaxPool2d", "kernel_size": config["pool"]})
        channels = out
    layers.append({"type": "Flatten"})
    size = config["in_features"]
    for hidden in config["hidden"]:
        layers.append({"type": "Linear", "in_features": size, "out_features": hidden})
        layers += _activation(config) + _dropout(config)
        size = hidden
    return [*layers, {"type": "Linear", "in_features": size, "out_features": config["out_features"]}]


def build_cnn(config: Component) -> nn.Module:
    return sequential.build({"layers": cnn_layers({**CNN_DEFAULTS, **config})})


def _input(config: Component, key: str, found: int) -> int:
    given = config.get(key)
    if given is not None and given != found:
        raise ConfigError(f"/model/{key}", f"is {given}, but the data has {found}")
    return found


def _norm(kind: str | None, size: int) -> list[dict[str, Any]]:
    if kind is None:
        return []
    return [{"type": kind, ("normalized_shape" if kind in ("LayerNorm", "RMSNorm") else "num_features"): size}]


def _activation(config: Component) -> list[dict[str, Any]]:
    chosen = config.get("activation", "ReLU")
    return [] if chosen is None else [chosen if isinstance(chosen, dict) else {"type": chosen}]


def _dropout(config: Component) -> list[dict[str, Any]]:
    return [{"type": "Dropout", "p": config["dropout"]}] if config.get("dropout") else []
