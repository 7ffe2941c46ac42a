"""A resolved spec in the engine's normal form: explicit names for patterns, trees for formulas, phases always."""

from typing import Any

from torch import nn

from app.datasets.builtin import builtin_facts
from app.datasets.facts import FactsOf
from app.formulas import parse
from app.jobs.memory import refusal
from app.jobs.spec import SpecError, validate
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.plan import is_stream
from app.jobs.spec.preprocess import Tokenize
from app.jobs.spec.schedulers import Scheduler
from app.jobs.spec.update_rule import UpdateRule
from worker.data import sample_counts, vocabulary_size
from worker.resolve import Resolution, resolve_names
from worker.stages import resolve_groups
from worker.weights import WeightsOf

# What the engine's training section does not carry: it stands elsewhere in the config.
ELSEWHERE = ("epochs", "reproducibility")


def translate(
    resolved: dict[str, Any],
    *,
    data: dict[str, Any] | None,
    run: dict[str, Any],
    facts_of: FactsOf = builtin_facts,
    weights_of: WeightsOf | None = None,
    vectors: str | None = None,
    memory_bytes: int | None = None,
    most_parameters: int | None = None,
) -> dict[str, Any]:
    """The engine's config of a resolved spec. `data` as `worker.data.prepare` gives it.

    Raises SpecError, also for a model of more than `most_parameters`, and MemoryError for one that takes more than
    `memory_bytes`.

    `vectors`: the file of `worker.datasets.vectors.prepare_vectors`.
    """
    resolution = resolution_of(resolved, data, facts_of, weights_of)
    if most_parameters is not None:
        parameters = sum(p.numel() for p in resolution.model.parameters())
        if parameters > most_parameters:
            detail = f"has {parameters} parameters; a job of this project has at most {most_parameters}"
            raise SpecError([{"pointer": "/model", "detail": detail}])
    if memory_bytes is not None:
        needed = least_bytes(resolution)
        if needed > memory_bytes:
            raise MemoryError(f"The model {refusal(needed, memory_bytes)}.")
    if vectors is not None:
        resolution.model_config["vectors"] = {"file": vectors}
    return engine_config(resolution, data=data, run=run)


def least_bytes(resolution: Resolution) -> int:
    """Weights, and gradients of those that some phase trains; on the meta device, where nothing is built yet."""
    frozen = set.intersection(*(set(stage.freeze) for stage in resolution.stages))
    return sum(p.nbytes * (1 if name in frozen else 2) for name, p in resolution.model.named_parameters())


def resolution_of(
    resolved: dict[str, Any], data: dict[str, Any] | None, facts_of: FactsOf, weights_of: WeightsOf | None
) -> Resolution:
    """What the spec means, now that its data is prepared. Raises SpecError."""
    spec = validate(resolved)
    steps = spec.data.preprocess if spec.data is not None else []
    vocabulary = vocabulary_size(data) if any(isinstance(step, Tokenize) for step in steps) else None
    samples = sample_counts(data) if spec.data is not None and data is not None and is_stream(spec.data) else None
    return resolve_names(spec, facts_of, vocabulary=vocabulary, samples=samples, weights_of=weights_of)


def engine_config(resolution: Resolution, *, data: dict[str, Any] | None, run: dict[str, Any]) -> dict[str, Any]:
    spec = resolution.spec
    document = spec.model_dump(mode="json")
    training = {key: value for key, value in document["training"].items() if key not in ELSEWHERE}
    if not spec.model.trains_on_data:
        training = {**training, "batch_size": 1}
    return {
        "format": 1,
        "seed": spec.seed,
        "device": spec.resources.device,
        "gpus": spec.resources.gpus,
        "cpu_threads": spec.resources.cpu_threads,
        "reproducibility": spec.training.reproducibility,
        "data": data,
        "model": resolution.model_config,
        "loss": document["loss"],
        "phases": [
            {
                "epochs": stage.epochs,
                "optimizer": optimizer_config(stage.optimizer, all_groups(stage.optimizer, resolution.model)),
                "scheduler": scheduler_config(stage.scheduler),
                "freeze": names.freeze,
            }
            for stage, names in zip(spec.stages(), resolution.stages, strict=True)
        ],
        "training": training,
        "augment": document["data"]["augment"] if spec.data is not None else [],
        "metrics": document["metrics"],
        "checkpoint": document["checkpoint"],
        "run": run,
    }


def all_groups(optimizer: Optimizer | None, model: nn.Module) -> list[dict[str, Any]]:
    """Groups with the names of frozen parameters among them: what thaws joins with its own group's settings."""
    if optimizer is None:
        return []
    return resolve_groups(optimizer, dict(model.named_parameters()), set(), ())


def optimizer_config(optimizer: Optimizer | None, groups: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Torch's arguments with the groups' parameter names; None where the last optimizer goes on."""
    if optimizer is None:
        return None
    config = {**optimizer.model_dump(mode="json"), "groups": groups}
    if isinstance(optimizer, UpdateRule):
        config["update"] = [list(assignment) for assignment in optimizer.trees()]
    return config


def scheduler_config(scheduler: Scheduler | None) -> dict[str, Any] | None:
    """Torch's arguments with formulas as trees, at any depth of composition."""
    return None if scheduler is None else _with_trees(scheduler.model_dump(mode="json"))


def _with_trees(config: dict[str, Any]) -> dict[str, Any]:
    texts = config.get("lr_lambda")
    if isinstance(texts, list):
        config["lr_lambda"] = [_tree(text) for text in texts]
    elif texts is not None:
        config["lr_lambda"] = _tree(texts)
    if "schedulers" in config:
        # The clock is the outermost one's.
        inner = [{k: v for k, v in nested.items() if k != "interval"} for nested in config["schedulers"]]
        config["schedulers"] = [_with_trees(nested) for nested in inner]
    return config


def _tree(text: str) -> Any:
    return parse(text, ("epoch",))
