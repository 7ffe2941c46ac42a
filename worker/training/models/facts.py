"""What a model has to know of its data: the shape of a sample and the size of an answer."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from worker.training.errors import ConfigError
from worker.training.losses import BINARY_LOSSES

BATCH = 17  # samples of a trial: unlike the sizes of most data, so that a layer that mixes them up is found out


@dataclass(frozen=True)
class Facts:
    shape: list[int]  # of one sample, without the batch
    dtype: str  # float32, uint8 or int64
    classes: int | None = None
    target_shape: list[int] | None = None
    vocabulary: int | None = None
    loss: str | None = None

    @classmethod
    def read(cls, facts: dict[str, Any]) -> Self:
        loss = facts.get("loss") or {}
        return cls(
            list(facts["shape"]),
            facts.get("dtype") or "float32",
            facts.get("classes"),
            facts.get("target_shape"),
            facts.get("vocabulary"),
            loss.get("type") if isinstance(loss, dict) else loss,
        )

    @property
    def outputs(self) -> int:
        """A model's last size, left out: one per class, one for two under a binary loss, or the target's width."""
        if self.classes is not None:
            return 1 if self.loss in BINARY_LOSSES and self.classes == 2 else self.classes
        if self.loss in ("CrossEntropyLoss", "NLLLoss") and self.vocabulary is not None:
            return self.vocabulary
        width = 1
        for size in self.target_shape or []:
            width *= size
        return width

    def sample(self, batch: int = BATCH) -> Tensor:
        """A batch without memory, to run a model on the meta device."""
        dtype = torch.int64 if self.dtype == "int64" else torch.float32
        return torch.empty((batch, *self.shape), dtype=dtype, device="meta")

    def tokens(self, pointer: str) -> int:
        """The size of the vocabulary. Raises ConfigError for data that has none."""
        if self.vocabulary is None:
            raise ConfigError(pointer, "is required: the data has no vocabulary to take it from")
        return self.vocabulary
