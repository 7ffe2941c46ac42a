"""Sequential: layers one after the other, sizes inferred from the layer before."""

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from worker.training.config import Component
from worker.training.errors import ConfigError

from .facts import Facts
from .layers import BATCHED, INPUT_SIZES, LAYERS, MERGES, OUTPUT_SIZES, construct
from .makes import make_of_inputs
from .measured import Measured
from .meta import on_meta

TORCH_OWN = frozenset(dir(nn.Sequential()))
"""Names that a Sequential has for something else: `training`, `forward`, …"""


def complete(config: Component, facts: Facts) -> Component:
    """The config with every size filled in. Raises ConfigError at the layer that does not fit."""
    x, layers, fitted = facts.sample(), [], Fitted()
    last = last_sized([layer["type"] for layer in config["layers"]])
    for index, layer in enumerate(config["layers"]):
        pointer = f"/model/layers/{index}"
        outputs = facts.outputs if index == last else None
        layer, x = fitted(layer, [x], facts, outputs, pointer)
        layers.append(layer)
    return {**config, "layers": layers}


def build(config: Component) -> nn.Module:
    """Modules constructed in the order in which they are listed, named "0", "1", ... or by their own name."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for index, layer in enumerate(config["layers"]):
        name = str(layer.get("name") or index)
        if name in modules or name in TORCH_OWN or "." in name:
            raise ConfigError(f"/model/layers/{index}/name", f"{name!r} is taken or cannot be a module's name")
        modules[name] = construct_at(layer, f"/model/layers/{index}")
    return nn.Sequential(modules)


def last_sized(types: list[str]) -> int | None:
    """Index of the layer whose output size may be left out: the last one that has such a size."""
    return max((index for index, kind in enumerate(types) if kind in OUTPUT_SIZES), default=None)


def construct_at(layer: Component, pointer: str) -> nn.Module:
    """One layer; torch's own refusals come back as ConfigError."""
    if layer["type"] not in LAYERS and layer["type"] not in MERGES:
        raise ConfigError(f"{pointer}/type", f"unknown layer {layer['type']}")
    try:
        return construct(layer)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ConfigError(pointer, _message(error)) from error


class Fitted:
    """`fit`, once for equal layers with equal inputs."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Component, Tensor]] = {}

    def __call__(
        self, layer: Component, inputs: list[Tensor], facts: Facts, outputs: int | None, pointer: str
    ) -> tuple[Component, Tensor]:
        settings = {key: value for key, value in layer.items() if key not in ("name", "inputs")}
        question = (repr(settings), outputs, make_of_inputs(tuple(inputs), {}))
        if question not in self._known:
            self._known[question] = fit(settings, inputs, facts, outputs, pointer)
        full, result = self._known[question]
        return {**layer, **full}, result


def fit(
    layer: Component, inputs: list[Tensor], facts: Facts, outputs: int | None, pointer: str
) -> tuple[Component, Tensor]:
    """A layer with its sizes filled in, and what it makes of meta inputs [B, ...]."""
    kind, layer = layer["type"], dict(layer)
    _check_input(layer, inputs[0], pointer)
    if kind in INPUT_SIZES:
        _fill_input_size(layer, inputs[0], *INPUT_SIZES[kind], pointer)
    if kind in ("Embedding", "EmbeddingBag") and layer.get("num_embeddings") is None:
        layer["num_embeddings"] = facts.tokens(f"{pointer}/num_embeddings")
    size = OUTPUT_SIZES.get(kind)
    if size is not None and layer.get(size) is None:
        if outputs is None:
            raise ConfigError(f"{pointer}/{size}", "is required: only the last layer's is taken from the data")
        layer[size] = outputs
    with on_meta():
        module = construct_at(layer, pointer).eval()
    try:
        result = Measured(module)(*inputs)
    except (RuntimeError, ValueError, IndexError, AssertionError, TypeError) as error:
        shapes = ", ".join(str(list(x.shape[1:])) for x in inputs)
        raise ConfigError(pointer, f"{kind} does not fit an input of shape {shapes}: {_message(error)}") from error
    if result.numel() == 0:
        raise ConfigError(pointer, f"{kind} leaves nothing of an input of shape {list(inputs[0].shape[1:])}")
    if result.shape[0] != inputs[0].shape[0]:
        raise ConfigError(pointer, f"{kind} does not keep the samples apart: their dimension 0 comes out changed")
    return layer, result


def _check_input(layer: Component, x: Tensor, pointer: str) -> None:
    """What torch takes for a single sample, or finds out without the meta device only."""
    kind, shape = layer["type"], list(x.shape[1:])
    if x.ndim < BATCHED.get(kind, 0):
        raise ConfigError(pointer, f"{kind} does not fit an input of shape {shape}: too few dimensions")
    dim = layer.get("dim")
    if isinstance(dim, int) and not -x.ndim <= dim < x.ndim:
        raise ConfigError(f"{pointer}/dim", f"is {dim}, but the input has {x.ndim} dimensions, the batch's 0 included")


def _fill_input_size(layer: dict[str, Any], x: Tensor, argument: str, dimension: int, pointer: str) -> None:
    if x.ndim <= abs(dimension):
        raise ConfigError(pointer, f"{layer['type']} does not fit an input of shape {list(x.shape[1:])}")
    found = x.shape[dimension]
    given = layer.get(argument)
    if given is None:
        layer[argument] = found
    elif isinstance(given, int) and given != found:
        raise ConfigError(f"{pointer}/{argument}", f"is {given}, but the input has {found} (shape {list(x.shape[1:])})")


def _message(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
