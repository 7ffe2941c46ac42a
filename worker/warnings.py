"""What is allowed in a spec and probably not meant."""

from collections.abc import Iterator

from app.jobs.spec import JobSpec, Plan
from app.jobs.spec.graph import Graph
from app.jobs.spec.models import Sequential


def warnings_of(spec: JobSpec, work: Plan) -> list[dict[str, str]]:
    """`[{"pointer", "detail"}]`."""
    found = list(mixed_samples(spec))
    last = spec.model.layers[-1].type if isinstance(spec.model, Sequential) else None
    if spec.loss is not None and spec.loss.type == "CrossEntropyLoss" and last in ("Softmax", "LogSoftmax", "Softmin"):
        found.append(("/loss/type", f"CrossEntropyLoss takes logits, and the model ends in {last}"))
    if spec.loss is not None and spec.loss.type == "NLLLoss" and last != "LogSoftmax":
        found.append(("/loss/type", "NLLLoss takes log-probabilities, and the model does not end in LogSoftmax"))
    if work.counted and (spec.training.batch_size or 1) > work.counts.train:
        found.append(("/training/batch_size", f"is more than the {work.counts.train} training samples"))
    return [{"pointer": pointer, "detail": detail} for pointer, detail in found]


def mixed_samples(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """Layers that by torch's default take the batch for the time."""
    key = {Sequential: "layers", Graph: "nodes"}.get(type(spec.model))
    for index, layer in enumerate(getattr(spec.model, key) if key is not None else []):
        if getattr(layer, "batch_first", True) is False:
            detail = f"{layer.type} takes dimension 0, the samples, for the time: batch_first true is probably meant"
            yield f"/model/{key}/{index}", detail
