"""Whether a model's output fits the loss, and its smallest batch the model: run on the meta device."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from app.jobs.spec import JobSpec, Plan
from app.jobs.spec.base import Complaint
from app.jobs.spec.models import Sequential
from app.jobs.spec.phases import Path
from worker.training.models.facts import BATCH
from worker.training.models.measured import Measured

OUTPUT_KEYS = ("out_features", "out_channels", "embedding_dim")


def sample(work: Plan, batch: int) -> Tensor:
    """A batch of the prepared data's shape and type, without memory."""
    assert work.facts is not None
    dtype = torch.int64 if work.facts.dtype == "int64" else torch.float32
    return torch.empty((batch, *work.facts.shape), dtype=dtype, device="meta")


def fit_complaints(spec: JobSpec, work: Plan, model: nn.Module, measured: Measured | None) -> Iterator[Complaint]:
    """What the model and its data do not agree on. `measured` runs the model, and keeps what it saw."""
    if measured is None or work.facts is None or spec.loss is None:
        return
    model.eval()
    try:
        output = measured(sample(work, BATCH))
    except (RuntimeError, ValueError, IndexError, AssertionError, TypeError) as error:
        detail = str(error).split("\n")[0]
        yield Complaint(("model",), f"does not fit samples of shape {list(work.facts.shape)}: {detail}")
        return
    yield from _output_complaints(spec, work, output)
    model.train()
    if work.counted and smallest_piece(spec, work) == 1:
        try:
            Measured(model)(sample(work, 1))
        except ValueError as error:  # torch.nn.functional's own check of what batch norm is given
            leaves = "leaves a last batch of one sample"
            if spec.resources.gpus > 1:
                leaves = f"leaves one of {spec.resources.gpus} processes one sample of the last batch"
            detail = f"{leaves}, and batch norm needs two: change it, or set drop_last"
            yield Complaint(("training", "batch_size"), f"{detail} ({error})")


def smallest_piece(spec: JobSpec, work: Plan) -> int:
    """The least samples of a batch that a process looks at: of too few, one is looked at twice."""
    return max(1, smallest_batch(spec, work) // spec.resources.gpus)


def smallest_batch(spec: JobSpec, work: Plan) -> int:
    """The number of samples in the last batch of an epoch."""
    batch = spec.training.batch_size or 1
    rest = work.counts.train % batch
    return batch if rest == 0 or spec.training.drop_last else rest


def _output_complaints(spec: JobSpec, work: Plan, output: Any) -> Iterator[Complaint]:
    assert work.facts is not None
    assert spec.loss is not None
    facts, where = work.facts, output_pointer(spec)
    if not isinstance(output, Tensor):
        yield Complaint(where, "the model does not end in one tensor")
        return
    shape = list(output.shape[1:])
    if output.shape[0] != BATCH:
        yield Complaint(where, "the model does not keep the samples apart: its output has another first dimension")
        return
    if spec.loss.target == "class":
        target_shape = list(facts.target_shape or ())
        classes = shape[-1] if shape[:-1] == target_shape else shape[0] if shape[1:] == target_shape and shape else 0
        if classes == 0:
            yield Complaint(where, f"gives {shape} for a sample, the loss needs one number for each class")
        elif classes < (facts.classes or 0):
            yield Complaint(where, f"gives {classes} numbers for {facts.classes} classes")
        return
    wanted = 1 if facts.classes == 2 else facts.target_width
    if math.prod(shape) != wanted:
        yield Complaint(where, f"gives {shape} for a sample, its target is {wanted} number{'s' * (wanted != 1)}")


def output_pointer(spec: JobSpec) -> Path:
    """Where the model's last size stands in the spec."""
    if not isinstance(spec.model, Sequential):
        return ("model", "out_features") if getattr(spec.model, "out_features", None) is not None else ("model",)
    for index, layer in reversed(list(enumerate(spec.model.layers))):
        for key in OUTPUT_KEYS:
            if key in type(layer).model_fields:
                given = getattr(layer, key) is not None
                return ("model", "layers", index, key) if given else ("model", "layers", index)
    return ("model", "layers", len(spec.model.layers) - 1)
