"""A vocabulary is made from the training part: until the data is prepared, nobody knows how many tokens it has."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.jobs.spec import JobSpec, Plan
from app.jobs.spec.base import Complaint
from app.jobs.spec.graph import Graph
from app.jobs.spec.model import Model
from app.jobs.spec.models import Sequential
from app.jobs.spec.phases import Path
from app.jobs.spec.preprocess import Tokenize

LEAST_TOKENS = 3  # padding, unknown, and one that is there


def with_vocabulary(work: Plan, tokens: int) -> Plan:
    """The work with a vocabulary of this size; the classes of a language model are its tokens."""
    if work.facts is None:
        return work
    classes = tokens if work.facts.classes == work.facts.vocabulary else work.facts.classes
    return replace(work, facts=replace(work.facts, vocabulary=tokens, classes=classes))


def open_vocabulary(spec: JobSpec) -> bool:
    """Whether the number of tokens is known only when the data is prepared."""
    return spec.data is not None and any(isinstance(step, Tokenize) for step in spec.data.preprocess)


def agreed(one: Any, other: Any) -> Any:
    """What two documents of one form have in common, None in place of the rest."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: agreed(value, other.get(key)) if key in other else value for key, value in one.items()}
    if isinstance(one, list) and isinstance(other, list):
        return [agreed(*pair) for pair in zip(one, other, strict=True)]
    return one if one == other else None


def vocabulary_complaints(model: Model, work: Plan) -> Iterator[Complaint]:
    """Embeddings with fewer rows than the data has tokens: a batch that holds the others cannot be looked up."""
    tokens = work.facts.vocabulary if work.facts is not None else None
    key = {Sequential: "layers", Graph: "nodes"}.get(type(model))
    places: list[tuple[Path, Any]] = [(("model",), model)]
    if key is not None:
        places = [(("model", key, index), layer) for index, layer in enumerate(getattr(model, key))]
    for path, part in places:
        for size in ("num_embeddings", "vocab_size"):
            given = getattr(part, size, None)
            if tokens is not None and given is not None and given < tokens:
                yield Complaint((*path, size), f"is {given}, but the data has {tokens} tokens")
