"""A Graph as a small module: an attribute for each node that has something to construct."""

from worker.training.config import Component

from .code import block, is_attribute, literal, variables
from .layer_calls import ModelSource, layer_call

# What the class uses itself.
TAKEN = {"self", "x", "torch", "nn", "super", "LSTM", "GRU", "RNN", "MultiheadAttention"}


def graph(config: Component) -> ModelSource:
    """A class with one attribute for each node that has something to construct."""
    found = ModelSource("Net()")
    made, steps = [], []
    names = {"x": "x"} | variables([node["name"] for node in config["nodes"]], TAKEN)
    for node in config["nodes"]:
        inputs = [names[source] for source in node["inputs"]]
        text = merged(node, inputs)
        if text is None:
            name, built = node["name"], layer_call(node, found)
            if is_attribute(name):
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
