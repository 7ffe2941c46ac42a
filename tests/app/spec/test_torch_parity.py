"""The tables against torch's own signatures: every class is offered or named here with the reason why not."""

import inspect
from typing import Any

import pytest
import torch
from torch import nn, optim
from torch.optim import lr_scheduler

from app.jobs.spec.base import Component
from app.jobs.spec.initialization import INITIALIZERS
from app.jobs.spec.layers import LAYERS
from app.jobs.spec.losses import LOSSES
from app.jobs.spec.optimizers import OPTIMIZERS, Optimizer
from app.jobs.spec.schedulers import SCHEDULERS

NOT_OPTIMIZERS = {"Optimizer": "the base class"}
NOT_SCHEDULERS = {"LRScheduler": "the base class"}
NOT_LOSSES = {
    **dict.fromkeys(("CosineEmbeddingLoss", "MarginRankingLoss"), "compares two outputs of a model"),
    **dict.fromkeys(("TripletMarginLoss", "TripletMarginWithDistanceLoss"), "compares three outputs of a model"),
    "CTCLoss": "needs the lengths of inputs and targets",
    "GaussianNLLLoss": "needs a variance beside the output",
    "AdaptiveLogSoftmaxWithLoss": "is a layer that takes the targets",
    "LinearCrossEntropyLoss": "is a layer that takes the targets: Linear and CrossEntropyLoss say the same",
    "NLLLoss2d": "is NLLLoss, deprecated in torch",
}
CONTAINERS = {"Container", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}
NOT_LAYERS = {
    **dict.fromkeys(CONTAINERS, "holds modules"),
    "Sequential": "is the model",
    **dict.fromkeys(("Bilinear", "CosineSimilarity", "PairwiseDistance"), "takes two inputs"),
    **dict.fromkeys(("GRUCell", "LSTMCell", "RNNCell"), "is one step of GRU, LSTM, RNN, with a state to carry"),
    **dict.fromkeys(("RNNBase", "RNNCellBase"), "is the base class"),
    **dict.fromkeys(("MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"), "takes the indices of a pooling beside its input"),
    **dict.fromkeys(("Transformer", "TransformerDecoder", "TransformerDecoderLayer"), "takes two sequences"),
    "TransformerEncoder": "is TransformerEncoderLayer as often as it is listed",
    "CrossMapLRN2d": "is LocalResponseNorm in the code of Lua's torch",
    "SyncBatchNorm": "is BatchNorm over the processes of a distributed training",
}
OURS = {"WarmupCosine", "UpdateRule", "RangeTest", "Reshape", "Permute", "MeanPool", "LastStep"}

# Arguments that are no data, or that the service decides.
NOT_ARGUMENTS = {
    "self": "the object",
    "params": "patterns in groups",
    "optimizer": "the job's",
    "last_epoch": "checkpoints carry it",
    "scale_fn": "a function",
    "device": "resources say it",
    "dtype": "training.precision says it",
    "size_average": "deprecated in torch",
    "reduce": "deprecated in torch",
    "generator": "the service seeds",
    "tensor": "the pattern's",
    "_weight": "tensors come by initial_weights",
    "_freeze": "phases say it",
    "return_indices": "for unpooling, which needs two inputs",
    "include_last_offset": "for ragged bags of offsets",
    "recompute_scale_factor": "no effect on what Sequential passes",
}
OUR_KEYS = {"type", "interval", "monitor", "name", "params"}


def public_classes(module: Any, base: type) -> set[str]:
    return {
        name
        for name in module.__all__
        if inspect.isclass(getattr(module, name)) and issubclass(getattr(module, name), base)
    }


def test_every_optimizer_of_torch_is_offered() -> None:
    names = {n for n, c in vars(optim).items() if inspect.isclass(c) and issubclass(c, optim.Optimizer)}
    assert names - set(OPTIMIZERS) == set(NOT_OPTIMIZERS)
    assert set(OPTIMIZERS) - names <= OURS


def test_every_scheduler_of_torch_is_offered() -> None:
    assert public_classes(lr_scheduler, object) - set(SCHEDULERS) == set(NOT_SCHEDULERS)
    assert set(SCHEDULERS) - public_classes(lr_scheduler, object) <= OURS


def torch_modules() -> set[str]:
    """Every public module of torch.nn but the lazy ones: sizes left out are inferred for all layers here."""
    return {name for name in public_classes(nn.modules, nn.Module) if not name.startswith("Lazy")}


def test_every_loss_of_torch_is_offered() -> None:
    names = {name for name in torch_modules() if "Loss" in name}
    assert names - set(LOSSES) == set(NOT_LOSSES)
    assert set(LOSSES) <= names


def test_every_layer_of_torch_is_offered() -> None:
    names = {name for name in torch_modules() if "Loss" not in name}
    assert names - set(LAYERS) == set(NOT_LAYERS)
    assert set(LAYERS) - names <= OURS


def test_every_initializer_of_torch_is_offered() -> None:
    names = {name for name in vars(nn.init) if name.endswith("_") and not name.startswith("_")}
    assert names - set(INITIALIZERS) == set()


def plain(value: Any) -> Any:
    return "relu" if value is nn.functional.relu else list(value) if isinstance(value, tuple) else value


COMPONENTS: list[tuple[type[Component], Any]] = [
    *((cls, getattr(optim, name)) for name, cls in OPTIMIZERS.items() if name not in OURS),
    *((cls, getattr(lr_scheduler, name)) for name, cls in SCHEDULERS.items() if name not in OURS),
    *((cls, getattr(nn, name)) for name, cls in LAYERS.items() if name not in OURS),
    *((cls, getattr(nn, name)) for name, cls in LOSSES.items()),
    *((cls, getattr(nn.init, name)) for name, cls in INITIALIZERS.items()),
]


@pytest.mark.parametrize(("cls", "theirs"), COMPONENTS, ids=[theirs.__name__ for _, theirs in COMPONENTS])
def test_argument_names_and_defaults_are_torchs(cls: type[Component], theirs: Any) -> None:
    ours = OUR_KEYS | ({"groups"} if issubclass(cls, Optimizer) else set())
    target = theirs.__init__ if inspect.isclass(theirs) else theirs
    signature = {
        name: parameter
        for name, parameter in inspect.signature(target).parameters.items()
        if name not in NOT_ARGUMENTS and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
    fields = {name: f for name, f in cls.model_fields.items() if name not in ours}
    assert set(fields) - set(signature) <= VARIADIC.get(theirs.__name__, set())
    assert set(signature) - set(fields) == LEFT_OUT.get(theirs.__name__, set())
    for name, parameter in signature.items():
        if name in fields and parameter.default is not parameter.empty and (theirs.__name__, name) not in INFERRED:
            assert plain(fields[name].default) == plain(parameter.default), name


_RECURRENT = set(inspect.signature(nn.RNNBase.__init__).parameters) | {"nonlinearity"}
# torch takes these through *args or **kwargs.
VARIADIC: dict[str, set[str]] = {name: {"output_size"} for name in LAYERS if name.startswith("Adaptive")}
VARIADIC |= dict.fromkeys(("LSTM", "GRU", "RNN"), _RECURRENT)
VARIADIC |= {name: {"p", "inplace"} for name in LAYERS if name.endswith("Dropout")}
LEFT_OUT: dict[str, set[str]] = {
    "Hardtanh": {"min_value", "max_value"},  # deprecated in torch
    "MultiheadAttention": {"kdim", "vdim"},  # of keys and values that are not the input
    "FractionalMaxPool2d": {"_random_samples"},
    "FractionalMaxPool3d": {"_random_samples"},
}
INFERRED: set[tuple[str, str]] = set()


def test_torch_is_the_pinned_one() -> None:
    assert torch.__version__.startswith("2.13.")
