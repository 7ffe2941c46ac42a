"""Data that a script makes itself: a list, or what scikit-learn ships, split and prepared on the spot."""

import json
from collections.abc import Iterator

from app.datasets.builtin import BUILTIN
from app.jobs.spec.data import Data, Inline
from app.jobs.spec.preprocess import MinMaxScale, Normalize, Preprocessor, Resize, Standardize, ToFloat
from worker.datasets.split import PARTS

from .code import block, literal, table

MAX_WRITTEN = 2000
"""Numbers that a script holds itself."""
WRITABLE = (Normalize, Standardize, MinMaxScale, Resize, ToFloat)


def is_written(data: Data) -> bool:
    """Whether the script makes its tensors itself, from a list or from what scikit-learn ships."""
    if not all(isinstance(step, WRITABLE) for step in data.preprocess):
        return False
    if isinstance(data.dataset, Inline):
        return len(json.dumps([data.dataset.inputs, data.dataset.targets]).split(",")) <= MAX_WRITTEN
    return isinstance(data.dataset, str) and data.dataset in BUILTIN


def written(data: Data, kind: str, parts: tuple[str, ...]) -> Iterator[str]:
    if isinstance(data.dataset, Inline):
        yield f"inputs = torch.tensor({table(data.dataset.inputs)}, dtype=torch.float64)"
        yield f"targets = torch.tensor({table(data.dataset.targets)}, dtype=torch.float64)"
    else:
        yield f"raw = sklearn.datasets.load_{data.dataset}()"
        images = "raw.images[:, None]" if data.dataset == "digits" else "raw.data"
        yield f"inputs = torch.as_tensor({images}, dtype=torch.float64)"
        yield "targets = torch.as_tensor(raw.target)"
    if kind == "class":
        yield "targets = targets.reshape(len(targets)).long()"
    else:
        yield "targets = targets.reshape(len(targets), -1).double()"
    yield from split(data, parts)
    for step in data.preprocess:
        yield from preprocessed(step)
    last = "" if kind == "class" else ".float()"
    for part in parts:
        yield f"{part}_inputs, {part}_targets = inputs[{part}].float(), targets[{part}]{last}"


def split(data: Data, parts: tuple[str, ...]) -> Iterator[str]:
    """The positions of each part."""
    share = data.split
    values = [share.train, share.validation, share.test]
    generator = f"generator = torch.Generator().manual_seed({share.seed})"
    yield generator
    train, validation = (int(value) if value > 1 else f"int({literal(value)} * n)" for value in values[:2])
    test = int(values[2]) if values[2] > 1 else f"int({literal(values[2])} * n)"
    if all(value <= 1 for value in values) and abs(sum(values) - 1) <= 1e-9:
        rest = [text for value, text in ((values[1], validation), (values[2], test)) if value]
        train = " - ".join(["n", *map(str, rest)])
    cut = {"train": train, "validation": validation, "test": test}
    if not share.stratify:
        yield "n = len(inputs)"
        yield "order = torch.randperm(n, generator=generator)"
        yield f"train = order[:{train}]" if str(train).isdigit() else f"train = order[: {train}]"
        before = "len(train)"
        for part in parts[1:]:
            yield f"{part} = order[{before} : {before} + {cut[part]}]"
            before += f" + len({part})"
        return
    names = ", ".join(parts)
    yield f"{names} = {', '.join('[]' for _ in parts)}"
    body = [
        "members = torch.nonzero(targets.reshape(len(targets)).long() == value).flatten()",
        "n = len(members)",
        "members = members[torch.randperm(n, generator=generator)]",
        f"sizes = {train}, {validation}, {test}",
        *(
            f"{part}.append(members[sum(sizes[:{i}]) : sum(sizes[:{i + 1}])])"
            for i, part in enumerate(PARTS)
            if part in parts
        ),
    ]
    yield block("for value in torch.unique(targets.reshape(len(targets)).long()):", body)
    yield f"{names} = {', '.join(f'torch.cat({part})' for part in parts)}"


def preprocessed(step: Preprocessor) -> Iterator[str]:
    """One step over all samples, fitted on those that are trained on."""
    match step:
        case Standardize():
            yield "fitted = inputs[train]"
            yield "mean, std = fitted.mean(0), fitted.std(0, unbiased=False)"
            yield "constant = fitted.amin(0) == fitted.amax(0)"
            yield "inputs = torch.where(constant, 0.0, (inputs - mean) / torch.where(constant, 1.0, std))"
        case MinMaxScale():
            yield "fitted = inputs[train]"
            yield "low, high = fitted.amin(0), fitted.amax(0)"
            yield "constant = low == high"
            yield "inputs = torch.where(constant, 0.0, (inputs - low) / torch.where(constant, 1.0, high - low))"
        case Normalize():
            yield "shape = (-1, 1, 1) if inputs.ndim == 4 else (-1,)"
            yield f"mean = torch.tensor({literal(step.mean)}, dtype=torch.float64).reshape(shape)"
            yield f"std = torch.tensor({literal(step.std)}, dtype=torch.float64).reshape(shape)"
            yield "inputs = (inputs - mean) / std"
        case Resize():
            size = step.size if isinstance(step.size, tuple) else (step.size, step.size)
            options = 'mode="bilinear", align_corners=False'
            yield f"inputs = nn.functional.interpolate(inputs, size={literal(size)}, {options})"
