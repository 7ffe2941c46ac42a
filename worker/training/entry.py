"""From a config document to the `end` report."""

import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch

from . import failpoints
from .config import Config
from .errors import TrainingError
from .gang import Gang
from .requests import Requests
from .trainer import Trainer

Report = Callable[[dict[str, Any]], None]


def run(config: Mapping[str, Any], report: Report, requests: Requests) -> None:
    """Train; reports come one at a time, though the checkpoint writer is a thread of its own."""
    failpoints.arm()
    lock = threading.Lock()

    def one_at_a_time(message: dict[str, Any]) -> None:
        with lock:
            report(message)

    trainer: Trainer | None = None
    gang = Gang.fork(1)
    try:
        parsed = Config.parse(config)
        gang = Gang.fork(parsed.gpus)
        gang.meet(parsed.device, one_at_a_time)
        trainer = Trainer(parsed, one_at_a_time if gang.world.leads else _nobody, requests, gang.world)
        end = trainer.run()
    except TrainingError as error:
        end = _failed(trainer, error.code, str(error), error.detail())
    except (MemoryError, torch.OutOfMemoryError) as error:
        end = _failed(trainer, "out_of_memory", str(error) or "out of memory", None)
    except torch.AcceleratorError as error:
        traceback.print_exc()
        end = _failed(trainer, "device_error", str(error), None)
    except Exception as error:
        traceback.print_exc()
        end = _failed(trainer, "internal", f"{type(error).__name__}: {error}", None)
    if trainer is not None:
        trainer.saving.wait()
    one_at_a_time(gang.end(end))


def _nobody(message: dict[str, Any]) -> None:
    """The leader reports for all."""


def _failed(trainer: Trainer | None, code: str, message: str, detail: Any) -> dict[str, Any]:
    best = None if trainer is None else trainer.tracking.best.report()
    error = {"code": code, "message": message, "detail": detail}
    return {
        "type": "end", "outcome": "failed", "request": None, "stopped": None, "test": None, "best": best, "error": error
    }  # fmt: skip
