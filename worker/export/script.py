"""The whole run of a job as one plain PyTorch script."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from worker.fit import sample
from worker.resolve import Resolution
from worker.stages import sparse_parameters
from worker.training.config import Config
from worker.training.looked_up import looked_up
from worker.training.losses import CLASS_LOSSES
from worker.training.schedules.range_test import SMOOTHING, smoothed
from worker.translate import engine_config

from . import augment, fork, gradients, layout, pieces, rollback, weights
from .code import literal
from .data import DataSource, data_source
from .epoch import training
from .evaluation import evaluate, test
from .losses import LossSource, loss_source
from .metrics import MetricSource, metric_source
from .models import model_source
from .outline import Outline
from .phases import Phases
from .settings import extras, settings, to_device
from .sources import source_of


@dataclass(frozen=True)
class Exported:
    """`files`: what has to lie beside the script, by name: paths."""

    script: str
    files: dict[str, str]


def training_script(
    resolution: Resolution,
    prepared: dict[str, Any] | None,
    title: str = "",
    start: fork.Start | None = None,
    last_step: int | None = None,
    last_epoch: int | None = None,
    rollbacks: int = 0,
) -> Exported:
    """A script that prints the rows of the job. `prepared` as `worker.data.prepare` gives it.

    `start`: what a fork takes over. `last_step`: the update after which `max_seconds` ended the job.
    `last_epoch`: the last with a row, of a job that was cancelled or failed.
    `rollbacks`: how often the job had gone back by its end.
    """
    config = Config.parse(engine_config(resolution, data=prepared, run={}))
    data = data_source(resolution.spec, resolution.work, prepared)
    loss, metrics = objective(resolution, config, data)
    outline = Outline(
        config,
        loss,
        metrics,
        parts=data.parts,
        lengths=data.lengths and config.model["type"] == "LSTMClassifier",
        weights=data.weights,
        pixels=data.dtype == "uint8",
        sparse=bool(sparse_parameters(resolution.model)),
        looks_up=config.gpus > 1 and bool(looked_up(resolution.model)),
        last_step=last_step,
        last_epoch=last_epoch,
        rollbacks=rollbacks,
    )
    phases = Phases(config, resolution)
    outline.starts = list(phases.starts())
    if start is not None:
        outline.starts[0] += fork.lines(start)
    model = model_source(config.model)
    definitions = [*data.definitions, *weights.definitions(config), *(fork.DEFINITIONS if start else ())]
    definitions += [*model.definitions, *augment.definitions(config.augment), *phases.definitions]
    definitions += [
        *gradients.definitions(outline),
        *pieces.definitions(outline),
        *rollback.definitions(outline),
        *metrics.definitions(config.device),
    ]
    definitions += [*(loss.definitions if loss is not None else []), *range_test(outline)]
    files = {"data.safetensors": data.file} if data.file else {}
    files |= weights.files(config) | ({fork.FILE: start.file} if start is not None else {})
    main = [layout.parser(outline), "", *settings(outline)]
    if data.lines:
        main += ["", "# The data", *data.lines, *to_device(outline)]
    main += ["", "# The model", "torch.manual_seed(SEED)", f"model = {model.build}"]
    main += weights.first_weights(config, resolution.model)
    main += [f"model.to({literal(config.device)})"] * outline.cuda
    main += ["", "# Loss, optimizer, schedule"] if loss is not None else ["", "# Optimizer, schedule"]
    main += [*(loss.lines if loss is not None else []), *extras(outline), *outline.starts[0]]
    main += pieces.settings(outline)
    main += ["", *functions(outline), "", *training(outline), *ending(outline)]
    head = layout.docstring(title, list(files), None if last_epoch is None else f"{last_epoch} of {config.epochs}")
    return Exported(layout.assembled(head, definitions, main, metrics.imports()), files)


def objective(resolution: Resolution, config: Config, data: DataSource) -> tuple[LossSource | None, MetricSource]:
    """The loss and the metrics, for the shapes that the model gives on the meta device."""
    if config.loss is None:
        return None, MetricSource()
    with torch.no_grad():
        outputs = list(resolution.model.eval()(sample(resolution.work, 2)).shape[1:])
    facts, classes = resolution.work.facts, config.loss["type"] in CLASS_LOSSES
    assert facts is not None
    made = config.data is not None and "synthetic" in config.data
    if classes:
        targets = list(facts.target_shape or ())
    else:
        targets = [] if made and facts.classes is not None else [facts.target_width if facts.classes is None else 1]
        if made and facts.classes is not None:
            data.lines += [f"{part}_targets = {part}_targets.float()" for part in data.parts]
    if config.model["type"] == "GPT" or (made and data.dtype == "int64"):
        targets = outputs[:1] if len(outputs) == 2 else targets
    loss = loss_source(config.loss, outputs, targets, data.weights, config.device)
    return loss, metric_source(config, outputs, targets, classes)


def range_test(outline: Outline) -> Iterator[str]:
    if outline.range_test:
        yield f"SMOOTHING = {SMOOTHING}"
        yield source_of(smoothed)


def functions(outline: Outline) -> Iterator[str]:
    """What the loop calls and needs the script's own variables for."""
    if outline.validation or outline.test:
        yield from ("", evaluate(outline), "")
    yield from pieces.functions(outline)
    yield from rollback.functions(outline)
    yield from ("", layout.show(outline), "")


def ending(outline: Outline) -> Iterator[str]:
    yield "if arguments.save:\n    torch.save(model.state_dict(), arguments.save)"
    if outline.test:
        yield from test(outline)
