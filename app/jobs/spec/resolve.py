"""resolved_spec: every default and every choice of the service filled in.

It is a valid spec itself, and resolves to itself.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from app.datasets.facts import FactsOf, UnknownDataset
from app.jobs.spec.base import Complaint
from app.jobs.spec.data import Parts
from app.jobs.spec.errors import SpecError
from app.jobs.spec.job import BATCH_KEYS, JobSpec
from app.jobs.spec.metrics import metric_names
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.phases import Path, Stage
from app.jobs.spec.plan import Plan, plan
from app.jobs.spec.rule_numbers import rule_complaints
from app.jobs.spec.schedulers import ReduceLROnPlateau
from app.jobs.spec.stepping import schedule_complaints
from app.jobs.spec.tables import BUDGET
from app.jobs.spec.update_rule import UpdateRule

DEFAULT_CHECKPOINT_SECONDS = 15.0


def resolve(spec: JobSpec, facts_of: FactsOf, *, cuda: bool = False) -> dict[str, Any]:
    """The resolved spec. `cuda`: a device left open is CUDA. Raises SpecError for what only the data's facts show."""
    work = plan(spec, facts_of)
    complaints = [*_monitor_complaints(spec, work), *stepped_complaints(spec, work)]
    device = resolved_device(spec, cuda=cuda)
    for stage in spec.stages():
        if device == "cpu" and getattr(stage.optimizer, "capturable", False) and not _is_fused(spec, stage, device):
            path = (*stage.path, "optimizer", "capturable")
            complaints.append(Complaint(path, "needs a CUDA device: it is for steps captured as CUDA graphs"))
    if spec.training.validate_every_steps is not None and not work.counts.validation:
        complaints.append(Complaint(("training", "validate_every_steps"), "there is no validation part"))
    if complaints:
        raise SpecError.of(complaints)
    document = _document(spec, work, device)
    if getattr(spec.model, "vectors", None) is not None:
        document["model"] |= vectors_of(spec, facts_of)
    if spec.data is not None and isinstance(spec.data.dataset, Parts):
        columns = spec.data.columns.model_dump(exclude_none=True) if spec.data.columns is not None else None
        named = spec.data.dataset.model_dump(exclude_none=True)
        document["data"]["dataset"] |= {part: facts_of(name, columns).reference for part, name in named.items()}
    return document


def vectors_of(spec: JobSpec, facts_of: FactsOf) -> dict[str, Any]:
    """The id of the model's word vectors, and their width as the embedding's. Raises SpecError."""
    model: Any = spec.model
    try:
        facts = facts_of(model.vectors)
    except UnknownDataset as error:
        raise SpecError([{"pointer": "/model/vectors", "detail": str(error)}]) from None
    if len(facts.shape) != 1 or facts.columns or facts.classes is not None:
        raise SpecError([{"pointer": "/model/vectors", "detail": "is no data set of word vectors"}])
    if "embedding_dim" in model.model_fields_set and model.embedding_dim != facts.shape[0]:
        detail = f"must be left out, or {facts.shape[0]}: so wide are the vectors"
        raise SpecError([{"pointer": "/model/embedding_dim", "detail": detail}])
    return {"vectors": facts.reference, "embedding_dim": facts.shape[0]}


def stepped_complaints(spec: JobSpec, work: Plan) -> Iterator[Complaint]:
    """Every phase's schedule and own rule; what goes by step is looked at when the samples are counted."""
    stages = spec.stages()
    for stage in stages:
        if stage.scheduler is not None and (work.counted or stage.scheduler.interval == "epoch"):
            steps = stage.epochs * work.steps_per_epoch
            yield from schedule_complaints(stage.scheduler, stage.epochs, steps, (*stage.path, "scheduler"))
    rules = [(stage.path, stage.optimizer) for stage in stages if isinstance(stage.optimizer, UpdateRule)]
    for path, rule in rules if work.counted else ():
        epochs = sum(stage.epochs for stage in stages if stage.in_force is rule)
        yield from rule_complaints(rule, epochs * work.steps_per_epoch, BUDGET // len(rules), (*path, "optimizer"))


def resolved_device(spec: JobSpec, *, cuda: bool) -> str:
    """`auto` is the CPU, or CUDA where that was found to be better, or where several GPUs are asked for."""
    if spec.resources.device == "auto":
        cuda = cuda or spec.resources.gpus > 1
        return "cuda" if cuda and spec.model.trains_on_data else "cpu"
    return spec.resources.device


def spec_sha256(resolved: dict[str, Any]) -> str:
    """Hash of a resolved spec in canonical form: sorted keys, no blanks, UTF-8."""
    text = json.dumps(resolved, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def monitors(spec: JobSpec, work: Plan) -> list[str]:
    """The numbers of the epoch rows that can be watched."""
    parts = ["train", *(["validation"] if work.counts.validation else [])]
    named = zip(metric_names(spec.metrics, spec.loss), spec.metrics, strict=True)
    names = ["loss", *(name for name, metric in named if metric.is_number)]
    averaged = ["ema_validation_loss"] if work.counts.validation and spec.training.ema_decay is not None else []
    return [f"{part}_{name}" for part in parts for name in names] + averaged


def _monitored(spec: JobSpec) -> Iterator[tuple[Path, str | None]]:
    if spec.training.early_stopping is not None:
        yield ("training", "early_stopping", "monitor"), spec.training.early_stopping.monitor
    if spec.checkpoint.keep_best is not None:
        yield ("checkpoint", "keep_best", "monitor"), spec.checkpoint.keep_best.monitor
    for stage in spec.stages():
        if isinstance(stage.scheduler, ReduceLROnPlateau):
            yield (*stage.path, "scheduler", "monitor"), stage.scheduler.monitor


def _monitor_complaints(spec: JobSpec, work: Plan) -> Iterator[Complaint]:
    there = monitors(spec, work)
    for path, name in _monitored(spec):
        if name is not None and name not in there:
            yield Complaint(path, f"no row of this job has {name[:100]!r}; there will be: {', '.join(there)}")


def _document(spec: JobSpec, work: Plan, device: str) -> dict[str, Any]:
    document = spec.model_dump(mode="json")
    if spec.data is not None and work.facts is not None and isinstance(spec.data.dataset, str):
        document["data"]["dataset"] = work.facts.reference
    if not spec.model.trains_on_data:
        for key in ("data", "loss"):
            del document[key]
        for key in BATCH_KEYS:
            del document["training"][key]
    document["metrics"] = [{"type": metric.type, **metric.arguments(spec.loss)} for metric in spec.metrics]
    document["resources"]["device"] = device
    checkpoint = document["checkpoint"]
    if all(checkpoint[key] is None for key in ("every_epochs", "every_steps", "every_seconds")):
        checkpoint["every_seconds"] = DEFAULT_CHECKPOINT_SECONDS
    watched = "validation_loss" if work.counts.validation else "train_loss"
    stages = document["phases"] if spec.phases is not None else [document]
    for section in (document["training"]["early_stopping"], checkpoint["keep_best"], *(s["scheduler"] for s in stages)):
        if section is not None and "monitor" in section and section["monitor"] is None:
            section["monitor"] = watched
    for stage, filled in zip(spec.stages(), stages, strict=True):
        if stage.optimizer is not None:
            filled["optimizer"] |= implementation(spec, stage.optimizer, device)
        if stage.scheduler is not None:
            _one_interval(filled["scheduler"])
    # What a job has instead of the other.
    for key in ("optimizer", "scheduler") if spec.phases is not None else ("phases",):
        del document[key]
    if spec.phases is not None:
        del document["training"]["epochs"]
    return document


def _is_fused(spec: JobSpec, stage: Stage, device: str) -> bool:
    """The fused kernels on the CPU take `capturable` in their stride; nothing else there does."""
    return stage.optimizer is not None and implementation(spec, stage.optimizer, device).get("fused", False)


def _one_interval(scheduler: dict[str, Any]) -> None:
    for inner in scheduler.get("schedulers", []):
        del inner["interval"]
        _one_interval(inner)


def implementation(spec: JobSpec, optimizer: Optimizer, device: str) -> dict[str, bool]:
    """`fused` and `foreach` where they were left out: fused kernels on the CPU, the horizontal ones on CUDA."""
    offered = [key for key in ("fused", "foreach") if key in type(optimizer).model_fields]
    layers = getattr(spec.model, "layers", getattr(spec.model, "nodes", []))
    sparse = any(getattr(layer, "sparse", False) for layer in layers)
    scaled_sgd = spec.training.precision == "float16" and optimizer.type == "SGD"  # see `_fused_momentum`
    chosen: dict[str, bool] = {}
    for key in offered:
        given = getattr(optimizer, key)
        if given is not None:
            chosen[key] = given
        elif key == "fused":
            chosen[key] = device == "cpu" and not (sparse or scaled_sgd or getattr(optimizer, "foreach", False))
        else:
            chosen[key] = device == "cuda" and not sparse and not chosen.get("fused", False)
    return chosen
