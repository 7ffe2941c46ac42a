"""What is allowed in a spec and probably not meant."""

from collections.abc import Iterator

from app.jobs.spec import JobSpec, Plan
from app.jobs.spec.graph import Graph
from app.jobs.spec.models import Sequential

OF_LOGITS = {"CrossEntropyLoss", "BCEWithLogitsLoss"}
NO_LOGITS = {"Softmax", "LogSoftmax", "Softmin", "Sigmoid", "LogSigmoid"}


def warnings_of(spec: JobSpec, work: Plan) -> list[dict[str, str]]:
    """`[{"pointer", "detail"}]`."""
    found = list(mixed_samples(spec))
    loss, last = spec.loss and spec.loss.type, spec.model.ends_in
    if loss in OF_LOGITS and last in NO_LOGITS:
        found.append(("/loss/type", f"{loss} takes logits, and the model ends in {last}"))
    if loss == "NLLLoss" and last != "LogSoftmax":
        found.append(("/loss/type", "NLLLoss takes log-probabilities, and the model does not end in LogSoftmax"))
    if work.counted and (spec.training.batch_size or 1) > work.counts.train:
        found.append(("/training/batch_size", f"is more than the {work.counts.train} training samples"))
    return [{"pointer": pointer, "detail": detail} for pointer, detail in found]


def mixed_samples(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """Layers that take the batch for the time, by torch's default, or for the classes."""
    key = {Sequential: "layers", Graph: "nodes"}.get(type(spec.model))
    for index, layer in enumerate(getattr(spec.model, key) if key is not None else []):
        if getattr(layer, "batch_first", True) is False:
            detail = f"{layer.type} takes dimension 0, the samples, for the time: batch_first true is probably meant"
            yield f"/model/{key}/{index}", detail
        if getattr(layer, "dim", None) == 0 and layer.type in ("Softmax", "LogSoftmax", "Softmin"):
            yield f"/model/{key}/{index}/dim", f"{layer.type} over dimension 0, the samples: 1 is probably meant"
