"""The data section of a resolved spec as ONE tensor file, made once for all jobs that say the same of their data."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from app.datasets.builtin import builtin_facts
from app.datasets.errors import DatasetError
from app.datasets.facts import FactsOf
from app.jobs.spec import JobSpec, SpecError, plan
from app.jobs.spec.data import Data, Inline, Synthetic
from app.jobs.spec.losses import Loss
from app.jobs.spec.plan import Counts, is_stream
from app.jobs.spec.preprocess import OneHot, Ordinal, Tokenize
from worker.datasets.preprocess import preprocess
from worker.datasets.room import Room
from worker.datasets.sources import (
    Source,
    SourceOf,
    builtin_source,
    in_codes,
    inline_source,
    own_sources,
    shaped_targets,
)
from worker.datasets.split import PARTS, split_indices
from worker.datasets.streams import make_stream
from worker.datasets.tensor_file import write_tensors
from worker.datasets.tokenize import Vocabulary

FORMAT = 3  # raised when the same spec comes to give another file


def prepare(
    spec: JobSpec,
    store: Path,
    *,
    facts_of: FactsOf = builtin_facts,
    source_of: SourceOf = builtin_source,
    contents: Mapping[str, Any] | None = None,
    memory_bytes: int | None = None,
) -> dict[str, Any] | None:
    """The engine's `data` section: `{"file"}`, `{"synthetic"}` (the engine makes it), or None for a model without data.

    The file lies under `<store>/prepared/` by the hash of all that decides its content: `contents` has the SHA-256 of
    stored data sets, since a name such as "mnist" may come to mean other files. What does not fit into `memory_bytes`
    is made in files. Raises SpecError.
    """
    if spec.data is None or spec.loss is None:
        return None
    if isinstance(spec.data.dataset, Synthetic):
        counts = plan(spec, facts_of).counts
        settings = spec.data.dataset.model_dump(exclude={"type"})
        return {"synthetic": {**settings, "split": {part: getattr(counts, part) for part in PARTS}}}
    path = store / "prepared" / f"{deciding_hash(spec, contents)}.safetensors"
    if not path.exists():
        plan(spec, facts_of)  # says with a pointer what does not fit
        with Room(path.parent, memory_bytes) as room:
            tensors, notes = _made(spec, source_of, room)
            notes = {"descent": json.dumps({**notes, "made_from": _deciding(spec)})}
            write_atomically(path, tensors, notes, aligned=True)
    return {"file": str(path)}


def _deciding(spec: JobSpec, contents: Mapping[str, Any] | None = None) -> dict[str, Any]:
    data, loss = _trained_on(spec)
    return ({"contents": dict(contents)} if contents else {}) | {
        "format": FORMAT,
        "target": loss.target,
        "data": data.model_dump(mode="json", include={"dataset", "columns", "split", "preprocess"}),
    }


def _trained_on(spec: JobSpec) -> tuple[Data, Loss]:
    if spec.data is None or spec.loss is None:
        raise ValueError(f"a {spec.model.type} has no data")
    return spec.data, spec.loss


def deciding_hash(spec: JobSpec, contents: Mapping[str, Any] | None = None) -> str:
    """SHA-256 of the parts of a resolved spec, and of the files it names, that decide what the tensors are."""
    return hashlib.sha256(json.dumps(_deciding(spec, contents), sort_keys=True).encode()).hexdigest()


def _made(spec: JobSpec, source_of: SourceOf, room: Room) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """As `make_tensors`; what is wrong with the data becomes a SpecError."""
    try:
        return make_tensors(spec, source_of, room)
    except DatasetError as error:
        pointer = "/data/dataset" if error.pointer == "/file" else f"/data/columns{error.pointer}"
        raise SpecError([{"pointer": pointer, "detail": str(error)}]) from error


def make_tensors(
    spec: JobSpec, source_of: SourceOf = builtin_source, room: Room | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """`train.inputs`, `train.targets`, … without empty parts, `fitted.<step>.<name>`; and notes: a vocabulary."""
    data, loss = _trained_on(spec)
    if is_stream(data):
        return make_stream(data, source_of)
    room = room or Room()
    sources, indices = _parts(data, "number" if loss.target == "labels" else loss.target, source_of)
    if any(isinstance(step, OneHot | Ordinal) for step in data.preprocess):
        sources = {part: in_codes(source) for part, source in sources.items()}
    notes: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    train = sources["train"]
    if isinstance(train.inputs, Tensor):
        picked = {part: room.take(as_tensor(sources[part].inputs), index) for part, index in indices.items()}
        inputs, fitted = preprocess(picked, data.preprocess, train.columns, room, train.largest)
        tensors |= {f"fitted.{name}": value.contiguous() for name, value in fitted.items()}
        inputs = {
            part: room.each(rows, Tensor.float) if rows.is_floating_point() else rows for part, rows in inputs.items()
        }
    else:
        inputs, lengths, vocabulary = _tokenized(data, sources, indices)
        notes["vocabulary"] = vocabulary.tokens
        tensors |= {f"{part}.lengths": value for part, value in lengths.items() if len(value)}
    for part, index in indices.items():
        if len(index) == 0:
            continue
        targets = shaped_targets(sources[part].targets, "class" if loss.target == "class" else "number")[index]
        tensors[f"{part}.inputs"] = inputs[part].contiguous()
        tensors[f"{part}.targets"] = (targets.float() if targets.is_floating_point() else targets).contiguous()
        weights = sources[part].weights
        if weights is not None:
            tensors[f"{part}.weights"] = weights[index].float().contiguous()
    return tensors, notes


def as_tensor(inputs: Tensor | Sequence[str]) -> Tensor:
    if not isinstance(inputs, Tensor):
        raise TypeError("the training part holds numbers, another part texts")
    return inputs


def _parts(data: Data, target: str, source_of: SourceOf) -> tuple[dict[str, Source], dict[str, Tensor]]:
    """The source of each part and its samples' places there: the split cuts only what has no source of its own."""
    own = {"train": inline_source(data.dataset)} if isinstance(data.dataset, Inline) else {}
    own = own or own_sources(data, target, source_of)
    train = own["train"]
    classes = train.targets.reshape(len(train.targets)).long() if data.split.stratify else None
    indices = split_indices(len(train.targets), data.split, classes)
    for part, source in own.items():
        if part != "train":
            indices[part] = torch.arange(len(source.targets))
    return {part: own.get(part, train) for part in PARTS}, indices


def _tokenized(
    data: Data, sources: dict[str, Source], indices: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor], Vocabulary]:
    step = next(step for step in data.preprocess if isinstance(step, Tokenize))
    texts = {part: [str(sources[part].inputs[place]) for place in index.tolist()] for part, index in indices.items()}
    vocabulary = Vocabulary.of(texts["train"], step)
    numbers = {part: vocabulary.numbers(found, step) for part, found in texts.items()}
    return {p: n[0] for p, n in numbers.items()}, {p: n[1] for p, n in numbers.items()}, vocabulary


def vocabulary_size(data: dict[str, Any] | None) -> int | None:
    """The number of tokens in a prepared file's vocabulary; None for data that is no text."""
    if data is None or "file" not in data:
        return None
    with safe_open(data["file"], framework="pt") as file:
        notes = json.loads(file.metadata()["descent"])
    return len(notes["vocabulary"]) if "vocabulary" in notes else None


def sample_counts(data: dict[str, Any]) -> Counts:
    """Samples in each part of a prepared file."""
    with safe_open(data["file"], framework="pt") as file:
        there = set(file.keys())
        return Counts(*(file.get_slice(f"{p}.inputs").get_shape()[0] if f"{p}.inputs" in there else 0 for p in PARTS))


def write_atomically(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], *, aligned: bool = False
) -> None:
    """Whole and synced under its name, or not there: two jobs may make the same file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    os.close(handle)
    try:
        with open(name, "wb") as file:
            write_tensors(file, tensors, metadata, aligned=aligned)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o640)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
