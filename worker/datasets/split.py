"""Which sample goes into which part: the contract's rule 2."""

import torch
from torch import Tensor

from app.jobs.spec.data import Split
from app.jobs.spec.plan import split_sizes

PARTS = ("train", "validation", "test")


def split_indices(n: int, split: Split, classes: Tensor | None = None) -> dict[str, Tensor]:
    """Positions of each part in the source. `classes` [n] int64 are needed for a stratified split."""
    generator = torch.Generator().manual_seed(split.seed)
    if not split.stratify or classes is None:
        return _cut(torch.randperm(n, generator=generator), split)
    cuts = []
    for value in torch.unique(classes, sorted=True):
        members = torch.nonzero(classes == value).flatten()
        cuts.append(_cut(members[torch.randperm(len(members), generator=generator)], split))
    return {part: torch.cat([cut[part] for cut in cuts]) for part in PARTS}


def _cut(order: Tensor, split: Split) -> dict[str, Tensor]:
    train, validation, test = split_sizes(len(order), split)
    ends = (train, train + validation, train + validation + test)
    return {part: order[start:end] for part, start, end in zip(PARTS, (0, *ends), ends, strict=False)}
