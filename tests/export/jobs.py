# ruff: noqa: E501 (a job is a line)
"""Jobs that together use the whole spec; each trains in a second or two."""

import copy
import json
from pathlib import Path
from typing import Any

Document = dict[str, Any]
EXAMPLES = Path(__file__).parents[2] / "examples"
MOST_EPOCHS = 3


def example(name: str) -> Document:
    """One of the examples, shortened."""
    document: Document = json.loads((EXAMPLES / f"{name}.json").read_text())
    for stage in document.get("phases") or [document["training"]]:
        stage["epochs"] = min(stage["epochs"], MOST_EPOCHS)
    return document


IRIS: Document = {
    "seed": 7,
    "data": {
        "dataset": "iris",
        "split": {"train": 0.7, "validation": 0.3, "seed": 3},
        "preprocess": [{"type": "Standardize"}],
    },
    "model": {"type": "MLP", "hidden": [16], "norm": "BatchNorm1d", "dropout": 0.2},
    "loss": {"type": "CrossEntropyLoss", "label_smoothing": 0.1, "weight": [1.0, 2.0, 0.5]},
    "optimizer": {"type": "AdamW", "lr": 0.01},
    "training": {"epochs": 5, "batch_size": 16},
    "metrics": ["accuracy"],
}
IMAGES: Document = {
    "data": {"dataset": "digits", "split": {"train": 200, "validation": 50}, "preprocess": [{"type": "ToFloat"}]},
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9},
    "training": {"epochs": 2, "batch_size": 50},
    "metrics": ["accuracy", {"type": "top_k_accuracy", "k": 3}],
}
TOKENS: Document = {
    "data": {
        "dataset": {"type": "synthetic", "task": "tokens", "samples": 60, "shape": [8], "classes": 12, "seed": 1},
        "split": {"train": 48, "validation": 12},
    },
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "AdamW", "lr": 0.01},
    "training": {"epochs": 2, "batch_size": 16},
    "metrics": ["accuracy"],
}
LINE: Document = {
    "data": {
        "dataset": {
            "type": "inline",
            "inputs": [[i / 10, (i * i % 7) / 7] for i in range(20)],
            "targets": [[i / 5] for i in range(20)],
        },
        "split": {"train": 0.8, "validation": 0.2},
        "preprocess": [{"type": "MinMaxScale"}],
    },
    "model": {"type": "Sequential", "layers": [{"type": "Linear", "out_features": 1}]},
    "loss": {"type": "MSELoss"},
    "optimizer": {"type": "SGD", "lr": 0.1},
    "training": {"epochs": 4, "batch_size": 5},
}


def changed(document: Document, **changes: Any) -> Document:
    """Sections replaced; `training__clip=...` replaces a key of a section, None takes a section out."""
    found = copy.deepcopy(document)
    for path, value in changes.items():
        *sections, key = path.split("__")
        target = found
        for section in sections:
            target = target[section]
        if value is None and not sections:
            target.pop(key, None)
        else:
            target[key] = value
    return found


GRAPH = {
    "type": "Graph",
    "nodes": [
        {"name": "a", "type": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1, "inputs": ["x"]},
        {"name": "b", "type": "Conv2d", "out_channels": 4, "kernel_size": 1, "inputs": ["x"]},
        {"name": "sum", "type": "Add", "inputs": ["a", "b"]},
        {"name": "lambda", "type": "ReLU", "inputs": ["sum"]},
        {"name": "both", "type": "Concat", "inputs": ["lambda", "a"]},
        {"name": "pooled", "type": "MeanPool", "dim": [2, 3], "inputs": ["both"]},
        {"name": "fc", "type": "Linear", "inputs": ["pooled"]},
    ],
    "output": "fc",
}
RULE = {
    "type": "UpdateRule",
    "lr": 0.05,
    "hyperparameters": {"beta": 0.9, "torch": 1e-8},
    "state": {"m": 0.0, "last": 1.0},
    "update": [
        "m = beta * m + (1 - beta) * grad",
        "size = where(abs(m) > 0.001, m / (sqrt(m ** 2) + torch), 0)",
        "last = param",
        "param = param - lr * max(min(size, 1), -1) * (1 + 0.1 / step) + 0.0001 * noise + 0 * last",
    ],
}
PHASES = [
    {"epochs": 2, "optimizer": {"type": "Adam", "lr": 0.01}, "freeze": ["1\\..*"]},
    {"epochs": 2, "scheduler": {"type": "ReduceLROnPlateau", "patience": 0, "monitor": "train_loss"}},
    {
        "epochs": 2,
        "optimizer": {"type": "LBFGS", "lr": 0.5, "max_iter": 4},
        "scheduler": {"type": "StepLR", "step_size": 1},
    },
]
BUCKETS = {"type": "LSTMClassifier", "embedding_dim": 8, "hidden_size": 8, "num_layers": 2, "dropout": 0.3}
LABELS: Document = changed(
    IMAGES,
    data={
        "dataset": {**TOKENS["data"]["dataset"], "task": "classification", "shape": [3, 8, 8], "classes": 4},
        "split": {"train": 48, "validation": 12},
    },
)

JOBS: dict[str, Document] = {
    **{
        name: example(name)
        for name in (
            "digits-cnn-adam", "digits-cnn-augmented", "digits-cnn-unfreeze", "digits-mlp-muon", "digits-mlp-regularised",
            "digits-resnet18-layer-rates", "iris-adam-then-sgd", "iris-mlp-adafactor", "iris-mlp-lbfgs", "iris-mlp-nadam",
            "iris-softmax-update-rule-adadelta", "linear-regression-noisy-sgd", "quadratic-lr0.01-momentum0.9",
            "schedule-lambda-groups", "schedule-plateau", "schedule-sequential",
        )
    },
    "clip-accumulate-ema": changed(
        IRIS, training__clip={"type": "norm", "max_norm": 0.5}, training__accumulate_steps=3, training__ema_decay=0.9,
        training__l1=0.001,
    ),
    "clip-by-value-stratified": changed(
        IRIS, training__clip={"type": "value", "clip_value": 0.01}, data__split={"train": 0.6, "validation": 0.2, "test": 0.2, "stratify": True},
    ),
    "early-stopping": changed(
        IRIS, training__epochs=12, training__early_stopping={"monitor": "validation_accuracy", "mode": "max", "patience": 2},
    ),
    "one-cycle-by-step": changed(
        IRIS, scheduler={"type": "OneCycleLR", "max_lr": 0.1, "epochs": 5, "steps_per_epoch": 7, "interval": "step"},
    ),
    "cyclic": changed(
        IRIS, optimizer={"type": "RMSprop", "lr": 0.01, "momentum": 0.5},
        scheduler={"type": "CyclicLR", "base_lr": 0.001, "max_lr": 0.02, "step_size_up": 4, "interval": "step"},
    ),
    "warmup-cosine": changed(IRIS, scheduler={"type": "WarmupCosine", "warmup": 2, "min_factor": 0.1}),
    "chained": changed(
        IRIS, scheduler={"type": "ChainedScheduler", "schedulers": [
            {"type": "ConstantLR", "factor": 0.5, "total_iters": 2}, {"type": "LambdaLR", "lr_lambda": "1 / (1 + epoch) ** 0.5 * (0.9 ** (epoch // 2))"}]},
    ),
    "range-test": changed(IRIS, scheduler={"type": "RangeTest", "min_lr": 1e-4, "max_lr": 1.0, "interval": "step"}),
    "range-test-after-another-phase": changed(
        IRIS, optimizer=None, training={"batch_size": 16, "accumulate_steps": 2}, phases=[
            {"epochs": 2, "optimizer": {"type": "SGD", "lr": 10.0}},
            {"epochs": 6, "optimizer": {"type": "SGD", "lr": 0.1}, "scheduler": {"type": "RangeTest", "min_lr": 1e-4, "max_lr": 1e3}}],
    ),
    "bfloat16": changed(IRIS, training__precision="bfloat16"),
    "float16": changed(IRIS, training__precision="float16"),
    "float16-rrelu": changed(
        IRIS, training__precision="float16", model={"type": "Sequential", "layers": [
            {"type": "Linear", "out_features": 8}, {"type": "RReLU", "lower": 0.1}, {"type": "Linear", "out_features": 3}]},
    ),
    "update-rule": changed(IRIS, optimizer=RULE),
    "groups": changed(
        IRIS, optimizer={"type": "Adam", "lr": 0.01, "amsgrad": True, "foreach": True, "groups": [
            {"params": ".*bias", "weight_decay": 0.1, "betas": [0.8, 0.9]}, {"params": "1\\..*", "lr": 0.001}]},
    ),
    "initialization": changed(
        IRIS, model__initialization=[{"params": "1.weight", "type": "xavier_uniform_", "gain": 2.0}, {"params": ".*bias", "type": "constant_", "val": 0.1}],
    ),
    "phases": changed(IRIS, optimizer=None, training={"batch_size": 16}, phases=PHASES),
    "inline": LINE,
    "inline-labels": changed(
        LINE, data__dataset={"type": "inline", "inputs": [[i / 10, i % 3] for i in range(20)], "targets": [[i % 3, -1, 0] for i in range(20)]},
        loss={"type": "MultiLabelMarginLoss"}, model={"type": "MLP", "hidden": [4]},
    ),
    "inline-lbfgs-accumulated": changed(LINE, optimizer={"type": "LBFGS", "lr": 0.2, "line_search_fn": "strong_wolfe"}, training__accumulate_steps=2),
    "binary": changed(
        IRIS, data={"dataset": "breast_cancer", "split": {"train": 300, "validation": 100}, "preprocess": [{"type": "Standardize"}]},
        loss={"type": "BCEWithLogitsLoss"},
    ),
    "regression": changed(LINE, data={"dataset": "diabetes", "split": {"train": 0.8, "validation": 0.2}}, loss={"type": "HuberLoss", "delta": 0.5}, training__drop_last=True, training__shuffle=False),
    "graph": changed(IMAGES, model=GRAPH),
    "cnn-mixup": changed(IMAGES, model={"type": "CNN", "channels": [4, 8]}, data__augment=[{"type": "RandomHorizontalFlip", "p": 0.3}, {"type": "GaussianNoise", "std": 0.1}, {"type": "MixUp", "alpha": 0.4}]),
    "synthetic-cutmix": changed(LABELS, model={"type": "CNN", "channels": [4]}, data__augment=[{"type": "CutMix", "alpha": 1.0}]),
    "rnn": changed(IMAGES, model={"type": "Sequential", "layers": [{"type": "Reshape", "shape": [8, 8]}, {"type": "GRU", "hidden_size": 6, "batch_first": True}, {"type": "LastStep"}, {"type": "Linear", "name": "head"}]}),
    "gpt": changed(TOKENS, model={"type": "GPT", "n_layer": 2, "n_head": 2, "n_embd": 16, "dropout": 0.1}),
}  # fmt: skip
TOGETHER = {"device": "cpu", "gpus": 2}
JOBS |= {
    "together-dropout-ema": changed(JOBS["clip-accumulate-ema"], resources=TOGETHER),
    "together-mixup": changed(JOBS["cnn-mixup"], resources={"device": "cpu", "gpus": 3}, metrics=["accuracy", "auroc"]),
    "together-lbfgs": changed(JOBS["inline-lbfgs-accumulated"], resources=TOGETHER),
    "together-phases": changed(JOBS["phases"], resources=TOGETHER),
    "together-resnet": changed(JOBS["digits-resnet18-layer-rates"], resources=TOGETHER),
}
