# ruff: noqa: E501 (arguments are a line)
"""Specs drawn at random from all that can be said: every optimizer with its arguments, schedules in schedules, phases."""

import random
from collections.abc import Callable
from typing import Any

from app.jobs.spec.optimizers import OPTIMIZERS
from app.jobs.spec.schedulers import SCHEDULERS

Document = dict[str, Any]
EPOCHS = 4
BATCH = 12
SAMPLES = 36  # three batches
FREEZABLE = {
    "table": [".*bias", "0\\..*", "head.*"],
    "images": [".*bias", "0\\..*", "head.*"],
    "matrix": ["0\\..*", "head.*"],
    "tokens": [".*bias", ".*attn.*", ".*wpe.*"],
    "bag": [".*"],
}
FORMULAS = ["0.9 ** epoch", "1 / (1 + epoch)", "where(epoch % 2 == 0, 1, 0.5)", "max(0.1, cos(epoch / 5))"]


class Draw:
    """One spec."""

    def __init__(self, seed: int, optimizer: str | None = None, scheduler: str | None = None) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.kind = optimizer or self.random.choice(sorted(OPTIMIZERS))
        self.schedule = scheduler if scheduler is not None else self.random.choice([*sorted(SCHEDULERS), ""])
        self.family = self.of_family()
        self.accumulate = self.random.choice([1, 1, 1, 2])
        self.steps = -(-(SAMPLES // BATCH) // self.accumulate)  # of an epoch

    def of_family(self) -> str:
        if self.kind == "SparseAdam":
            return "bag"
        if self.kind == "Muon":
            return "matrix"
        return self.random.choice(["table", "table", "table", "images", "tokens", "function"])

    def maybe(self, share: float = 0.3) -> bool:
        return self.random.random() < share

    def document(self) -> Document:
        document: Document = {"seed": self.random.randint(0, 2**31 - 1), **SECTIONS[self.family](self)}
        document["training"] = self.training()
        document["checkpoint"] = self.checkpoint()
        if self.family != "function" and self.maybe(0.3):
            document["phases"] = self.phases()
            del document["training"]["epochs"]
        else:
            document["optimizer"] = self.optimizer(self.kind)
            document["scheduler"] = self.scheduler(self.schedule, self.kind, EPOCHS)
        return document

    # --- training

    def training(self) -> Document:
        draw = self.random
        found: Document = {"epochs": EPOCHS}
        if self.family != "function":
            found |= {"batch_size": BATCH, "accumulate_steps": self.accumulate, "shuffle": not self.maybe(0.1)}
            if self.maybe():
                found |= {"log_every_steps": draw.randint(1, 3), "validate_every_steps": draw.randint(1, 4)}
            if self.kind not in ("LBFGS",) and self.maybe(0.35):
                found["precision"] = draw.choice(["bfloat16", "float16"])
        if self.maybe():
            found["clip"] = draw.choice([{"type": "norm", "max_norm": 0.3}, {"type": "value", "clip_value": 0.02}])
        if self.maybe(0.2) and self.family != "bag":
            found["l1"] = 1e-3
        if self.maybe():
            found["ema_decay"] = 0.9
        if self.maybe():
            found["telemetry"] = ["groups"]
        if self.maybe(0.2):
            monitor = "train_loss" if self.family == "function" else draw.choice(["train_loss", "validation_loss"])
            found["early_stopping"] = {"monitor": monitor, "patience": draw.randint(0, 2), "min_delta": 0.05}
        if self.maybe(0.15):
            found["on_divergence"] = draw.choice(["continue", {"type": "rollback", "lr_factor": 0.3, "max_times": 2}])
        return found

    def checkpoint(self) -> Document:
        draw = self.random
        found: Document = (
            {"every_steps": draw.randint(1, 5)} if self.maybe(0.5) else {"every_epochs": draw.randint(1, 2)}
        )
        if self.maybe() and self.family != "function":
            found["keep_best"] = draw.choice([{}, {"monitor": "validation_accuracy", "mode": "max"}])
        return found | {"keep_last": draw.randint(1, 3)}

    def phases(self) -> list[Document]:
        """Two or three; the later ones go on or change the optimizer, and freeze or thaw."""
        found = []
        patterns = FREEZABLE[self.family]
        in_force = self.kind
        for index in range(self.random.randint(2, 3)):
            epochs = self.random.randint(1, 2)
            phase: Document = {"epochs": epochs}
            if index == 0 or self.maybe(0.5):
                others = ["SGD", "Adam"] if self.family not in ("bag", "matrix") else [self.kind]
                in_force = self.kind if index == 0 else self.random.choice([self.kind, *others])
                phase["optimizer"] = self.optimizer(in_force, groups=False)
            if self.maybe(0.4) and self.family != "bag":
                phase["freeze"] = [self.random.choice(patterns)]
            if self.maybe(0.5):
                phase["scheduler"] = self.scheduler(self.schedule, in_force, epochs, groups=False)
            found.append(phase)
        return found

    # --- optimizers

    def optimizer(self, kind: str, *, groups: bool = True) -> Document:
        found = {"type": kind, **self.arguments(kind)}
        if kind == "UpdateRule":
            return found
        fields = OPTIMIZERS[kind].model_fields
        if "maximize" in fields and self.maybe(0.1):
            found["maximize"] = True
        choice = self.random.choice(["", "", "foreach", "fused", "single"])
        if choice in fields and not (choice == "fused" and self.family == "bag"):
            found[choice] = True
        elif choice == "single":
            found |= {key: False for key in ("foreach", "fused") if key in fields}
        if found.get("fused") and "capturable" in fields and self.maybe():
            found["capturable"] = True
        if groups and kind != "LBFGS" and self.family in ("table", "images") and self.maybe(0.4):
            rate = found.get("lr", 0.01)
            found["groups"] = [{"params": "head.*", "lr": rate / 2}]
            if "weight_decay" in fields:
                found["groups"].append({"params": ".*bias", "weight_decay": 0.0})
        return found

    def arguments(self, kind: str) -> Document:
        draw, rate = self.random, self.random.choice([0.003, 0.01, 0.05, 0.05, 30.0])
        decay = {"weight_decay": draw.choice([0.0, 0.01])} if self.family != "bag" else {}
        betas = {"betas": [draw.choice([0.8, 0.9]), draw.choice([0.99, 0.999])], "lr": rate}
        momentum = draw.choice([0.0, 0.5, 0.9])
        return {
            "Adadelta": lambda: {"lr": 1.0, "rho": draw.choice([0.8, 0.9]), **decay},
            "Adafactor": lambda: {"lr": rate, "beta2_decay": draw.choice([-0.8, -0.5]), "d": draw.choice([1.0, 2.0]), **decay},
            "Adagrad": lambda: {"lr": rate, "lr_decay": draw.choice([0.0, 0.1]), "initial_accumulator_value": draw.choice([0.0, 0.1]), **decay},
            "Adam": lambda: {**betas, "amsgrad": self.maybe(), "decoupled_weight_decay": self.maybe(), **decay},
            "AdamW": lambda: {**betas, "amsgrad": self.maybe(), **decay},
            "Adamax": lambda: {**betas, **decay},
            "ASGD": lambda: {"lr": rate, "lambd": 1e-3, "alpha": 0.7, "t0": draw.choice([2.0, 1e6]), **decay},
            "LBFGS": lambda: {"lr": draw.choice([0.1, 0.5]), "max_iter": draw.randint(1, 4), "history_size": draw.randint(1, 5),
                              "line_search_fn": draw.choice([None, "strong_wolfe"])},
            "Muon": lambda: {"lr": rate, "momentum": draw.choice([0.9, 0.95]), "nesterov": self.maybe(0.5), "ns_steps": draw.randint(1, 5),
                             "adjust_lr_fn": draw.choice([None, "original", "match_rms_adamw"]), **decay},
            "NAdam": lambda: {**betas, "momentum_decay": 0.01, "decoupled_weight_decay": self.maybe(), **decay},
            "RAdam": lambda: {**betas, "decoupled_weight_decay": self.maybe(), **decay},
            "RMSprop": lambda: {"lr": rate / 3, "alpha": 0.9, "momentum": momentum, "centered": self.maybe(), "eps": 1e-4, **decay},
            "Rprop": lambda: {"lr": rate / 10, "etas": [0.5, 1.1], "step_sizes": [1e-6, 0.1]},
            "SGD": lambda: {"lr": rate, "momentum": momentum, **decay,
                            **({"nesterov": True} if momentum and self.maybe() else {"dampening": draw.choice([0.0, 0.1])})},
            "SparseAdam": lambda: betas,
            "UpdateRule": lambda: {
                "lr": rate / 3, "hyperparameters": {"b": 0.9}, "state": {"m": 0.0, "last": 0.5},
                "update": ["m = b * m + (1 - b) * grad", "size = clamp(m / (abs(last) + 0.1), -1, 1)", "last = grad",
                           "param = param - lr * size * (1 - 0.1 / step)" + " + 0.001 * noise" * self.maybe(0.5)]},
        }[kind]()  # fmt: skip

    # --- schedules

    def scheduler(self, kind: str, optimizer: str, epochs: int, *, groups: bool = True) -> Document | None:
        if not kind:
            return None
        by_step = kind == "RangeTest" or (kind != "ReduceLROnPlateau" and self.maybe(0.5))
        total = epochs * (1 if self.family == "function" else self.steps) if by_step else epochs
        found = self.schedule_of(kind, optimizer, total, 0)
        return found | {"interval": "step"} if by_step else found

    def schedule_of(self, kind: str, optimizer: str, total: int, depth: int) -> Document:
        draw = self.random
        cycles = OPTIMIZERS[optimizer].cycles_momentum() and self.maybe(0.7)

        def inside(parts: int) -> list[Document]:
            own = [
                name for name in sorted(SCHEDULERS) if name not in ("ReduceLROnPlateau", "WarmupCosine", "RangeTest")
            ]
            plain = [name for name in own if name not in ("SequentialLR", "ChainedScheduler")]
            first = draw.choice(own if depth < 2 else plain)
            rest = plain if kind == "SequentialLR" else own if depth < 2 else plain
            kinds = [first, *(draw.choice(rest) for _ in range(parts - 1))]
            return [self.schedule_of(name, optimizer, total, depth + 1) for name in kinds]

        def milestones(parts: int) -> list[int]:
            return sorted(draw.sample(range(1, max(total, parts) + 2), parts - 1))

        parts = draw.randint(1, 3)
        arguments: dict[str, Callable[[], Document]] = {
            "LambdaLR": lambda: {"lr_lambda": draw.choice(FORMULAS)},
            "MultiplicativeLR": lambda: {"lr_lambda": draw.choice(["0.9", "where(epoch == 2, 0.1, 1)"])},
            "StepLR": lambda: {"step_size": draw.randint(1, 3), "gamma": 0.5},
            "MultiStepLR": lambda: {"milestones": [draw.randint(0, 3), 2, draw.randint(2, 5)], "gamma": 0.5},
            "ConstantLR": lambda: {"factor": 0.5, "total_iters": draw.randint(0, 3)},
            "LinearLR": lambda: {"start_factor": 0.2, "end_factor": draw.choice([0.5, 1.0]), "total_iters": draw.randint(1, 5)},
            "ExponentialLR": lambda: {"gamma": 0.8},
            "PolynomialLR": lambda: {"total_iters": draw.randint(1, 5), "power": draw.choice([0.5, 1.0, 2.0])},
            "CosineAnnealingLR": lambda: {"T_max": draw.randint(1, 6), "eta_min": draw.choice([0.0, 1e-4])},
            "CosineAnnealingWarmRestarts": lambda: {"T_0": draw.randint(1, 3), "T_mult": draw.randint(1, 2)},
            "CyclicLR": lambda: {
                "base_lr": 1e-4, "max_lr": 0.01, "step_size_up": draw.randint(1, 3), "cycle_momentum": cycles,
                "mode": draw.choice(["triangular", "triangular2", "exp_range"]), "gamma": 0.9,
                **({"step_size_down": draw.randint(1, 3)} if self.maybe() else {}), "scale_mode": draw.choice(["cycle", "iterations"])},
            "OneCycleLR": lambda: {
                "max_lr": 0.02, "total_steps": total + draw.randint(0, 3) + 3, "cycle_momentum": cycles, "three_phase": self.maybe(),
                "pct_start": draw.choice([0.2, 0.5]), "anneal_strategy": draw.choice(["cos", "linear"])},
            "ReduceLROnPlateau": lambda: {
                "monitor": "train_loss" if self.family == "function" else draw.choice(["train_loss", "validation_loss", "train_accuracy"]),
                "patience": draw.randint(0, 1), "threshold": 0.05, "factor": 0.5, "cooldown": draw.randint(0, 1),
                "mode": draw.choice(["min", "max"]), "threshold_mode": draw.choice(["rel", "abs"])},
            "ChainedScheduler": lambda: {"schedulers": inside(parts)},
            "SequentialLR": lambda: {"schedulers": inside(parts), "milestones": milestones(parts)},
            "WarmupCosine": lambda: {"warmup": draw.randint(0, max(0, total - 1)), "min_factor": 0.1},
            "RangeTest": lambda: {"min_lr": 1e-5, "max_lr": 0.1},
        }  # fmt: skip
        return {"type": kind, **arguments[kind]()}


def _table(draw: Draw) -> Document:
    dropout = [{"type": "Dropout", "p": 0.2}] if draw.maybe(0.5) else []
    norm = [{"type": draw.random.choice(["BatchNorm1d", "LayerNorm"])}] if draw.maybe(0.5) else []
    hidden = {"type": "Linear", "out_features": 5}
    layers = [hidden, *norm, {"type": "ReLU"}, *dropout, {"type": "Linear", "name": "head"}]
    return {
        "data": {"dataset": "iris", "split": {"train": SAMPLES, "validation": 14, "test": 7}, "preprocess": [{"type": "Standardize"}]},
        "model": {"type": "Sequential", "layers": layers},
        "loss": {"type": "CrossEntropyLoss", "label_smoothing": draw.random.choice([0.0, 0.1])},
        "metrics": ["accuracy", "f1"],
    }  # fmt: skip


def _images(draw: Draw) -> Document:
    crop = {"type": "RandomCrop", "size": 6, "padding": 1}
    steps = [
        crop,
        {"type": "RandomHorizontalFlip"},
        {"type": "RandomRotation", "degrees": 10},
        {"type": "GaussianNoise", "std": 0.1},
    ]
    augment = draw.random.sample(steps, draw.random.randint(0, 2))
    augment += [{"type": draw.random.choice(["MixUp", "CutMix"]), "alpha": 0.4}] * draw.maybe(0.4)
    data = {"type": "synthetic", "task": "classification", "samples": SAMPLES + 14, "shape": [1, 6, 6], "classes": 3}
    layers = [
        {"type": "Conv2d", "out_channels": 2, "kernel_size": 3}, {"type": "BatchNorm2d"}, {"type": "ReLU"},
        {"type": "Flatten"}, {"type": "Linear", "name": "head"},
    ]  # fmt: skip
    return {
        "data": {"dataset": data, "split": {"train": SAMPLES, "validation": 14}, "augment": augment},
        "model": {"type": "Sequential", "layers": layers},
        "loss": {"type": "CrossEntropyLoss"},
        "metrics": ["accuracy"],
    }


def _tokens_data() -> Document:
    data = {"type": "synthetic", "task": "tokens", "samples": SAMPLES + 14, "shape": [5], "classes": 7}
    return {"dataset": data, "split": {"train": SAMPLES, "validation": 14}}


def _tokens(draw: Draw) -> Document:
    model = {"type": "GPT", "n_layer": 1, "n_head": 2, "n_embd": 4, "dropout": draw.random.choice([0.0, 0.1])}
    return {"data": _tokens_data(), "model": model, "loss": {"type": "CrossEntropyLoss"}, "metrics": ["accuracy"]}


def _bag(draw: Draw) -> Document:
    embedding = {"type": "Embedding", "embedding_dim": 7, "sparse": True, "name": "head"}
    return {
        "data": _tokens_data(),
        "model": {"type": "Sequential", "layers": [embedding]},
        "loss": {"type": "CrossEntropyLoss"},
        "metrics": ["accuracy"],
    }


def _matrix(draw: Draw) -> Document:
    found = _table(draw)
    hidden = {"type": "Linear", "out_features": 5, "bias": False}
    found["model"]["layers"] = [hidden, {"type": "ReLU"}, {"type": "Linear", "bias": False, "name": "head"}]
    return found


def _function(draw: Draw) -> Document:
    return {
        "model": {
            "type": "Function",
            "expression": "x ** 2 + 3 * y ** 2 + sin(x * y)",
            "initial": {"x": 1.0, "y": -1.5},
        }
    }


SECTIONS: dict[str, Callable[[Draw], Document]] = {
    "table": _table,
    "images": _images,
    "tokens": _tokens,
    "bag": _bag,
    "matrix": _matrix,
    "function": _function,
}
