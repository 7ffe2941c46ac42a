"""What a spec means for one concrete model: sizes inferred on the meta device, patterns matched to parameter names.

Everything here raises SpecError with the pointer to the part of the spec that does not fit, before a byte is trained.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from app.datasets.builtin import builtin_facts
from app.datasets.facts import FactsOf
from app.formulas import parse
from app.jobs.spec import JobSpec, Plan, SpecError, plan, validate
from app.jobs.spec.base import Complaint
from app.jobs.spec.initialization import Dirac, Initializer
from app.jobs.spec.model import Model
from app.jobs.spec.models import Function
from app.jobs.spec.phases import Path
from app.jobs.spec.plan import Counts
from app.jobs.spec.resolve import stepped_complaints
from worker.carried import cycling
from worker.fit import fit_complaints
from worker.stages import StageNames, refuse, resolve_stages, take
from worker.training import models
from worker.training.errors import ConfigError
from worker.training.models.measured import Measured
from worker.vocabulary import LEAST_TOKENS, agreed, open_vocabulary, vocabulary_complaints, with_vocabulary
from worker.warnings import warnings_of
from worker.weights import POINTER, Match, StoredWeights, WeightsOf, match_weights


@dataclass(frozen=True)
class Resolution:
    """A spec and the model it makes, on the meta device."""

    spec: JobSpec
    work: Plan
    model_config: dict[str, Any]  # the engine's: complete sizes, formulas as trees, initialization by name
    model: nn.Module
    stages: list[StageNames]
    weights: Match | None = None  # what of the initial weights is loaded
    measured: Measured | None = None  # its first forward pass


def resolve_names(
    spec: JobSpec,
    facts_of: FactsOf = builtin_facts,
    *,
    vocabulary: int | None = None,
    samples: Counts | None = None,
    weights_of: WeightsOf | None = None,
) -> Resolution:
    """Builds the model on the meta device and matches every pattern. Raises SpecError.

    `vocabulary`: how many tokens the prepared text came to have; until then it is as large as it may become.
    `samples`: how many blocks its stream was cut into; until then the parts are there, and nobody knows how large.
    `weights_of` finds initial weights; without it, a spec that names some is refused.
    """
    work = plan(spec, facts_of, samples=samples)
    if vocabulary is not None:
        work = with_vocabulary(work, vocabulary)
    is_open = vocabulary is None and open_vocabulary(spec)
    if samples is not None:
        refuse(stepped_complaints(spec, work))
    config = complete_model(spec, work)
    if not is_open:
        refuse(vocabulary_complaints(spec.model, work))
    if spec.resources.device == "cuda" and spec.training.reproducibility == "exact":
        refuse(
            Complaint(tuple(pointer.split("/")[1:]), f"{kind} has no deterministic form on CUDA: use another, or fast")
            for pointer, kind in models.refused_on_cuda(config)
        )
    model = meta_model(spec, config)
    config["initialization"] = list(_initialization(spec.model, model))
    shapes = tensor_shapes(model)
    if is_open and spec.model.initial_weights is not None:
        shapes = agreed(shapes, tensor_shapes(meta_model(spec, larger_model(spec, work))))
    weights = initial_weights(spec.model, shapes, weights_of)
    if weights is not None:
        config["initial_weights"] = {"file": weights[0].file, "names": weights[1].loaded}
    measured = Measured(model) if work.facts is not None else None
    refuse(fit_complaints(spec, with_vocabulary(work, LEAST_TOKENS) if is_open else work, model, measured))
    stages = list(resolve_stages(spec, model))
    return Resolution(spec, work, config, model, stages, weights and weights[1], measured)


def dry_run(
    resolved: dict[str, Any], facts_of: FactsOf = builtin_facts, *, weights_of: WeightsOf | None = None
) -> dict[str, Any]:
    """What training would do, without training: the contract's answer to `?dry_run=true`. Raises SpecError."""
    resolution = resolve_names(validate(resolved), facts_of, weights_of=weights_of)
    spec = resolution.spec
    own = ("initialization", "initial_weights", "expression")  # these stay as the spec says them
    known = known_sizes(resolution)
    sizes = {key: value for key, value in known.items() if key not in own}
    weights = {"initial_weights": resolution.weights._asdict()} if resolution.weights is not None else {}
    return {
        **weights,
        "resolved_spec": {**resolved, "model": {**resolved["model"], **sizes}},
        "model": describe(resolution),
        "groups": group_report(spec, resolution.stages[0]),
        "warnings": warnings_of(spec, resolution.work),
        "steps_per_epoch": resolution.work.steps_per_epoch if resolution.work.counted else None,
    }


def known_sizes(resolution: Resolution) -> dict[str, Any]:
    """The model's sizes, without those that wait for the vocabulary: what a larger one would change."""
    if not open_vocabulary(resolution.spec):
        return resolution.model_config
    found: dict[str, Any] = agreed(resolution.model_config, larger_model(resolution.spec, resolution.work))
    return found


def larger_model(spec: JobSpec, work: Plan) -> dict[str, Any]:
    """The model for a vocabulary of one token more."""
    assert work.facts is not None
    return complete_model(spec, with_vocabulary(work, (work.facts.vocabulary or 0) + 1))


def describe(resolution: Resolution) -> dict[str, Any]:
    """Sizes, FLOPs of the forward pass and bytes, with the first phase's optimizer and frozen parameters."""
    spec, work = resolution.spec, resolution.work
    return models.describe(
        resolution.model_config,
        data_facts(spec, work),
        first_optimizer(resolution),
        min(spec.training.batch_size or 1, work.counts.train) if work.counted else spec.training.batch_size or 1,
        resolution.stages[0].freeze,
        (resolution.model, resolution.measured) if resolution.measured is not None else None,
    )


def first_optimizer(resolution: Resolution) -> dict[str, Any] | None:
    """The first phase's, with the parameters and the settings of its groups; a cycled momentum is one."""
    stage, names = resolution.spec.stages()[0], resolution.stages[0]
    if stage.optimizer is None:
        return None
    document = stage.optimizer.model_dump(mode="json")
    cycled = {"momentum": 1.0} if "momentum" in document and any(cycling(stage.scheduler, ())) else {}
    return {**document, "groups": [{**group, **cycled} for group in names.groups or []]}


def group_report(spec: JobSpec, stage: StageNames) -> list[dict[str, Any]]:
    """The first optimizer's groups with the settings in force in each."""
    optimizer = spec.stages()[0].optimizer
    if optimizer is None:
        return []
    settings = optimizer.model_dump(mode="json", include=set(optimizer.group_keys()))
    return [
        {
            "index": index,
            "parameters": group["params"],
            "count": len(group["params"]),
            **settings,
            **{key: value for key, value in group.items() if key != "params"},
        }
        for index, group in enumerate(stage.groups or [])
    ]


def complete_model(spec: JobSpec, work: Plan) -> dict[str, Any]:
    """The engine's model config with every size filled in."""
    config = model_document(spec.model)
    with _model_errors(spec):
        return models.complete(config, data_facts(spec, work))


def meta_model(spec: JobSpec, config: dict[str, Any]) -> nn.Module:
    """The model without memory: shapes and names only."""
    with _model_errors(spec):
        return models.skeleton(config)


@contextmanager
def _model_errors(spec: JobSpec) -> Iterator[None]:
    """What the engine or torch refuses about a model, as SpecError with a pointer that is in the spec."""
    try:
        yield
    except ConfigError as error:
        where = existing_pointer(error.pointer, spec.model_dump(mode="json"))
        raise SpecError([{"pointer": where, "detail": error.reason}]) from None
    except (RuntimeError, ValueError, TypeError, AssertionError, OverflowError) as error:
        detail = (str(error) or type(error).__name__).split("\n")[0]
        raise SpecError([{"pointer": "/model", "detail": detail}]) from None


def existing_pointer(pointer: str, document: Any) -> str:
    """The longest beginning of a pointer that is in the document: a ready-made model has no layers to point at."""
    kept, current = "", document
    for part in pointer.split("/")[1:]:
        if isinstance(current, list) and part.isdigit() and int(part) < len(current):
            current = current[int(part)]
        elif isinstance(current, dict) and part in current:
            current = current[part]
        else:
            break
        kept += f"/{part}"
    return kept


def model_document(model: Model) -> dict[str, Any]:
    """The model in the engine's form: formulas as trees, initialization apart."""
    config = model.model_dump(mode="json", exclude={"initialization", "initial_weights"})
    if isinstance(model, Function):
        config["expression"] = parse(model.expression, model.initial)
    return config


def data_facts(spec: JobSpec, work: Plan) -> dict[str, Any] | None:
    """What the engine needs to know of the data to infer sizes; None for a model without data."""
    facts, counts = work.facts, work.counts
    if facts is None or spec.loss is None:
        return None
    is_class = spec.loss.target == "class"
    target_shape = list(facts.target_shape or ()) if is_class else [facts.target_width]
    return {
        "shape": list(facts.shape),
        "dtype": "int64" if facts.dtype == "int64" else "float32",
        "classes": facts.classes if spec.loss.target in ("class", "binary") else None,
        "target_shape": target_shape,
        "vocabulary": facts.vocabulary,
        "samples": {"train": counts.train, "validation": counts.validation, "test": counts.test},
        "loss": spec.loss.model_dump(mode="json"),
    }


def tensor_shapes(module: nn.Module) -> dict[str, Any]:
    """The shapes of parameters and buffers by name; None for the second name of a tied one."""
    state = module.state_dict(keep_vars=True)
    first = {id(value): name for name, value in reversed(state.items())}
    return {name: list(value.shape) if first[id(value)] == name else None for name, value in state.items()}


def initial_weights(
    model: Model, shapes: dict[str, Any], weights_of: WeightsOf | None
) -> tuple[StoredWeights, Match] | None:
    """The file of the weights that the spec names, and what of it goes where."""
    if model.initial_weights is None:
        return None
    if weights_of is None:
        raise SpecError([{"pointer": POINTER, "detail": "cannot be looked up here"}])
    stored = weights_of(model.initial_weights)
    own = {name: shape for name, shape in shapes.items() if shape is not None}
    return stored, match_weights(model.initial_weights, stored, own, [name for name in shapes if name not in own])


def _initialization(model: Model, module: nn.Module) -> Iterator[dict[str, Any]]:
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    for index, entry in enumerate(model.initialization):
        path: Path = ("model", "initialization", index)
        taken = take(entry.params, list(shapes), (*path, "params"))
        wrong = [name for name in taken if not _fits(entry, shapes[name])]
        if wrong:
            detail = f"{entry.type} does not fit {wrong[0]} of shape {list(shapes[wrong[0]])}"
            raise SpecError.of([Complaint((*path, "params"), detail)])
        yield {**entry.model_dump(mode="json"), "params": taken}


def _fits(entry: Initializer, shape: torch.Size) -> bool:
    initializer = entry.type
    if initializer in {"eye_", "sparse_"}:
        return len(shape) == 2
    if isinstance(entry, Dirac):
        return len(shape) in (3, 4, 5) and shape[0] % entry.groups == 0
    if initializer.startswith(("xavier", "kaiming", "orthogonal")):
        return len(shape) >= 2
    return True
