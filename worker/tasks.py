"""The tasks, by the names that the API sends to."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    @app.task(name=PREVIEW_TASK, bind=True, ignore_result=False)  # type: ignore[untyped-decorator]
    def preview(task: Any, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        with limited(task.request.timelimit[1]):
            return answer(kind, payload)


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Breaks off what takes longer, for which nobody waits any more: Celery's solo pool has no limits of its own."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"not done within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds or 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
