"""The tasks, by the names that the API sends to."""

from collections.abc import Callable
from typing import Any

from celery import Celery

from app.queue import RING_TASK
from worker.slots import Slots

PREVIEW_TASK = "descent.preview"


def add_training(app: Celery, slots: Slots) -> None:
    @app.task(name=RING_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
    def work() -> None:
        slots.work()


def add_previews(app: Celery, answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    @app.task(name=PREVIEW_TASK, ignore_result=False)  # type: ignore[untyped-decorator]
    def preview(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        return answer(kind, payload)
