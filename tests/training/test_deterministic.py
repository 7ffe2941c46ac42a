"""What `exact` refuses on CUDA: the layers whose backward is among the operators that torch has no such form of."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from worker.training.models.layers import LAYERS, construct, nondeterministic_on_cuda

# torch.use_deterministic_algorithms' list, by the names of the backward operators; adaptive_max_pool3d adds atomically
# without being on it.
REFUSED = {
    "avg_pool3d_backward", "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward",
    "adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward", "fractional_max_pool2d_backward",
    "fractional_max_pool3d_backward", "reflection_pad1d_backward", "reflection_pad2d_backward",
    "reflection_pad3d_backward", "upsample_linear1d_backward", "upsample_bilinear2d_backward",
    "upsample_bicubic2d_backward", "upsample_trilinear3d_backward", "grid_sampler_2d_backward",
}  # fmt: skip
ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "Pool1d": [{"kernel_size": 2}],
    "Pool2d": [{"kernel_size": 2}],
    "Pool3d": [{"kernel_size": 2}],
    "Pad1d": [{"padding": 1}],
    "Pad2d": [{"padding": 1}],
    "Pad3d": [{"padding": 1}],
}
MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear")
SPECIAL: dict[str, list[dict[str, Any]]] = {
    **{name: [{"output_size": 3}, {"output_size": 1}] for name in LAYERS if name.startswith("Adaptive")},
    "AdaptiveAvgPool2d": [{"output_size": size} for size in (3, 1, [1, 1], [1, 3])],
    **{f"LPPool{n}d": [{"norm_type": 2, "kernel_size": 2}] for n in (1, 2, 3)},
    **{f"FractionalMaxPool{n}d": [{"kernel_size": 2, "output_ratio": 0.5}] for n in (2, 3)},
    **{f"ConstantPad{n}d": [{"padding": 1, "value": 0.5}] for n in (1, 2, 3)},
    "Upsample": [{"scale_factor": 2, "mode": mode} for mode in MODES],
    "UpsamplingNearest2d": [{"scale_factor": 2}],
    "UpsamplingBilinear2d": [{"scale_factor": 2}],
}  # fmt: skip
CASES = [
    {"type": name, **arguments}
    for name in LAYERS
    for arguments in SPECIAL.get(name, ARGUMENTS.get(name[-6:], ARGUMENTS.get(name[-5:], [])))
]


class Recorder(TorchDispatchMode):
    """The names of all operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


def dimensions(case: dict[str, Any]) -> int:
    if case["type"] == "Upsample":
        return {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}.get(case["mode"], 2)
    return int(case["type"][-2])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_exactly_the_layers_without_a_deterministic_backward_are_refused(case: dict[str, Any]) -> None:
    inputs: Tensor = torch.rand(2, 3, *[6] * dimensions(case), requires_grad=True)
    module: nn.Module = construct(case)
    with Recorder() as recorder:
        module(inputs).sum().backward()
    assert nondeterministic_on_cuda(case) == bool(recorder.names & REFUSED), recorder.names
