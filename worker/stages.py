"""Patterns matched with a model's parameter names: groups, what is frozen, and what an optimizer asks of its own."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from torch import nn

from app.jobs.spec import JobSpec, SpecError
from app.jobs.spec.base import Complaint
from app.jobs.spec.job import scheduler_complaints
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.patterns import matching
from app.jobs.spec.phases import Path, Stage
from worker.carried import Carried


class StageNames(NamedTuple):
    """A phase by parameter names; `groups` is None where the last optimizer goes on."""

    groups: list[dict[str, Any]] | None
    freeze: list[str]


def resolve_stages(spec: JobSpec, model: nn.Module) -> Iterator[StageNames]:
    """Frozen names and parameter groups phase by phase. Raises SpecError."""
    parameters = dict(model.named_parameters())
    if not parameters:
        raise SpecError.of([Complaint(("model",), "has no parameters: there is nothing to train")])
    held: set[str] = set()  # by the optimizer in force
    count = 0
    carried = Carried()
    stages = spec.stages()
    all_frozen = [frozen_names(stage, list(parameters)) for stage in stages]
    for number, (stage, frozen) in enumerate(zip(stages, all_frozen, strict=True)):
        free = [name for name in parameters if name not in frozen]
        if not free:
            raise SpecError.of([Complaint((*stage.path, "freeze"), "freezes every parameter: nothing is left")])
        path = (*stage.path, "optimizer")
        groups = None
        joining: list[dict[str, Any]] = []
        kept = held & frozen
        if stage.optimizer is not None:
            never = never_thawed(stages, all_frozen, number)
            joining = groups = resolve_groups(stage.optimizer, parameters, frozen, path, never=never)
            held, count = set(free), len(groups)
            refuse(optimizer_complaints(stage.optimizer, model, groups, path, penalised=bool(spec.training.l1)))
        elif stage.in_force is not None:
            joining = thawed = resolve_groups(stage.in_force, parameters, frozen | held, path)
            if thawed and not stage.in_force.takes_groups:
                detail = f"thaws {_list(thawed[0]['params'])}, and {stage.in_force.type} takes no further group"
                raise SpecError.of([Complaint(stage.path, f"{detail}: give the phase an optimizer")])
            held, count = held | set(free), count + len(thawed)
            refuse(optimizer_complaints(stage.in_force, model, thawed, path, penalised=bool(spec.training.l1)))
        if stage.in_force is not None:
            refuse(carried.complaints(stage, joining, kept))
        if stage.scheduler is not None and stage.in_force is not None:
            refuse(scheduler_complaints(stage.scheduler, stage.in_force, (*stage.path, "scheduler"), {count}))
        yield StageNames(groups, [name for name in parameters if name in frozen])


def frozen_names(stage: Stage, names: list[str]) -> set[str]:
    patterns = enumerate(stage.freeze)
    return {name for index, pattern in patterns for name in take(pattern, names, (*stage.path, "freeze", index))}


def never_thawed(stages: list[Stage], frozen: list[set[str]], first: int) -> set[str]:
    """What stays frozen as long as the optimizer that phase `first` builds is in force."""
    later = range(first + 1, len(stages))
    end = next((number for number in later if stages[number].optimizer is not None), len(stages))
    return set.intersection(*frozen[first:end])


def take(pattern: str, names: list[str], path: Path) -> list[str]:
    taken = matching(pattern, names)
    if not taken:
        some = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        raise SpecError.of([Complaint(path, f"matches no parameter's whole name; there are: {some}")])
    return taken


def resolve_groups(
    optimizer: Optimizer,
    parameters: dict[str, nn.Parameter],
    absent: set[str],
    path: Path,
    *,
    never: set[str] | None = None,
) -> list[dict[str, Any]]:
    """The optimizer's groups with explicit names: the first match wins, the rest is a last group of defaults.

    Names in `absent` are passed over, and what would be empty is left out. `never`: names that do not thaw while this
    optimizer is in force; with them, a group that takes nothing else is an error.
    """
    left = dict.fromkeys(parameters)
    groups: list[dict[str, Any]] = []
    for index, group in enumerate(optimizer.groups):
        where = (*path, "groups", index, "params")
        own = [name for name in take(group["params"], list(parameters), where) if name in left]
        if never is not None and never.issuperset(own):
            detail = "takes nothing: all that it matches is frozen or in an earlier group"
            raise SpecError.of([Complaint(where, detail)])
        for name in own:
            del left[name]
        if mine := [name for name in own if name not in absent]:
            groups.append({**group, "params": mine})
    if rest := [name for name in left if name not in absent]:
        groups.append({"params": rest})
    return groups


def optimizer_complaints(
    optimizer: Optimizer, model: nn.Module, groups: list[dict[str, Any]], path: Path, *, penalised: bool = False
) -> Iterator[Complaint]:
    """What an optimizer asks of its parameters: Muon two dimensions, SparseAdam sparse gradients, most dense ones.

    `penalised`: by an L1 penalty, whose gradient is dense.
    """
    parameters = dict(model.named_parameters())
    mine = [name for group in groups for name in group["params"]]
    sparse = sparse_parameters(model)
    if optimizer.type == "Muon":
        flat = [name for name in mine if parameters[name].ndim != 2]
        if flat:
            yield Complaint(
                (*path, "type"), f"Muon takes two-dimensional parameters only; these are not: {_list(flat)}"
            )
    dense = [name for name in mine if name not in sparse]
    if optimizer.type == "SparseAdam" and dense:
        yield Complaint((*path, "type"), f"SparseAdam takes sparse gradients only; these are dense: {_list(dense)}")
    if optimizer.type == "SparseAdam" and penalised:
        yield Complaint(("training", "l1"), "makes every gradient dense: SparseAdam takes sparse ones only")
    taken = [name for name in mine if name in sparse]
    if taken and not optimizer.takes_sparse_gradients:
        yield Complaint(
            (*path, "type"), f"{optimizer.type} takes no sparse gradients; these are sparse: {_list(taken)}"
        )
    elif taken:
        if getattr(optimizer, "fused", False):
            yield Complaint((*path, "fused"), f"takes no sparse gradients; these are sparse: {_list(taken)}")
        if getattr(optimizer, "weight_decay", 0.0):
            yield Complaint(
                (*path, "weight_decay"), f"must be 0 with sparse gradients; these are sparse: {_list(taken)}"
            )


def sparse_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters whose gradients are sparse."""
    return {
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse
    }


def _list(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def refuse(complaints: Iterable[Complaint]) -> None:
    found = list(complaints)
    if found:
        raise SpecError.of(found)
