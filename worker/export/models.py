"""The model as source: torch's layers in an nn.Sequential, a Graph as a small module, the ready-made ones whole."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from worker.training.config import Component
from worker.training.models import gpt, layers, lstm, mlp, resnet, transformer

from .code import TAB, arguments, block, call, is_name, literal
from .expressions import expression
from .sources import constant_of, source_of

NOT_ARGUMENTS = ("type", "name", "inputs")


@dataclass
class ModelSource:
    """`definitions` come before, `build` is the expression that makes the model."""

    build: str
    definitions: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)


def model_source(config: Component) -> ModelSource:
    """Of a complete model: all sizes are there."""
    return KINDS[config["type"]](config)


def layer_call(layer: Component, found: ModelSource) -> str:
    """`nn.Linear(4, 16)`; a layer of the engine's own brings its class along."""
    kind: Any = layers.LAYERS[layer["type"]]
    own = kind in layers.OWN
    if own and (definition := source_of(kind)) not in found.definitions:
        found.definitions.append(definition)
    given = {key: value for key, value in layer.items() if key not in NOT_ARGUMENTS}
    given = {k: tuple(v) if isinstance(v, list) and k not in ("dim", "dims") else v for k, v in given.items()}
    base = kind.__mro__[1] if own and kind.__mro__[1] is not nn.Module else kind
    if base in (nn.LSTM, nn.GRU, nn.RNN):  # their constructors take what their base class does
        texts = arguments(nn.RNNBase.__init__, given)
        if given.get("nonlinearity", "tanh") != "tanh":
            texts.append(f"nonlinearity={literal(given['nonlinearity'])}")
        return call(kind.__name__, texts)
    return call(kind.__name__ if own else f"nn.{kind.__name__}", arguments(base.__init__, given))


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


def graph(config: Component) -> ModelSource:
    """A class with one attribute for each node that has something to construct."""
    found = ModelSource("Net()")
    made, steps = [], []
    names = {"x": "x"} | {node["name"]: variable(node["name"]) for node in config["nodes"]}
    for node in config["nodes"]:
        inputs = [names[source] for source in node["inputs"]]
        text = merged(node, inputs)
        if text is None:
            name, built = node["name"], layer_call(node, found)
            if is_name(name) and not hasattr(nn.Module, name):
                made.append(f"self.{name} = {built}")
                text = f"self.{name}({inputs[0]})"
            else:
                made.append(f"self.add_module({literal(name)}, {built})")
                text = f"self.get_submodule({literal(name)})({inputs[0]})"
        steps.append(f"{names[node['name']]} = {text}")
    init = block("def __init__(self) -> None:", ["super().__init__()", *made])
    forward = block(
        "def forward(self, x: torch.Tensor) -> torch.Tensor:", [*steps, f"return {names[config['output']]}"]
    )
    found.definitions.append(block("class Net(nn.Module):", [init, "", forward]))
    return found


def variable(name: str) -> str:
    """What a node's output is called: never the name of something that the class uses."""
    taken = {"self", "x", "torch", "nn", "super", "LSTM", "GRU", "RNN", "MultiheadAttention"}
    return name if is_name(name) and name not in taken else f"{name}_"


def merged(node: Component, inputs: list[str]) -> str | None:
    """What needs no module: sums, products, joins and changes of shape."""
    match node["type"]:
        case "Add":
            return " + ".join(inputs)
        case "Mul":
            return " * ".join(inputs)
        case "Concat":
            return f"torch.cat(({', '.join(inputs)}), {literal(node.get('dim', 1))})"
        case "Reshape":
            sizes = "".join(f", {literal(size)}" for size in node["shape"])
            return f"{inputs[0]}.reshape({inputs[0]}.shape[0]{sizes})"
        case "Permute":
            return f"{inputs[0]}.permute({', '.join(map(literal, node['dims']))})"
        case "MeanPool":
            return f"{inputs[0]}.mean({literal(node.get('dim', 1))})"
        case "LastStep":
            return f"{inputs[0]}[:, -1]"
    return None


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
    imports = {"from torch.nn.utils.rnn import pack_padded_sequence"}
    definition = source_of(lstm.LSTMClassifier, {**lstm.DEFAULTS, **config}).replace("    takes_lengths = True\n\n", "")
    return ModelSource("LSTMClassifier()", [definition], imports)


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
        name: f"self.{name}" if usable(name) else f"self.get_parameter({literal(name)})" for name in config["initial"]
    }
    made = []
    for name, value in config["initial"].items():
        number = f"nn.Parameter(torch.tensor({literal(float(value))}))"
        made.append(
            f"{names[name]} = {number}" if usable(name) else f"self.register_parameter({literal(name)}, {number})"
        )
    text = expression(config["expression"], dict.fromkeys(names, True), names)
    init = block("def __init__(self) -> None:", ["super().__init__()", *made])
    forward = block("def forward(self) -> torch.Tensor:", [f"return {text}"])
    return ModelSource("Function()", [block("class Function(nn.Module):", [init, "", forward])], {"import math"})


def usable(name: str) -> bool:
    return is_name(name) and not hasattr(nn.Module, name) and not name.startswith("_")


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
