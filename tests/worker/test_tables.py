"""The spec's tables against the engine's: what is offered is built, and what is built is offered."""

import pytest

from app.jobs.spec.augment import AUGMENTATIONS
from app.jobs.spec.initialization import INITIALIZERS
from app.jobs.spec.layers import LAYERS
from app.jobs.spec.losses import LOSSES
from app.jobs.spec.metrics import METRICS, metric_names
from app.jobs.spec.models import MODELS
from app.jobs.spec.optimizers import OPTIMIZERS
from app.jobs.spec.schedulers import SCHEDULERS
from worker.training import losses, metrics, models, optimizers, schedules
from worker.training.data import augment
from worker.training.models import initialization, layers

NOT_OFFERED = {
    "MultiLabelMarginLoss": "its targets are lists of classes, which no data set has",
}


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
    assert set(offered) == set(built) - set(NOT_OFFERED)


def test_metrics_have_the_same_names_in_the_rows_and_in_monitors() -> None:
    configs = [{"type": "f1"}, {"type": "f1", "average": "micro"}, {"type": "top_k_accuracy", "k": 2}, {"type": "mae"}]
    read = [METRICS.read(config) for config in configs]
    dumped = [metric.model_dump() for metric in read]
    assert metric_names(read) == metrics.names(dumped) == ["f1", "f1_micro", "top_k_accuracy", "mae"]  # type: ignore[arg-type]
