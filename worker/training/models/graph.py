"""Graph: named nodes with inputs, for residual and multi-branch networks. "x" is the input."""

from torch import Tensor, nn

from worker.training.config import Component
from worker.training.errors import ConfigError

from .facts import Facts
from .layers import MERGES
from .sequential import Fitted, construct_at, last_sized

INPUT = "x"


class Graph(nn.Module):
    """Runs its nodes in the order in which they are listed."""

    def __init__(self, nodes: list[tuple[str, nn.Module, list[str]]], output: str) -> None:
        super().__init__()
        self._wiring = [(name, inputs) for name, _, inputs in nodes]
        self._output = output
        for name, module, _ in nodes:
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        values = {INPUT: x}
        for name, inputs in self._wiring:
            values[name] = self._modules[name](*(values[source] for source in inputs))  # type: ignore[misc]
        return values[self._output]


TORCH_OWN = frozenset(dir(Graph([], INPUT)))
"""Names that a Graph has for something else: `training`, `forward`, …"""


def complete(config: Component, facts: Facts) -> Component:
    """The config with every size filled in. Raises ConfigError at the node that does not fit."""
    check(config)
    values, nodes, fitted = {INPUT: facts.sample()}, [], Fitted()
    used = needed(config)
    last = last_sized([node["type"] if node["name"] in used else "" for node in config["nodes"]])
    for index, node in enumerate(config["nodes"]):
        inputs = [values[source] for source in node["inputs"]]
        outputs = facts.outputs if index == last else None
        node, values[node["name"]] = fitted(node, inputs, facts, outputs, f"/model/nodes/{index}")
        nodes.append(node)
    return {**config, "nodes": nodes}


def needed(config: Component) -> set[str]:
    """Names of the nodes that the output depends on."""
    found = {config["output"]}
    for node in reversed(config["nodes"]):
        if node["name"] in found:
            found.update(node["inputs"])
    return found


def build(config: Component) -> nn.Module:
    """Modules constructed in the order in which they are listed."""
    check(config)
    nodes = [
        (node["name"], construct_at(node, f"/model/nodes/{index}"), list(node["inputs"]))
        for index, node in enumerate(config["nodes"])
    ]
    return Graph(nodes, config["output"])


def check(config: Component) -> None:
    """Names are unique and known before they are used; only merges take several inputs. Raises ConfigError."""
    known = {INPUT}
    for index, node in enumerate(config["nodes"]):
        pointer, name = f"/model/nodes/{index}", node["name"]
        if name in known or "." in name or not name or name in TORCH_OWN:
            raise ConfigError(f"{pointer}/name", f"{name!r} is taken or cannot be a module's name")
        for source in node["inputs"]:
            if source not in known:
                raise ConfigError(f"{pointer}/inputs", f"{source!r} is no earlier node")
        several = len(node["inputs"]) > 1
        if several != (node["type"] in MERGES) or not node["inputs"]:
            wanted = "two or more inputs" if node["type"] in MERGES else "one input"
            raise ConfigError(f"{pointer}/inputs", f"{node['type']} takes {wanted}")
        known.add(name)
    if config["output"] not in known:
        raise ConfigError("/model/output", f"{config['output']!r} is no node")
