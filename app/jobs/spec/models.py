"""Models: a Sequential or a Graph of layers, ready-made ones, and Function, whose loss is a formula's value."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from app.formulas import MAX_LENGTH, WORDS, FormulaError, learns, names_in, parse
from app.jobs.spec.activations import Layer
from app.jobs.spec.base import Complaint, Single, Table
from app.jobs.spec.graph import Graph
from app.jobs.spec.layers import KEEPS_VALUES, LAYERS
from app.jobs.spec.model import Model
from app.jobs.spec.ready_made import CNN, GPT, MLP, LSTMClassifier, ResNet, TransformerClassifier

MAX_LAYERS = 1000
ParameterName = Annotated[str, Field(max_length=64)]


class Sequential(Model):
    type: Literal["Sequential"] = "Sequential"
    layers: Annotated[list[Annotated[Layer, LAYERS]], Field(min_length=1, max_length=MAX_LAYERS)]

    parameter_names = ("{i}.weight", "{i}.bias", "{name}.weight", "{name}.bias")

    @property
    def ends_in(self) -> str:
        return next((layer.type for layer in reversed(self.layers) if layer.type not in KEEPS_VALUES), "Identity")

    def rules(self) -> Iterator[Complaint]:
        names = [layer.name or str(index) for index, layer in enumerate(self.layers)]
        for name, times in Counter(names).items():
            if times > 1:
                last = len(names) - 1 - names[::-1].index(name)
                yield Complaint(("layers", last, "name"), f"{name!r} is the name of another layer")


class Function(Model):
    """Named numbers as parameters and a formula as the loss; one epoch is one step."""

    type: Literal["Function"] = "Function"
    expression: Annotated[str, Field(max_length=MAX_LENGTH)]
    initial: Annotated[dict[ParameterName, Single], Field(min_length=1, max_length=100)]

    trains_on_data = False
    parameter_names = ("{name}",)

    def rules(self) -> Iterator[Complaint]:
        for name in self.initial:
            if not (name.isascii() and name.isidentifier()) or name in WORDS:
                yield Complaint(
                    ("initial", name), "is not a name: letters, digits and _, and no word of the formula language"
                )
        try:
            tree = parse(self.expression, self.initial)
        except FormulaError as error:
            yield Complaint(("expression",), str(error))
            return
        for name in self.initial:
            if name not in names_in(tree):
                yield Complaint(("initial", name), "does not occur in the expression")
        if names_in(tree) and not learns(tree):
            yield Complaint(("expression",), "has no gradient: its value depends on no parameter but by comparisons")


MODELS = Table("model")
MODELS.add(Sequential, Graph, MLP, CNN, ResNet, LSTMClassifier, TransformerClassifier, GPT, Function)
