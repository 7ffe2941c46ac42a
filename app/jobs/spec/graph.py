"""Graph: named nodes with inputs, for residual and multi-branch networks."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from app.jobs.spec.activations import Layer, LayerName
from app.jobs.spec.base import Complaint, Integer, Table
from app.jobs.spec.layers import KEEPS_VALUES, LAYERS
from app.jobs.spec.model import Model

INPUT = "x"
MAX_NODES = 1000
Inputs = Annotated[list[LayerName], Field(min_length=1, max_length=100)]


class Add(Layer):
    """The sum of two or more inputs."""

    type: Literal["Add"] = "Add"


class Mul(Layer):
    """The product of two or more inputs."""

    type: Literal["Mul"] = "Mul"


class Concat(Layer):
    """Two or more inputs joined along `dim`: 1, the channels or features, where none is given."""

    type: Literal["Concat"] = "Concat"
    dim: Integer = 1


MERGES = Table("merge")
MERGES.add(Add, Mul, Concat)


def _as_node(layer: type[Layer]) -> type[Layer]:
    """The layer with a name it must have, and the names of its inputs."""
    fields: dict[str, Any] = {"name": (LayerName, ...), "inputs": (Inputs, ...)}
    return create_model(f"{layer.__name__}Node", __base__=layer, __doc__=layer.__doc__, **fields)


NODES = Table("layer")
NODES.add(*(_as_node(layer) for layer in [*MERGES.values(), *LAYERS.values()]))  # type: ignore[arg-type]


class Graph(Model):
    """Nodes run in the order in which they are listed; `x` is the input."""

    type: Literal["Graph"] = "Graph"
    nodes: Annotated[list[Annotated[Layer, NODES]], Field(min_length=1, max_length=MAX_NODES)]
    output: LayerName

    parameter_names = ("{name}.weight", "{name}.bias")

    @property
    def ends_in(self) -> str:
        nodes = {node.name: node for node in self.nodes}
        last = nodes[self.output]
        while last.type in KEEPS_VALUES and (source := last.inputs[0]) in nodes:  # type: ignore[attr-defined]
            last = nodes[source]
        return last.type

    def rules(self) -> Iterator[Complaint]:
        known = {INPUT}
        for index, node in enumerate(self.nodes):
            inputs: list[str] = getattr(node, "inputs", [])
            if node.name in known:
                yield Complaint(("nodes", index, "name"), f"{node.name!r} is taken")
            for place, source in enumerate(inputs):
                if source not in known:
                    yield Complaint(
                        ("nodes", index, "inputs", place), f"{source!r} is no earlier node, nor the input x"
                    )
            if (len(inputs) > 1) != (node.type in MERGES):
                wanted = "two or more inputs" if node.type in MERGES else "one input"
                yield Complaint(("nodes", index, "inputs"), f"{node.type} takes {wanted}")
            known.add(str(node.name))
        if self.output not in known - {INPUT}:
            yield Complaint(("output",), f"{self.output!r} is no node")
