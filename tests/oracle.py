"""A dozen lines of plain PyTorch, grown by hand from spec.md and a job's resolved spec: what `exact` is measured by.

Written apart from the engine, sharing none of its code, so that a mistake in one is not repeated in the other.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from sklearn import datasets
from torch import Tensor, nn

Row = dict[str, Any]


def train(spec: dict[str, Any]) -> tuple[list[Row], nn.Module]:
    """The epoch rows and the trained module of a resolved spec without phases."""
    torch.set_num_threads(spec["resources"]["cpu_threads"])
    if spec["model"]["type"] == "Function":
        return list(function_rows(spec)), nn.Module()
    parts = split(spec)
    torch.manual_seed(spec["seed"])
    model = build_model(spec["model"], parts["train"])
    initialize(model, spec["model"].get("initialization") or [])
    loss_function = build(nn, spec["loss"])
    optimizer = build_optimizer(spec["optimizer"], dict(model.named_parameters()))
    scheduler = build_scheduler(optimizer, spec.get("scheduler"))
    return list(epoch_rows(spec, model, loss_function, optimizer, scheduler, parts)), model


def epoch_rows(
    spec: dict[str, Any], model: nn.Module, loss_function: nn.Module, optimizer: Any, scheduler: Any, parts: Any
) -> Iterator[Row]:
    training, seed = spec["training"], spec["seed"]
    inputs, targets = parts["train"]
    size = training["batch_size"]
    by_step = spec.get("scheduler") and spec["scheduler"].get("interval", "epoch") == "step"
    for epoch in range(1, training["epochs"] + 1):
        model.train()
        generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**32)
        order = torch.randperm(len(inputs), generator=generator) if training["shuffle"] else torch.arange(len(inputs))
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        total, samples, correct = 0.0, 0, 0
        for batch in order.split(size):
            if training["drop_last"] and len(batch) < size:
                break
            x, y = inputs[batch], targets[batch]
            outputs = model(x)
            first: list[Tensor] = []

            def closure(x: Tensor = x, y: Tensor = y, outputs: Tensor = outputs, first: list[Tensor] = first) -> Tensor:
                optimizer.zero_grad()
                loss: Tensor = loss_function(model(x) if first else outputs, y)
                if training.get("l1"):
                    loss = loss + training["l1"] * sum(p.abs().sum() for p in model.parameters())
                loss.backward()
                first.append(loss.detach())
                return loss

            if spec["optimizer"]["type"] == "LBFGS":
                optimizer.step(closure)
            else:
                closure()
                clip = training.get("clip")
                if clip and clip["type"] == "norm":
                    nn.utils.clip_grad_norm_(model.parameters(), clip["max_norm"])
                elif clip:
                    nn.utils.clip_grad_value_(model.parameters(), clip["clip_value"])
                optimizer.step()
            total += first[0].item() * len(batch)
            samples += len(batch)
            correct += int((outputs.argmax(1) == y).sum()) if y.dtype == torch.long else 0
            if by_step:
                scheduler.step()
        row: Row = {"epoch": epoch, "train_loss": total / samples, "learning_rates": rates, "validation_loss": None}
        if "validation" in parts:
            row["validation_loss"] = evaluate(model, loss_function, *parts["validation"], size)
        if parts["train"][1].dtype == torch.long:
            row["train_accuracy"] = correct / samples
        if scheduler is not None and not by_step:
            monitored = row[spec["scheduler"]["monitor"]] if spec["scheduler"]["type"] == "ReduceLROnPlateau" else None
            scheduler.step(*([monitored] if monitored is not None else []))
        yield row


@torch.no_grad()
def evaluate(model: nn.Module, loss_function: nn.Module, inputs: Tensor, targets: Tensor, size: int) -> float:
    model.eval()
    total = sum(
        loss_function(model(x), y).item() * len(x) for x, y in zip(inputs.split(size), targets.split(size), strict=True)
    )
    return total / len(inputs)


def split(spec: dict[str, Any]) -> dict[str, tuple[Tensor, Tensor]]:
    dataset = spec["data"]["dataset"]
    if isinstance(dataset, str):
        raw = getattr(datasets, f"load_{dataset}")()
        array = raw.images[:, None] if dataset == "digits" else raw.data
        inputs, targets = torch.tensor(array), torch.tensor(raw.target)  # contiguous: strides pick kernels
    else:
        inputs = torch.tensor(dataset["inputs"], dtype=torch.float64)
        targets = torch.tensor(dataset["targets"])
    share, n = spec["data"]["split"], len(inputs)
    wanted = [share.get(part) or 0 for part in ("train", "validation", "test")]
    counts = [int(value * n) if value <= 1 else int(value) for value in wanted]
    if abs(sum(value for value in wanted if value <= 1) - 1) <= 1e-9 and all(value <= 1 for value in wanted):
        counts[0] = n - counts[1] - counts[2]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(share["seed"]))
    pieces = dict(zip(("train", "validation", "test"), order[: sum(counts)].split(counts), strict=True))
    data = {part: inputs[index] for part, index in pieces.items() if len(index)}
    for step in spec["data"].get("preprocess") or []:
        data = preprocess(step, data)
    wide = spec["loss"]["type"] not in ("CrossEntropyLoss", "NLLLoss")
    labels = {part: targets[index].float() if wide else targets[index].long() for part, index in pieces.items()}
    return {part: (values.float(), labels[part]) for part, values in data.items()}


def preprocess(step: dict[str, Any], data: dict[str, Tensor]) -> dict[str, Tensor]:
    fitted = data["train"]
    match step["type"]:
        case "MinMaxScale":
            low, high = fitted.amin(0), fitted.amax(0)
            width = high - low
            return {
                k: torch.where(width == 0, 0.0, (v - low) / torch.where(width == 0, 1.0, width))
                for k, v in data.items()
            }
        case "Standardize":
            mean, deviation = fitted.mean(0), fitted.std(0, unbiased=False)
            zero = fitted.amax(0) == fitted.amin(0)
            return {k: torch.where(zero, 0.0, (v - mean) / torch.where(zero, 1.0, deviation)) for k, v in data.items()}
        case "Normalize":
            shape = (-1, *[1] * (fitted.dim() - 2))
            mean, deviation = (torch.tensor(step[key], dtype=torch.float64).view(shape) for key in ("mean", "std"))
            return {k: (v - mean) / deviation for k, v in data.items()}
        case "Resize":
            size = step["size"]
            size = [size, size] if isinstance(size, int) else size
            return {
                k: nn.functional.interpolate(v, size=size, mode="bilinear", align_corners=False)
                for k, v in data.items()
            }
        case "ToFloat":
            return data
    raise NotImplementedError(step["type"])


def build(module: Any, component: dict[str, Any], *positional: Any) -> Any:
    arguments = {key: value for key, value in component.items() if key not in ("type", "name") and value is not None}
    return getattr(module, component["type"])(
        *positional, **{k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
    )


def build_model(model: dict[str, Any], train: tuple[Tensor, Tensor]) -> nn.Module:
    inputs, targets = train
    if model["type"] == "MLP":
        layers: list[dict[str, Any]] = [{"type": "Flatten"}]
        width = inputs[0].numel()
        for hidden in model["hidden"]:
            layers.append({"type": "Linear", "in_features": width, "out_features": hidden})
            if model.get("norm"):
                layers.append({"type": model["norm"], "num_features": hidden})
            layers.append({"type": model["activation"]})
            if model.get("dropout"):
                layers.append({"type": "Dropout", "p": model["dropout"]})
            width = hidden
        classes = int(targets.max()) + 1 if targets.dtype == torch.long else targets.shape[1]
        layers.append({"type": "Linear", "in_features": width, "out_features": classes})
    else:
        layers = model["layers"]
    return nn.Sequential(*[build(nn, layer) for layer in layers])


def initialize(model: nn.Module, rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        arguments = {k: v for k, v in rule.items() if k not in ("params", "type")}
        for name, parameter in model.named_parameters():
            if re.fullmatch(rule["params"], name):
                getattr(nn.init, rule["type"])(parameter, **arguments)


def build_optimizer(optimizer: dict[str, Any], parameters: dict[str, Tensor]) -> torch.optim.Optimizer:
    left, groups = dict(parameters), []
    for group in optimizer.get("groups") or []:
        taken = [name for name in left if re.fullmatch(group["params"], name)]
        own = {
            key: tuple(v) if isinstance(v, list) else v for key, v in group.items() if key != "params" and v is not None
        }
        groups.append({"params": [left.pop(name) for name in taken], **own})
    if left:
        groups.append({"params": list(left.values())})
    bare = {key: value for key, value in optimizer.items() if key != "groups"}
    built: torch.optim.Optimizer = build(torch.optim, bare, groups)
    return built


def build_scheduler(optimizer: torch.optim.Optimizer, scheduler: dict[str, Any] | None) -> Any:
    if scheduler is None:
        return None
    bare = {key: value for key, value in scheduler.items() if key not in ("interval", "monitor") and value is not None}
    match bare["type"]:
        case "SequentialLR" | "ChainedScheduler":
            parts = [build_scheduler(optimizer, part) for part in bare.pop("schedulers")]
            if bare["type"] == "ChainedScheduler":
                return torch.optim.lr_scheduler.ChainedScheduler(parts)
            return torch.optim.lr_scheduler.SequentialLR(optimizer, parts, milestones=bare["milestones"])
        case "LambdaLR" | "MultiplicativeLR":
            return getattr(torch.optim.lr_scheduler, bare["type"])(optimizer, lr_lambda=lambdas(bare["lr_lambda"]))
        case "MultiStepLR":
            return torch.optim.lr_scheduler.MultiStepLR(optimizer, bare["milestones"], bare["gamma"])
    kind = getattr(torch.optim.lr_scheduler, bare.pop("type"))
    return kind(optimizer, **bare)


def lambdas(text: Any) -> Any:
    """The oracle trusts the test's own formulas and lets Python read them."""

    words = {"cos": math.cos, "pi": math.pi, "min": min, "max": max, "where": lambda c, a, b: a if c else b}

    def one(formula: str) -> Callable[[int], float]:
        return lambda epoch: float(eval(formula, {"epoch": float(epoch), **words}))

    return [one(formula) for formula in text] if isinstance(text, list) else one(text)


def function_rows(spec: dict[str, Any]) -> Iterator[Row]:
    parameters = {
        name: nn.Parameter(torch.tensor(value, dtype=torch.float32)) for name, value in spec["model"]["initial"].items()
    }
    optimizer = build_optimizer(spec["optimizer"], dict(parameters))
    scheduler = build_scheduler(optimizer, spec.get("scheduler"))
    for epoch in range(1, spec["training"]["epochs"] + 1):
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        before = {name: p.item() for name, p in parameters.items()}
        optimizer.zero_grad()
        loss = eval(spec["model"]["expression"], dict(parameters))
        loss.backward()
        gradients = {name: p.grad.item() for name, p in parameters.items() if p.grad is not None}
        optimizer.step()
        if scheduler is not None:
            scheduler.step(*([loss.item()] if spec["scheduler"]["type"] == "ReduceLROnPlateau" else []))
        yield {
            "epoch": epoch,
            "train_loss": loss.item(),
            "learning_rates": rates,
            "parameters": before,
            "gradients": gradients,
        }
