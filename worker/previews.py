"""What the API asks of torch: answered here, where it may be imported."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from app.datasets.stored import Known
from app.jobs.spec import SpecError
from app.jobs.spec.schedulers import Composition, Scheduler
from app.previews.questions import ScheduleQuestion, read_schedule
from worker.export import answers
from worker.reporting import jsonable
from worker.resolve import dry_run
from worker.training import previews
from worker.training.errors import ConfigError
from worker.translate import optimizer_config, scheduler_config, translate
from worker.weights import weights_told

logger = logging.getLogger(__name__)

Answer = dict[str, Any]


def answer(kind: str, payload: dict[str, Any]) -> Answer:
    """`{"result"}`, or `{"errors"}` where the question itself is wrong. Whatever else is raised is a 503."""
    try:
        return {"result": KINDS[kind](payload)}
    except SpecError as error:
        return {"errors": error.errors}


def _dry_run(payload: dict[str, Any]) -> Answer:
    known = Known.from_json(payload.get("datasets", {}))
    return dry_run(payload["resolved_spec"], known.facts_of, weights_of=weights_told(payload.get("weights")))


def _schedule(payload: dict[str, Any]) -> Answer:
    question = read_schedule(payload)
    optimizer = optimizer_config(question.optimizer, shown_groups(question))
    assert optimizer is not None
    with config_errors():
        found = previews.schedule(
            optimizer, scheduler_config(question.scheduler), question.epochs, question.steps_per_epoch
        )
    return cast(Answer, jsonable(found))


def shown_groups(question: ScheduleQuestion) -> list[dict[str, Any]]:
    """The groups listed, and the default one after them, unless the schedule has lists for those listed alone."""
    listed = [{key: value for key, value in group.items() if key != "params"} for group in question.optimizer.groups]
    return listed if listed and list_length(question.scheduler) == len(listed) else [*listed, {}]


def list_length(scheduler: Scheduler | None) -> int | None:
    """How many groups a schedule's lists are for; None without a list."""
    inner = scheduler.schedulers if isinstance(scheduler, Composition) else []
    values = [getattr(scheduler, key) for key in scheduler.per_group] if scheduler is not None else []
    lengths = [len(value) for value in values if isinstance(value, list)]
    lengths += [length for length in map(list_length, inner) if length is not None]
    return lengths[0] if lengths else None


def _trajectory(payload: dict[str, Any]) -> Answer:
    config = translate(payload["resolved_spec"], data=None, run={})
    stage = config["phases"][0]
    with config_errors():
        path = previews.trajectory(config["model"], stage["optimizer"], stage["epochs"], config["seed"])
    return {"path": jsonable(path)}


@contextmanager
def config_errors() -> Iterator[None]:
    """What the engine refuses, in the words of the spec."""
    try:
        yield
    except ConfigError as error:
        raise SpecError([{"pointer": error.pointer, "detail": error.reason}]) from None


KINDS = {
    "dry_run": _dry_run,
    "schedule": _schedule,
    "trajectory": _trajectory,
    "export": answers.export,
    "bundle": answers.bundle,
}


def warm_up() -> None:
    """The first question must not wait for imports."""
    model = {"type": "Function", "expression": "x ** 2", "initial": {"x": 1.0}}
    spec = {"model": model, "optimizer": {"type": "SGD", "lr": 0.1}, "training": {"epochs": 1}}
    for kind in ("dry_run", "trajectory"):  # the first optimizer imports torch._dynamo, a second
        answer(kind, {"resolved_spec": spec})
