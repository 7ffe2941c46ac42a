"""Sizes are inferred, what does not fit is named, names are contract, and a description allocates nothing."""

from typing import Any

import pytest
import torch
from torch import nn

from worker.training import models
from worker.training.errors import ConfigError
from worker.training.models.layers import construct

Config = dict[str, Any]
DIGITS = {"shape": [1, 8, 8], "dtype": "float32", "classes": 10, "loss": {"type": "CrossEntropyLoss"}}
IMAGENET = {**DIGITS, "shape": [3, 64, 64], "classes": 1000}  # the counts are those of torchvision's own
WORDS = {"shape": [12], "dtype": "int64", "classes": 2, "vocabulary": 50, "loss": {"type": "BCEWithLogitsLoss"}}
TEXT = {"shape": [12], "dtype": "int64", "classes": None, "vocabulary": 50, "loss": {"type": "CrossEntropyLoss"}}

READY_MADE: list[tuple[Config, Config, int, list[int]]] = [  # config, facts, parameters, output
    ({"type": "MLP", "hidden": [16, 8]}, DIGITS, 64 * 16 + 16 + 16 * 8 + 8 + 8 * 10 + 10, [10]),
    ({"type": "CNN", "channels": [4, 8], "hidden": [16]}, DIGITS, 40 + 296 + 32 * 16 + 16 + 170, [10]),
    ({"type": "ResNet", "depth": 18, "in_channels": 1}, DIGITS, 11_172_810, [10]),
    ({"type": "ResNet", "depth": 34, "stem": "imagenet"}, IMAGENET, 21_797_672, [1000]),
    ({"type": "ResNet", "depth": 50, "stem": "imagenet"}, IMAGENET, 25_557_032, [1000]),
    ({"type": "LSTMClassifier", "embedding_dim": 4, "hidden_size": 3, "bidirectional": True}, WORDS, 423, [1]),
    ({"type": "TransformerClassifier", "d_model": 8, "nhead": 2, "num_layers": 1, "dim_feedforward": 16}, WORDS,
     1121, [1]),
    ({"type": "GPT", "n_layer": 1, "n_head": 2, "n_embd": 8}, TEXT, 400 + 96 + 872 + 16, [12, 50]),
]  # fmt: skip


@pytest.mark.parametrize(("config", "facts", "parameters", "output"), READY_MADE)
def test_ready_made_models(config: Config, facts: Config, parameters: int, output: list[int]) -> None:
    full = models.complete(config, facts)
    described = models.describe(full, facts, {"type": "Adam"}, batch_size=4)
    assert described["parameters"] == parameters
    assert described["layers"][-1]["output_shape"] == output
    assert described["optimizer_bytes"] == 2 * described["parameter_bytes"] == 2 * 4 * parameters
    assert described["flops_per_sample"] > 0
    assert models.complete(full, facts) == full
    model = models.build(full)
    assert [name for name, _ in model.named_parameters()] == models.parameter_names(full)
    shape = (2, *facts["shape"])
    x = torch.randint(1, 50, shape) if facts["dtype"] == "int64" else torch.randn(shape)
    assert list(model(x).shape[1:]) == output


@pytest.mark.parametrize(
    ("norm", "names"),
    [
        ({"type": "BatchNorm2d", "num_features": 4}, ["weight", "running_mean", "running_var", "num_batches_tracked"]),
        ({"type": "InstanceNorm1d", "num_features": 4, "affine": True}, ["weight"]),
        ({"type": "InstanceNorm1d", "num_features": 4}, []),
        ({"type": "GroupNorm", "num_groups": 2, "num_channels": 4}, ["weight"]),
    ],
)
def test_the_bias_of_a_norm_may_be_left_away(norm: Config, names: list[str]) -> None:
    """On a torch whose own norms have no such argument as well."""
    made = construct({**norm, "bias": False})
    assert list(made.state_dict()) == names
    assert construct({**norm, "bias": True}).state_dict().keys() == construct(norm).state_dict().keys()
    x = torch.randn(2, 4, 3, 3) if norm["type"] == "BatchNorm2d" else torch.randn(2, 4, 3)
    assert torch.equal(made(x), construct(norm)(x))


def test_a_sequential_is_completed_as_the_tutorial_cnn() -> None:
    layers = [
        {"type": "Conv2d", "out_channels": 10, "kernel_size": 5}, {"type": "MaxPool2d", "kernel_size": 2},
        {"type": "ReLU"},
        {"type": "Conv2d", "out_channels": 20, "kernel_size": 5}, {"type": "MaxPool2d", "kernel_size": 2},
        {"type": "Flatten"}, {"type": "Linear", "out_features": 50}, {"type": "Linear"},
        {"type": "LogSoftmax", "dim": 1},
    ]  # fmt: skip
    facts = {**DIGITS, "shape": [1, 28, 28], "loss": {"type": "NLLLoss"}}
    full = models.complete({"type": "Sequential", "layers": layers}, facts)
    assert full["layers"][3]["in_channels"] == 10
    assert full["layers"][6]["in_features"] == 320
    assert full["layers"][7] == {"type": "Linear", "in_features": 50, "out_features": 10}
    assert models.parameter_names(full)[:3] == ["0.weight", "0.bias", "3.weight"]
    assert models.describe(full, facts)["flops_per_sample"] == 2 * (24**2 * 250 + 8**2 * 20 * 250 + 320 * 50 + 500)


def test_construction_draws_in_listed_order() -> None:
    config = {"type": "MLP", "hidden": [3], "in_features": 4, "out_features": 2}
    config["initialization"] = [{"params": ["1.weight"], "type": "normal_", "mean": 0.0, "std": 0.01}]
    torch.manual_seed(5)
    model = models.build(config)
    torch.manual_seed(5)
    first, second = nn.Linear(4, 3), nn.Linear(3, 2)
    nn.init.normal_(first.weight, 0.0, 0.01)
    built = dict(model.named_parameters())
    assert torch.equal(built["1.weight"], first.weight)
    assert torch.equal(built["3.weight"], second.weight)


@pytest.mark.parametrize("layers", [["ELU", "Linear"], ["Flatten", "SiLU", "Linear"], ["Linear", "Tanh", "ReLU"]])
def test_in_place_changes_neither_the_data_nor_what_backward_needs(layers: list[str]) -> None:
    config = _sequential(*({"type": kind, **({"inplace": True} if kind[-2:] == "LU" else {})} for kind in layers))
    model = models.build(models.complete(config, {**DIGITS, "shape": [8]}))
    x = torch.randn(3, 8)
    kept = x.clone()
    model(x).sum().backward()
    assert torch.equal(x, kept)


def test_a_graph_adds_its_branches() -> None:
    nodes = [
        {"name": "a", "type": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1, "inputs": ["x"]},
        {"name": "b", "type": "Conv2d", "out_channels": 4, "kernel_size": 1, "inputs": ["x"]},
        {"name": "sum", "type": "Add", "inputs": ["a", "b"]},
        {"name": "both", "type": "Concat", "inputs": ["sum", "a"]},
        {"name": "pool", "type": "MeanPool", "dim": [2, 3], "inputs": ["both"]},
        {"name": "out", "type": "Linear", "inputs": ["pool"]},
    ]
    config = {"type": "Graph", "nodes": nodes, "output": "out"}
    full = models.complete(config, DIGITS)
    assert (full["nodes"][5]["in_features"], full["nodes"][5]["out_features"]) == (8, 10)
    model, x = models.build(full), torch.randn(2, 1, 8, 8)
    a, b = model.get_submodule("a")(x), model.get_submodule("b")(x)
    expected = model.get_submodule("out")(torch.cat((a + b, a), 1).mean((2, 3)))
    assert torch.equal(model(x), expected)


def _sequential(*layers: Config) -> Config:
    return {"type": "Sequential", "layers": list(layers)}


def _graph(**node: Any) -> Config:
    return {"type": "Graph", "nodes": [{"name": "a", **node}], "output": "a"}


REFUSED: list[tuple[Config, Config, str]] = [
    (_sequential({"type": "Linear", "in_features": 9}), {**DIGITS, "shape": [4]}, "/model/layers/0/in_features"),
    (_sequential({"type": "Conv2d", "out_channels": 2, "kernel_size": 9}), DIGITS, "/model/layers/0"),
    (_sequential({"type": "Nonsense"}), DIGITS, "/model/layers/0/type"),
    (_sequential({"type": "Embedding", "embedding_dim": 2}), DIGITS, "/model/layers/0/num_embeddings"),
    (_graph(type="Add", inputs=["x"]), DIGITS, "/model/nodes/0/inputs"),
    (_graph(type="ReLU", inputs=["b"]), DIGITS, "/model/nodes/0/inputs"),
    (_graph(type="ReLU", inputs=["x"]) | {"nodes": [{"name": "training", "type": "ReLU", "inputs": ["x"]}]}, DIGITS,
     "/model/nodes/0/name"),
    (_sequential({"type": "Softmax", "dim": 4}), DIGITS, "/model/layers/0/dim"),
    (_sequential({"type": "Flatten"}, {"type": "ConvTranspose1d", "out_channels": 2, "kernel_size": 1}), DIGITS,
     "/model/layers/1"),
    (_sequential({"type": "Upsample", "scale_factor": 1e-5}), DIGITS, "/model/layers/0"),
    ({"type": "ResNet", "depth": 19}, DIGITS, "/model/depth"),
    ({"type": "GPT", "n_embd": 9, "n_head": 2}, TEXT, "/model/n_head"),
    ({"type": "MLP", "hidden": [3], "in_features": 5}, DIGITS, "/model/in_features"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "facts", "pointer"), REFUSED)
def test_what_does_not_fit_is_named(config: Config, facts: Config, pointer: str) -> None:
    with pytest.raises(ConfigError) as refused:
        models.complete(config, facts)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("name", ["forward", "training", "append", "__class__"])
def test_a_layer_cannot_have_a_name_that_torch_keeps(name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        models.skeleton(_sequential({"type": "Linear", "in_features": 4, "out_features": 2, "name": name}))
    assert refused.value.pointer == "/model/layers/0/name"
