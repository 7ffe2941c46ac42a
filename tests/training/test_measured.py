"""What a dry run says of shapes, parameters and FLOPs is what torch itself comes to, by its own counter."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.training.layer_samples import SAMPLES
from tests.training.test_models import DIGITS, READY_MADE, WORDS, Config
from worker.training import models
from worker.training.models.measured import Measured, remembered
from worker.training.models.meta import on_meta


def drawn(facts: Config) -> Tensor:
    shape = (2, *facts["shape"])
    return torch.randint(1, facts["vocabulary"], shape) if facts["dtype"] == "int64" else torch.rand(shape)


def counted(model: nn.Module, x: Tensor) -> int:
    """By torch's own counter, on the meta device."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.to("meta").eval()(x.to("meta"))
    return int(counter.get_total_flops())


def agrees_with_torch(config: Config, facts: Config) -> None:
    full = models.complete(config, facts)
    remembered.clear()
    first, again = models.describe(full, facts), models.describe(full, facts)
    assert first == again
    model, x = models.build(full).eval(), drawn(facts)
    with torch.no_grad():
        assert first["layers"][-1]["output_shape"] == list(model(x).shape[1:])
    assert first["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert first["flops_per_sample"] * 2 == counted(model, x)


@pytest.mark.parametrize(("layer", "shape"), SAMPLES, ids=[f"{n}-{c['type']}" for n, (c, _) in enumerate(SAMPLES)])
@pytest.mark.filterwarnings("ignore")  # of torch's own, on what some arguments cost
def test_a_layer(layer: Config, shape: list[int]) -> None:
    tokens = {**WORDS, "classes": None, "target_shape": [1], "loss": {"type": "MSELoss"}}
    facts = tokens if layer["type"].startswith("Embedding") else {**tokens, "dtype": "float32"}
    agrees_with_torch({"type": "Sequential", "layers": [layer]}, {**facts, "shape": shape})


def test_every_layer_is_among_them() -> None:
    assert {layer["type"] for layer, _ in SAMPLES} == set(models.layers.LAYERS)


@pytest.mark.parametrize(("config", "facts"), [row[:2] for row in READY_MADE])
def test_a_ready_made_model(config: Config, facts: Config) -> None:
    agrees_with_torch(config, facts)


def test_layers_of_one_make_are_told_apart_by_everything_that_decides() -> None:
    pairs: list[tuple[Config, Config]] = [
        ({"type": "Conv2d", "out_channels": 2, "kernel_size": 3}, {"padding": 1}),
        ({"type": "MaxPool2d", "kernel_size": 2}, {"ceil_mode": True}),
        ({"type": "Flatten"}, {"start_dim": 2}),
    ]
    for layer, change in pairs:
        for one in (layer, layer | change):
            agrees_with_torch({"type": "Sequential", "layers": [one]}, {**DIGITS, "shape": [3, 9, 9]})
    permuted = [{"type": "Permute", "dims": [0, 2, 1]}, {"type": "Unflatten", "dim": 1, "unflattened_size": [2, 2]}]
    for layers in (permuted[1:], permuted):  # the same sizes, laid out otherwise
        agrees_with_torch({"type": "Sequential", "layers": layers}, {**DIGITS, "shape": [4, 4]})


def test_rows_of_equal_blocks_have_their_own_names() -> None:
    config, facts = next((config, facts) for config, facts, *_ in READY_MADE if config["type"] == "ResNet")
    names = [row["name"] for row in models.describe(models.complete(config, facts), facts)["layers"]]
    assert len(set(names)) == len(names)
    own = dict(models.skeleton(models.complete(config, facts)).named_modules())
    assert [name for name in names if name not in own] == []
    assert sorted(names) == sorted(name for name, module in own.items() if not any(module.children()))


def test_what_comes_of_a_module_that_cannot_be_compared_is_not_remembered() -> None:
    class Odd(nn.Linear):
        settings: Any = None

    with on_meta():
        odd = Odd(3, 2)
    odd.settings = object()
    remembered.clear()
    measured = Measured(odd)
    assert measured(torch.empty(5, 3, device="meta")).shape == (5, 2)
    assert (measured.flops, remembered) == (2 * 5 * 3 * 2, {})
    assert "forward" not in vars(odd)
