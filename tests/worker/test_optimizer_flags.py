"""What the spec accepts, torch steps with; what torch refuses, the spec refuses: every combination of flags."""

import itertools
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from app.jobs.spec import SpecError, builtin_facts, resolve, validate
from app.jobs.spec.optimizers import OPTIMIZERS
from tests.app.spec.documents import FUNCTION, IRIS, changed
from worker.resolve import resolve_names

FLAGS = ("fused", "foreach", "maximize", "capturable", "differentiable")
TOKENS = {"type": "synthetic", "task": "tokens", "samples": 60, "shape": [5], "classes": 7}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "scalar": FUNCTION,
    "dense": changed(IRIS, {"/data/split/validation": ...}),
    "matrix": changed(IRIS, {"/model": {"type": "Sequential", "layers": [{"type": "Linear", "bias": False}]}}),
    "sparse": changed(
        IRIS,
        {
            "/data/dataset": TOKENS,
            "/model": {"type": "Sequential", "layers": [{"type": "Embedding", "sparse": True}]},
        },
    ),
}
TOKENS_SEEN = torch.tensor([1, 2])
CASES = [
    (name, kind, dict(zip(flags, values, strict=True)))
    for name, cls in OPTIMIZERS.items()
    if name != "UpdateRule"
    for flags in [[flag for flag in FLAGS if flag in cls.model_fields]]
    for values in itertools.product((False, True), repeat=len(flags))
    for kind in DOCUMENTS
]


def steps(name: str, kind: str, flags: dict[str, bool]) -> bool:
    """Whether torch builds the optimizer and takes two steps."""
    shapes = {"scalar": [()], "dense": [(3, 4), (3,)], "matrix": [(3, 4)], "sparse": [(7, 7)]}[kind]
    parameters = [nn.Parameter(torch.ones(shape)) for shape in shapes]
    try:
        optimizer = getattr(torch.optim, name)(parameters, **flags)
        for _ in range(2):

            def closure() -> torch.Tensor:
                optimizer.zero_grad()
                used = (
                    [nn.functional.embedding(TOKENS_SEEN, parameters[0], sparse=True)]
                    if kind == "sparse"
                    else parameters
                )
                loss = torch.stack([value.square().sum() for value in used]).sum()
                loss.backward()
                return loss

            closure()
            optimizer.step(closure if name == "LBFGS" else None)
    except (RuntimeError, ValueError, AssertionError):
        return False
    return True


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "UpdateRule"])
def test_the_spec_and_torch_agree(name: str) -> None:
    for case, kind, flags in CASES:
        if case != name:
            continue
        document = changed(DOCUMENTS[kind], {"/optimizer": {"type": name, **flags}})
        try:
            resolve_names(validate(resolve(validate(document), builtin_facts)))
            accepted = True
        except SpecError:
            accepted = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert accepted == steps(name, kind, flags), (kind, flags)
