"""A forward pass on the meta device, watched: what each layer gives, and how many operations all take.

torch works out shapes there in Python, a millisecond for a normalisation. So a module is run once for all of its make
that are given the same; what came out of single layers is remembered for the models to come as well.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from .makes import Make, make_of_inputs, makes_of

MAX_REMEMBERED = 4096  # layers, of about 2 kB each
RECURRENT = (nn.LSTM, nn.GRU, nn.RNN)


class Row(NamedTuple):
    """One layer that ran; its output without the batch."""

    name: str
    type: str
    output_shape: list[int]
    parameters: int


class Outcome(NamedTuple):
    """Names start below the module. The output has no memory, and may so be given out again."""

    output: Any
    flops: int
    activations: int  # bytes
    rows: list[Row]


remembered: dict[Make, Outcome] = {}


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The total that torch.utils.flop_counter comes to, by its own formulas, without its books on every module."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        formula = flop_registry.get(function.overloadpacket)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        return result


class Measured:
    """`Measured(model)(*inputs)` is the model's output; then FLOPs, bytes of activations and rows are there."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._blocks: dict[Make, Outcome] = {}
        self._counter = FlopCounter()
        self.samples, self.activations = 0, 0
        self.rows: list[Row] = []

    @property
    def flops(self) -> int:
        return self._counter.total

    def __call__(self, *inputs: Tensor) -> Any:
        self.samples = len(inputs[0])
        makes = makes_of(self._model)
        modules = dict(self._model.named_modules())
        for name, module in modules.items():
            module.forward = partial(self._run, name, module, makes.get(module), module.forward)
        try:
            with torch.no_grad(), self._counter:
                return self._model(*inputs)
        finally:
            for module in modules.values():
                del module.forward

    def _run(
        self, name: str, module: nn.Module, make: Make | None, forward: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        whole = is_whole(module)
        given = None if make is None else make_of_inputs(args, kwargs)
        if given is None:
            return self._work_out(name, module, whole, forward, *args, **kwargs)
        known, question = remembered if whole else self._blocks, (make, given)
        if question in known:
            return self._recall(name, known[question])
        flops, activations, rows = self.flops, self.activations, len(self.rows)
        output = self._work_out(name, module, whole, forward, *args, **kwargs)
        mine = [row._replace(name=row.name.removeprefix(name)) for row in self.rows[rows:]]
        if len(known) >= MAX_REMEMBERED:
            known.clear()
        known[question] = Outcome(output, self.flops - flops, self.activations - activations, mine)
        return output

    def _recall(self, name: str, outcome: Outcome) -> Any:
        self._counter.total += outcome.flops
        self.activations += outcome.activations
        self.rows += [row._replace(name=name + row.name) for row in outcome.rows]
        return outcome.output

    def _work_out(
        self, name: str, module: nn.Module, whole: bool, forward: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        rows = len(self.rows)
        output = self._recurrent(module, *args) if isinstance(module, RECURRENT) else forward(*args, **kwargs)
        first = output[0] if isinstance(output, tuple) else output
        if whole and isinstance(first, Tensor):
            self.activations += first.nbytes
            parameters = sum(p.numel() for p in module.parameters())
            self.rows[rows:] = [Row(name, type(module).__name__, list(first.shape[1:]), parameters)]
        return output

    def _recurrent(self, module: nn.RNNBase, x: Tensor) -> Any:
        """Without the steps, of which there are hundreds: in each of them every matrix is used once."""
        module.check_input(x, None)
        matrices = sum(value.numel() for name, value in module.named_parameters() if name.startswith("weight"))
        self._counter.total += 2 * x.shape[0] * x.shape[1] * matrices
        batch, steps = x.shape[:2] if module.batch_first else (x.shape[1], x.shape[0])
        ways, size = 2 if module.bidirectional else 1, module.proj_size or module.hidden_size
        outputs, state = x.new_empty(steps, batch, ways * size), x.new_empty(module.num_layers * ways, batch, size)
        if module.batch_first:
            outputs = outputs.transpose(0, 1)
        if type(module) not in RECURRENT:  # ours, without the state
            return outputs
        cell = x.new_empty(module.num_layers * ways, batch, module.hidden_size)
        return outputs, (state, cell) if isinstance(module, nn.LSTM) else state


def is_whole(module: nn.Module) -> bool:
    """Modules that are one row: they hold no others, or are one layer of torch's."""
    return isinstance(module, nn.MultiheadAttention | nn.TransformerEncoderLayer) or not any(module.children())
