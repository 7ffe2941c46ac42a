"""The training engine: torch, torchmetrics, numpy and safetensors only. `run` trains one attempt of one job."""

from collections.abc import Callable, Mapping
from typing import Any

from .requests import Requests

__all__ = ["Requests", "run"]


def run(config: Mapping[str, Any], report: Callable[[dict[str, Any]], None], requests: Requests) -> None:
    """Train as the config says. Everything that happens is reported; the last report is `end`, whatever went wrong."""
    from .entry import run as run_here  # torch is imported when there is something to train

    run_here(config, report, requests)
