"""The spec's tables against the engine's: what is offered is built, and what is built is offered."""

import math
import random
import struct
from collections import Counter
from collections.abc import Callable

import pytest
import torch

from app import formulas as parsed
from app.formulas import Tree
from app.jobs.spec.augment import AUGMENTATIONS
from app.jobs.spec.initialization import INITIALIZERS
from app.jobs.spec.layers import LAYERS
from app.jobs.spec.losses import LOSSES
from app.jobs.spec.metrics import METRICS, metric_names
from app.jobs.spec.models import MODELS
from app.jobs.spec.optimizers import OPTIMIZERS
from app.jobs.spec.schedulers import SCHEDULERS
from worker.training import formulas as compiled
from worker.training import losses, metrics, models, optimizers, schedules
from worker.training.data import augment
from worker.training.models import initialization, layers


@pytest.mark.parametrize(
    ("offered", "built"),
    [
        (OPTIMIZERS, optimizers.OPTIMIZERS),
        (SCHEDULERS, schedules.SCHEDULERS),
        (LAYERS, layers.LAYERS),
        (MODELS, models.MODELS),
        (LOSSES, losses.LOSSES),
        (METRICS, metrics.METRICS),
        (INITIALIZERS, initialization.INITIALIZERS),
        (AUGMENTATIONS, augment.CHANGES | augment.MIXES),
    ],
    ids=["optimizers", "schedulers", "layers", "models", "losses", "metrics", "initializers", "augmentations"],
)
def test_what_is_offered_is_what_is_built(offered: dict[str, object], built: dict[str, object]) -> None:
    assert set(offered) == set(built)


def test_metrics_have_the_same_names_in_the_rows_and_in_monitors() -> None:
    configs = [{"type": "f1"}, {"type": "f1", "average": "micro"}, {"type": "top_k_accuracy", "k": 2}, {"type": "mae"}]
    read = [METRICS.read(config) for config in configs]
    dumped = [{"type": metric.type, **metric.arguments(None)} for metric in read]
    assert metric_names(read, None) == metrics.names(dumped) == ["f1", "f1_micro", "top_k_accuracy", "mae"]  # type: ignore[arg-type]


def random_tree(draw: random.Random, depth: int) -> Tree:
    """Any tree of the language over `x` and `y`."""
    if depth == 0 or draw.random() < 0.1:
        return draw.choice(["x", "y", draw.choice([0.0, 1.0, -1.0, 0.5, 2.0, 3.0, draw.uniform(-9, 9)])])
    operation = draw.choice(sorted(ARITIES))
    return [operation, *(random_tree(draw, depth - 1) for _ in range(ARITIES[operation]))]


ARITIES: dict[str, int] = {
    **dict.fromkeys([*parsed.BINARY.values(), *parsed.COMPARISONS.values()], 2),
    "neg": 1,
    **parsed.FUNCTIONS,
}


def outcome(value: Callable[[], float]) -> str:
    """To the bit; an error by its kind."""
    try:
        return struct.pack("d", value()).hex()
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__


def test_the_two_tables_of_formulas_are_one() -> None:
    assert set(parsed.OPERATIONS) == set(compiled.FLOAT_OPERATIONS) == set(ARITIES)
    assert set(compiled.TENSOR_OPERATIONS) | set(compiled.COMPARISONS) == set(ARITIES)


def test_the_two_tables_of_formulas_have_the_same_values() -> None:
    draw = random.Random(11)
    outcomes = Counter[str]()
    for _ in range(3000):
        tree = random_tree(draw, draw.randint(1, 5))
        names = {"x": draw.choice([draw.uniform(-5, 5), float(draw.randint(-3, 3))]), "y": draw.uniform(-1e3, 1e3)}
        ours = outcome(lambda tree=tree, names=names: parsed.evaluate(tree, names))  # type: ignore[misc]
        assert ours == outcome(lambda tree=tree, names=names: compiled.evaluate_float(tree, names)), (tree, names)  # type: ignore[misc]
        only_x = with_number(tree, "y", names["y"])
        value = parsed.compile_float(only_x, "x")
        assert ours == outcome(lambda value=value, names=names: float(value(names["x"]))), (tree, names)  # type: ignore[misc]
        outcomes["error" if ours.endswith("Error") else "value"] += 1
        if not ours.endswith("Error"):
            tensors = {name: torch.tensor([value], dtype=torch.float64) for name, value in names.items()}
            (found,) = torch.as_tensor(compiled.compile_tensor(tree)(tensors), dtype=torch.float64).reshape(-1).tolist()
            (wanted,) = struct.unpack("d", bytes.fromhex(ours))
            outcomes["close"] += math.isclose(found, wanted, rel_tol=1e-9) or not math.isfinite(wanted)
    assert outcomes["error"] > 100
    assert outcomes["value"] > 1500
    assert outcomes["close"] > 0.99 * outcomes["value"]  # chains of floor and % may fall to the other side


def with_number(tree: Tree, name: str, value: float) -> Tree:
    if isinstance(tree, list):
        return [tree[0], *(with_number(argument, name, value) for argument in tree[1:])]
    return value if tree == name else tree
