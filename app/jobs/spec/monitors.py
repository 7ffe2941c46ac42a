"""A monitor is the name of a number in the epoch rows: `train_loss`, `validation_accuracy`, …"""

from typing import Annotated, Literal

from pydantic import Field

from app.jobs.spec.base import Index, NonNegative, Section

Monitor = Annotated[str, Field(min_length=1, max_length=100)]
Mode = Literal["min", "max"]


class EarlyStopping(Section):
    """Stop when the monitor has not got better by more than `min_delta` for `patience` epochs in a row."""

    monitor: Monitor | None = None  # validation_loss where there is a validation part, else train_loss
    mode: Mode = "min"
    patience: Index
    min_delta: NonNegative = 0.0


class KeepBest(Section):
    monitor: Monitor | None = None  # validation_loss where there is a validation part, else train_loss
    mode: Mode = "min"
