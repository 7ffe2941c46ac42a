"""What torch finds out only while it trains, a dry run finds out before."""

from typing import Any

import pytest

from tests.training.test_models import DIGITS, Config
from worker.training import models
from worker.training.errors import ConfigError


def sequential(*layers: Config) -> Config:
    return {"type": "Sequential", "layers": [*layers, {"type": "Flatten"}, {"type": "Linear"}]}


@pytest.mark.parametrize(
    ("layer", "shape", "pointer"),
    [
        # torch takes these for one sample without a batch
        ({"type": "Conv1d", "out_channels": 2, "kernel_size": 1}, [17], "/model/layers/0"),
        ({"type": "Conv2d", "out_channels": 2, "kernel_size": 1}, [17, 5], "/model/layers/0"),
        ({"type": "ConvTranspose1d", "out_channels": 2, "kernel_size": 1}, [2], "/model/layers/0"),
        ({"type": "LSTM", "hidden_size": 4}, [4], "/model/layers/0"),
        ({"type": "MultiheadAttention", "num_heads": 2}, [4], "/model/layers/0"),
        ({"type": "TransformerEncoderLayer", "nhead": 2}, [4], "/model/layers/0"),
        # and these change the number of samples
        ({"type": "MeanPool", "dim": 0}, [2, 8, 8], "/model/layers/0"),
        ({"type": "Flatten", "start_dim": 0}, [8], "/model/layers/0"),
        # of which the meta device says nothing
        ({"type": "Softmax", "dim": 7}, [8], "/model/layers/0/dim"),
        ({"type": "LogSoftmax", "dim": -3}, [8], "/model/layers/0/dim"),
    ],
)
def test_a_layer_that_mixes_samples_or_has_no_such_dimension(layer: Config, shape: list[int], pointer: str) -> None:
    with pytest.raises(ConfigError) as refused:
        models.complete(sequential(layer), {**DIGITS, "shape": shape})
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("name", ["forward", "training", "append", "_modules", "children"])
def test_a_name_that_torch_has_taken(name: str) -> None:
    named: list[tuple[Config, str]] = [
        ({"type": "Sequential", "layers": [{"type": "Flatten", "name": name}]}, "/model/layers/0/name"),
        ({"type": "Graph", "nodes": [{"type": "Flatten", "name": name, "inputs": ["x"]}], "output": name},
         "/model/nodes/0/name"),
    ]  # fmt: skip
    for config, pointer in named[: 1 if name == "append" else 2]:  # a Graph has no such method
        with pytest.raises(ConfigError) as refused:
            models.build(config)
        assert refused.value.pointer == pointer


def test_a_transposed_convolution_may_be_the_last() -> None:
    config: dict[str, Any] = {"type": "Sequential", "layers": [{"type": "ConvTranspose2d", "kernel_size": 1}]}
    assert models.complete(config, DIGITS)["layers"][0]["out_channels"] == 10
