"""What the spec offers the engine builds: a component has its place in both tables."""

from collections.abc import Collection

import pytest

from app.jobs.spec.losses import LOSSES
from app.jobs.spec.metrics import METRICS
from app.jobs.spec.optimizers import OPTIMIZERS
from app.jobs.spec.schedulers import SCHEDULERS
from worker.training import losses, metrics, optimizers, schedules

TABLES = {
    "optimizers": (OPTIMIZERS, optimizers.OPTIMIZERS),
    "schedulers": (SCHEDULERS, schedules.SCHEDULERS),
    "losses": (LOSSES, losses.LOSSES),
    "metrics": (METRICS, metrics.METRICS),
}


@pytest.mark.parametrize("kind", TABLES)
def test_the_engine_builds_whatever_the_spec_offers(kind: str) -> None:
    spec: Collection[str]
    engine: Collection[str]
    spec, engine = TABLES[kind]
    assert set(spec) - set(engine) == set()
