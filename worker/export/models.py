"""The model as source: torch's layers in an nn.Sequential, a Graph as a small module, the ready-made ones whole."""

import textwrap
from collections.abc import Callable

from worker.training.config import Component
from worker.training.models import gpt, layers, lstm, mlp, resnet, transformer

from . import mixed
from .code import TAB, block, call, is_attribute, literal
from .expressions import expression
from .graphs import graph
from .layer_calls import LSTM_IMPORTS, ModelSource, layer_call
from .sources import constant_of, source_of


def model_source(config: Component) -> ModelSource:
    """Of a complete model: all sizes are there."""
    return KINDS[config["type"]](config)


def sequential(listed: list[Component]) -> ModelSource:
    found = ModelSource("")
    calls = [layer_call(layer, found) for layer in listed]
    if any(layer.get("name") for layer in listed):
        found.imports.add("from collections import OrderedDict")
        pairs = [
            f"({literal(str(layer.get('name') or index))}, {text})"
            for index, (layer, text) in enumerate(zip(listed, calls, strict=True))
        ]
        rows = "".join(textwrap.indent(f"{pair},\n", TAB * 2) for pair in pairs)
        found.build = f"nn.Sequential(\n{TAB}OrderedDict([\n{rows}{TAB}])\n)"
    else:
        rows = "".join(textwrap.indent(f"{text},\n", TAB) for text in calls)
        found.build = f"nn.Sequential(\n{rows})"
    return found


def residual(config: Component) -> ModelSource:
    full = {**resnet.DEFAULTS, **config}
    parts = [resnet._conv, resnet._shortcut, resnet.Basic, resnet.Bottleneck, resnet.ResNet]
    definitions = [*map(source_of, parts)]
    constants = constant_of(resnet, "DEPTHS")
    given = [full[key] for key in ("depth", "stem", "width", "in_channels", "out_features")]
    return ModelSource(
        call("ResNet", map(literal, given)), [constants, *definitions], {"from collections import OrderedDict"}
    )


def recurrent(config: Component) -> ModelSource:
    imports = LSTM_IMPORTS | {"from torch.nn.utils.rnn import pack_padded_sequence"}
    definition = source_of(lstm.LSTMClassifier, {**lstm.DEFAULTS, **config}).replace("    takes_lengths = True\n\n", "")
    return ModelSource("LSTMClassifier()", [source_of(layers.on_any_processor), definition], imports)


def attentive(config: Component) -> ModelSource:
    definition = source_of(transformer.TransformerClassifier, {**transformer.DEFAULTS, **config})
    return ModelSource("TransformerClassifier()", [definition])


def generative(config: Component) -> ModelSource:
    blocks = [source_of(kind) for kind in (gpt.Attention, gpt.MLP, gpt.Block)]
    whole = source_of(gpt.GPT, {**gpt.DEFAULTS, **config})
    imports = {"import math", "from typing import Any"}
    return ModelSource("GPT()", [constant_of(gpt, "INITIAL_STD"), *blocks, whole], imports)


def formula(config: Component) -> ModelSource:
    """The parameters as attributes, the formula as the forward pass."""
    names = {
        name: f"self.{name}" if is_attribute(name) else f"self._parameters[{literal(name)}]"
        for name in config["initial"]
    }
    made = [
        f"{names[name]} = nn.Parameter(torch.tensor({literal(float(value))}))"
        for name, value in config["initial"].items()
    ]
    text = expression(config["expression"], dict.fromkeys(names, True), names)
    init = block("def __init__(self) -> None:", ["super().__init__()", *made])
    forward = block("def forward(self) -> torch.Tensor:", [f"return {text}"])
    whole = block("class Function(nn.Module):", [init, "", forward])
    return ModelSource("Function()", [*mixed.definitions(whole), whole], {"import math"})


KINDS: dict[str, Callable[[Component], ModelSource]] = {
    "Sequential": lambda config: sequential(config["layers"]),
    "MLP": lambda config: sequential(mlp.mlp_layers(config)),
    "CNN": lambda config: sequential(mlp.cnn_layers({**mlp.CNN_DEFAULTS, **config})),
    "Graph": graph,
    "ResNet": residual,
    "LSTMClassifier": recurrent,
    "TransformerClassifier": attentive,
    "GPT": generative,
    "Function": formula,
}
