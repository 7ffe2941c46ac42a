"""What follows from the spec and the facts of its data: parts, shapes, steps; and the rules that need them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from app.datasets.errors import DatasetError
from app.datasets.facts import Facts, FactsOf, UnknownDataset
from app.datasets.likeness import columns_like, misfit
from app.jobs.spec.augment import augment_complaints
from app.jobs.spec.base import Complaint
from app.jobs.spec.data import Data, Inline, Parts, Split, Synthetic, shape_of_rows
from app.jobs.spec.errors import SpecError
from app.jobs.spec.job import JobSpec
from app.jobs.spec.losses import Loss
from app.jobs.spec.phases import Path
from app.jobs.spec.prepared import prepared_facts
from app.jobs.spec.preprocess import Tokenize


@dataclass(frozen=True)
class Counts:
    """Samples in each part."""

    train: int
    validation: int = 0
    test: int = 0


@dataclass(frozen=True)
class Plan:
    """How much work a job is. Without data an epoch is one step."""

    facts: Facts | None
    counts: Counts
    batches_per_epoch: int
    steps_per_epoch: int  # updates of the weights
    epochs: int
    counted: bool = True  # False: a stream's samples are counted when it is cut; `counts` say which parts there are

    @property
    def steps(self) -> int | None:
        return self.steps_per_epoch * self.epochs if self.counted else None


def plan(spec: JobSpec, facts_of: FactsOf, *, samples: Counts | None = None) -> Plan:
    """Raises SpecError: an unknown data set, a split beyond it, a preprocessor or a loss that does not fit it.

    `samples`: what a stream of tokens came to, once it is cut into blocks.
    """
    epochs = sum(stage.epochs for stage in spec.stages())
    if spec.data is None or spec.loss is None:
        return Plan(None, Counts(1), 1, 1, epochs)
    source = _source_facts(spec.data, spec.loss, facts_of)
    counted = samples is not None or not is_stream(spec.data)
    if samples is None:
        counts = _parts_of_stream(source, spec.data) if not counted else part_counts(source, spec.data.split)
        samples = replace(counts, **source.parts)
    counts = samples
    facts = prepared_facts(source, spec.data.preprocess)
    batches = _batches(spec, counts) if counted else 1
    complaints = [*_loss_complaints(spec.loss, facts)]
    complaints += augment_complaints(spec.data.augment, facts.shape, facts.dtype)
    if complaints:
        raise SpecError.of(complaints)
    return Plan(facts, counts, batches, -(-batches // spec.training.accumulate_steps), epochs, counted)


def is_stream(data: Data) -> bool:
    """Whether the samples are blocks of one stream of tokens."""
    return any(isinstance(step, Tokenize) and step.block_size is not None for step in data.preprocess)


def _parts_of_stream(source: Facts, data: Data) -> Counts:
    """One sample for each part that there will be."""
    if data.split.stratify:
        raise SpecError.of([Complaint(("data", "split", "stratify"), "a stream of tokens has no classes to keep")])
    return Counts(1, *(int(bool(getattr(data.split, part))) for part in ("validation", "test")))


def _batches(spec: JobSpec, counts: Counts) -> int:
    batch = spec.training.batch_size or 1
    whole, rest = divmod(counts.train, batch)
    if spec.training.drop_last and whole == 0:
        raise SpecError.of(
            [
                Complaint(
                    ("training", "drop_last"), f"leaves no batch: {counts.train} training samples, batches of {batch}"
                )
            ]
        )
    return whole if spec.training.drop_last or not rest else whole + 1


def part_counts(facts: Facts, split: Split) -> Counts:
    """Samples in each part, by the contract's rules. Raises SpecError where there are not that many."""
    if split.stratify:
        if not facts.class_counts:
            raise SpecError.of([Complaint(("data", "split", "stratify"), "needs a data set with classes")])
        parts = [split_sizes(n, split) for n in facts.class_counts]
        sizes = tuple(sum(part[i] for part in parts) for i in range(3))
    else:
        sizes = split_sizes(facts.samples, split)
    if sum(sizes) > facts.samples:
        raise SpecError.of(
            [Complaint(("data", "split"), f"asks for {sum(sizes)} samples, the data set has {facts.samples}")]
        )
    if sizes[0] == 0:
        raise SpecError.of([Complaint(("data", "split", "train"), f"leaves no training sample of {facts.samples}")])
    return Counts(*sizes)


def split_sizes(n: int, split: Split) -> tuple[int, int, int]:
    """(train, validation, test) of n samples: int(fraction * n); fractions that make up 1 leave training the rest."""
    values = (split.train, split.validation, split.test)
    train, validation, test = (value if value > 1 else int(value * n) for value in values)
    if all(value <= 1 for value in values) and abs(sum(values) - 1) <= 1e-9:
        train = n - int(validation) - int(test)
    return int(train), int(validation), int(test)


def _source_facts(data: Data, loss: Loss, facts_of: FactsOf) -> Facts:
    """Facts of what the split cuts, with the sizes of the parts that it does not cut."""
    if isinstance(data.dataset, Inline):
        return _inline_facts(data.dataset, loss)
    if isinstance(data.dataset, Synthetic):
        if loss.target == "labels":
            raise SpecError.of([Complaint(("loss", "type"), f"{loss.type} needs rows of classes: no synthetic data")])
        return _synthetic_facts(data.dataset)
    if not isinstance(data.dataset, Parts):
        facts = _named_facts(str(data.dataset), data, facts_of, ("data", "dataset"))
        for part in facts.parts:
            if getattr(data.split, part):
                detail = f"is left out: {data.dataset} has a {part} part of its own"
                raise SpecError.of([Complaint(("data", "split", part), detail)])
        return facts
    train = _named_facts(data.dataset.train, data, facts_of, ("data", "dataset", "train"))
    sizes: dict[str, int] = {}
    missing = list(train.missing)
    for part in ("validation", "test"):
        name = getattr(data.dataset, part)
        if name is None:
            continue
        path = ("data", "dataset", part)
        own = _named_facts(name, data, facts_of, path, like=train)
        if (found := misfit(own, train, numbers=loss.target == "number")) is not None:
            raise SpecError.of([Complaint(path, found)])
        sizes[part] = own.samples
        missing += [column for column in own.missing if column not in missing]
    return replace(train, parts=sizes, missing=tuple(missing))


def _named_facts(name: str, data: Data, facts_of: FactsOf, path: Path, like: Facts | None = None) -> Facts:
    columns = data.columns.model_dump(exclude_none=True) if data.columns is not None else None
    if like is not None:
        columns = columns_like(columns, like.columns if like.dtype != "text" else (), like.targets)
    try:
        return facts_of(name) if columns is None else facts_of(name, columns)
    except UnknownDataset as error:
        raise SpecError.of([Complaint(path, str(error))]) from None
    except DatasetError as error:
        if like is not None:
            raise SpecError.of([Complaint(path, str(error))]) from None
        below = "" if error.pointer == "/file" else error.pointer
        raise SpecError([{"pointer": f"/data/columns{below}", "detail": str(error)}]) from None


def _inline_facts(inline: Inline, loss: Loss) -> Facts:
    shape = shape_of_rows(inline.inputs)
    if loss.target == "labels":
        _refuse_labels(inline.targets)
    if loss.target in ("number", "labels") or (loss.target == "binary" and not _are_two_classes(inline.targets)):
        width = math.prod(shape_of_rows(inline.targets)[1:])
        return Facts(shape[0], shape[1:], target_width=width, reference="inline")
    where = ("data", "dataset", "targets")
    counts: dict[int, int] = {}
    for index, target in enumerate(inline.targets):
        value = target[0] if isinstance(target, list) and len(target) == 1 else target
        if isinstance(value, list) or value != int(value) or not 0 <= value < 1_000_000:
            raise SpecError.of(
                [Complaint((*where, index), f"must be a class from 0 on: {loss.type} takes class indices")]
            )
        counts[int(value)] = counts.get(int(value), 0) + 1
    classes = max(counts) + 1
    return Facts(
        shape[0],
        shape[1:],
        classes=classes,
        class_counts=tuple(counts.get(c, 0) for c in range(classes)),
        reference="inline",
    )


def _refuse_labels(targets: list[Any]) -> None:
    """Raises SpecError for a row that is no list of classes, each from 0 on, and then -1."""
    for index, target in enumerate(targets):
        row = target if isinstance(target, list) else [target]
        if any(value != int(value) or not -1 <= value < len(row) for value in row):
            detail = f"must be classes from 0 to {len(row) - 1}, and -1 from where there are no more"
            raise SpecError.of([Complaint(("data", "dataset", "targets", index), detail)])


def _are_two_classes(targets: list[Any]) -> bool:
    flat = [target[0] if isinstance(target, list) and len(target) == 1 else target for target in targets]
    return all(target in (0, 1) for target in flat if not isinstance(target, list)) and not any(
        isinstance(target, list) for target in flat
    )


def _synthetic_facts(synthetic: Synthetic) -> Facts:
    shape = tuple(synthetic.shape)
    if synthetic.task == "regression":
        return Facts(synthetic.samples, shape, dtype="float32", reference="synthetic")
    if synthetic.task == "classification":
        return Facts(synthetic.samples, shape, dtype="float32", classes=synthetic.classes, reference="synthetic")
    return Facts(
        synthetic.samples,
        shape,
        dtype="int64",
        classes=synthetic.classes,
        vocabulary=synthetic.classes,
        target_shape=shape,
        reference="synthetic",
    )


def _loss_complaints(loss: Loss, facts: Facts) -> Iterator[Complaint]:
    if facts.classes is None and facts.target_width == 0:
        yield Complaint(("data", "columns", "target"), "no column is the target: name it")
        return
    if loss.target == "labels" and facts.classes is not None:
        yield Complaint(("loss", "type"), f"{loss.type} needs rows of classes, a target of this data set is one class")
    if loss.target == "class" and facts.classes is None:
        yield Complaint(("loss", "type"), f"{loss.type} needs classes, the targets of this data set are numbers")
    if loss.target == "binary" and facts.classes not in (None, 2):
        yield Complaint(("loss", "type"), f"{loss.type} is for two classes, this data set has {facts.classes}")
    if loss.target == "number" and any(isinstance(name, str) for name in facts.class_names):
        yield Complaint(("loss", "type"), f"{loss.type} takes numbers, the target of this data set is text")
    if loss.target == "class" and facts.classes is not None:
        wanted, what = {facts.classes}, f"{facts.classes} classes"
    else:
        width = 1 if facts.classes is not None else facts.target_width
        wanted, what = {1, width, (facts.target_shape or (1,))[-1]}, f"{width} output{'s' * (width != 1)}"
    for key in ("weight", "pos_weight"):
        values = getattr(loss, key, None)
        if values is not None and len(values) not in wanted:
            yield Complaint(("loss", key), f"has {len(values)} values for {what}")
