"""Models as data: sizes completed on the meta device, modules built on the CPU in listed order."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import nn

from worker.training.config import Component
from worker.training.errors import ConfigError

from . import function, gpt, graph, lstm, mlp, resnet, sequential, transformer
from .describe import describe as describe_module
from .facts import Facts
from .initialization import initialize, load_initial_weights, load_vectors
from .layers import nondeterministic_on_cuda
from .measured import Measured
from .meta import on_meta


class Kind(NamedTuple):
    """How one `type` is completed from the facts of its data, and built."""

    complete: Callable[[Component, Facts], Component]
    build: Callable[[Component], nn.Module]


MODELS: dict[str, Kind] = {
    "Sequential": Kind(sequential.complete, sequential.build),
    "MLP": Kind(mlp.complete_mlp, mlp.build_mlp),
    "CNN": Kind(mlp.complete_cnn, mlp.build_cnn),
    "Graph": Kind(graph.complete, graph.build),
    "ResNet": Kind(resnet.complete, resnet.build),
    "LSTMClassifier": Kind(lstm.complete, lstm.build),
    "TransformerClassifier": Kind(transformer.complete, transformer.build),
    "GPT": Kind(gpt.complete, gpt.build),
    "Function": Kind(lambda config, facts: config, function.build),
}


def complete(config: Component, data_facts: dict[str, Any] | None) -> Component:
    """The model with every size inferred, on the meta device: nothing is allocated or drawn.

    `data_facts` is None for a Function. Raises ConfigError with the pointer of the layer that does not fit.
    """
    kind = _kind(config)
    if config["type"] == "Function":
        function.build(config)
        return config
    if data_facts is None:
        raise ConfigError("/data", "is required for this model")
    return kind.complete(config, Facts.read(data_facts))


def build(config: Component) -> nn.Module:
    """The model on the current default device, with its initialization drawn and its initial weights loaded."""
    model = _kind(config).build(config)
    initialize(model, config.get("initialization") or [])
    if isinstance(config.get("vectors"), dict) and not any(p.is_meta for p in model.parameters()):
        load_vectors(model, config["vectors"])
    if config.get("initial_weights") and not any(p.is_meta for p in model.parameters()):
        load_initial_weights(model, config["initial_weights"])
    return model


def skeleton(config: Component) -> nn.Module:
    """The model on the meta device, for its names and shapes."""
    with on_meta():
        return _kind(config).build(config)


def parameter_names(config: Component) -> list[str]:
    """The names that patterns are matched against, in order."""
    return [name for name, _ in skeleton(config).named_parameters()]


def describe(
    config: Component,
    data_facts: dict[str, Any] | None,
    optimizer: Component | None = None,
    batch_size: int = 1,
    freeze: Sequence[str] = (),
    built: tuple[nn.Module, Measured] | None = None,
) -> dict[str, Any]:
    """A complete model for a dry run, on the meta device: nothing is allocated. `built`: the model, if it has run.

    {parameters, trainable_parameters, flops_per_sample, parameter_bytes, optimizer_bytes,
    activation_bytes (of a batch), layers: [{name, type, output_shape, parameters}]}.
    """
    model, measured = (skeleton(config), None) if built is None else built
    frozen = set(freeze)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    facts = None if config["type"] == "Function" or data_facts is None else Facts.read(data_facts)
    return describe_module(model, facts, optimizer, batch_size, measured)


def refused_on_cuda(config: Component) -> list[tuple[str, str]]:
    """(pointer, type) of each layer that `exact` cannot run on CUDA, for want of a deterministic backward."""
    key = {"Sequential": "layers", "Graph": "nodes"}.get(config["type"])
    layers = config[key] if key is not None else []
    return [
        (f"/model/{key}/{index}", layer["type"])
        for index, layer in enumerate(layers)
        if nondeterministic_on_cuda(layer)
    ]


def _kind(config: Component) -> Kind:
    if config.get("type") not in MODELS:
        raise ConfigError("/model/type", f"unknown model {config.get('type')}")
    return MODELS[config["type"]]
