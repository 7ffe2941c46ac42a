# ruff: noqa: E501 (a job is a line)
"""Combinations that nobody would think of, over optimizers, schedules, losses, phases, metrics and data."""

import itertools

from tests.export.jobs import GRAPH, IMAGES, IRIS, LABELS, LINE, RULE, TOKENS, Document, changed

TELL = {"epochs": 4, "batch_size": 16, "telemetry": ["groups"], "log_every_steps": 5, "validate_every_steps": 7}
TESTED = {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 5}
CLASS_METRICS = [
    "accuracy",
    "precision",
    "recall",
    {"type": "f1", "average": "weighted"},
    {"type": "f1", "average": "micro"},
    "auroc",
    "confusion_matrix",
]
BACK = {"type": "rollback", "lr_factor": 0.1, "max_times": 5}
CANCER: Document = changed(
    IRIS,
    data={"dataset": "breast_cancer", "split": TESTED, "preprocess": [{"type": "Standardize"}]},
    loss={"type": "BCEWithLogitsLoss"},
    training=TELL,
)
SUGAR: Document = changed(
    LINE,
    data={"dataset": "diabetes", "split": TESTED},
    metrics=["mae", "rmse", "r2"],
    training=TELL,
    model={"type": "MLP", "hidden": [8], "activation": "Tanh"},
)
WILD: Document = changed(
    LINE,
    model={"type": "Sequential", "layers": [{"type": "Dropout", "p": 0.1}, {"type": "Linear", "out_features": 1}]},
    training__epochs=8,
    optimizer={"type": "SGD", "lr": 8.0},
)
HEADS = {
    "type": "Graph",
    "output": "fc",
    "nodes": [
        {"name": "pool", "type": "FractionalMaxPool2d", "kernel_size": 2, "output_size": 5, "inputs": ["x"]},
        {"name": "conv", "type": "Conv2d", "out_channels": 3, "kernel_size": 2, "inputs": ["pool"]},
        {"name": "noisy", "type": "RReLU", "inputs": ["conv"]},
        {"name": "drop", "type": "Dropout2d", "p": 0.3, "inputs": ["noisy"]},
        {"name": "flat", "type": "Flatten", "inputs": ["drop"]},
        {"name": "fc", "type": "Linear", "inputs": ["flat"]},
    ],
}

ODD_JOBS: dict[str, Document] = {
    "classes-all-metrics": changed(IRIS, metrics=CLASS_METRICS, data__split=TESTED, training=TELL, optimizer={"type": "NAdam", "lr": 0.01, "foreach": True},
        checkpoint={"keep_best": {"monitor": "validation_recall", "mode": "max"}}),
    "binary-early-stopping-on-auroc": changed(CANCER, metrics=[*CLASS_METRICS[:4], "auroc", "confusion_matrix"], optimizer={"type": "RAdam", "lr": 0.03},
        training={**TELL, "epochs": 9, "early_stopping": {"monitor": "validation_auroc", "mode": "max", "patience": 1, "min_delta": 0.001}},
        checkpoint={"keep_best": {"monitor": "validation_loss", "mode": "min"}, "every_epochs": 1}),
    "regression-metrics-plateau": changed(SUGAR, loss={"type": "SmoothL1Loss", "beta": 30.0}, optimizer={"type": "Adamax", "lr": 0.5},
        scheduler={"type": "ReduceLROnPlateau", "monitor": "validation_r2", "mode": "max", "patience": 0, "threshold": 0.5, "cooldown": 1}),
    "gpt-perplexity-bfloat16": changed(TOKENS, model={"type": "GPT", "n_layer": 1, "n_head": 2, "n_embd": 16, "dropout": 0.1}, metrics=["perplexity", {"type": "top_k_accuracy", "k": 2}, "accuracy"],
        training={**TELL, "epochs": 2, "precision": "bfloat16", "clip": {"type": "norm", "max_norm": 0.3}},
        scheduler={"type": "CosineAnnealingWarmRestarts", "T_0": 2, "interval": "step"}),
    "range-test-logged-accumulated": changed(IRIS, training__accumulate_steps=2, training__log_every_steps=1, training__epochs=9,
        scheduler={"type": "RangeTest", "min_lr": 1e-3, "max_lr": 1e6, "interval": "step"}, optimizer={"type": "SGD", "lr": 1.0}),
    "rollback": changed(WILD, training__on_divergence=BACK, training__ema_decay=0.9, training__epochs=14, scheduler={"type": "StepLR", "step_size": 9}),
    "rollback-logged-keep-best": changed(WILD, training__on_divergence=BACK, training__log_every_steps=3, training__validate_every_steps=4, training__epochs=12,
        training__early_stopping={"monitor": "validation_loss", "patience": 5}, metrics=["r2"], data__split={"train": 0.6, "validation": 0.2, "test": 0.2},
        checkpoint={"keep_best": {"monitor": "validation_loss", "mode": "min"}}, optimizer={"type": "SGD", "lr": 8.0, "momentum": 0.5, "nesterov": True, "foreach": True}),
    "rollback-in-phases": changed(WILD, optimizer=None, training={"batch_size": 5, "on_divergence": BACK, "log_every_steps": 2, "telemetry": ["groups"]}, phases=[
        {"epochs": 3, "optimizer": {"type": "Adam", "lr": 0.01}, "freeze": ["1.bias"]},
        {"epochs": 3, "scheduler": {"type": "ExponentialLR", "gamma": 0.9}},
        {"epochs": 9, "optimizer": {"type": "SGD", "lr": 8.0}, "scheduler": {"type": "LambdaLR", "lr_lambda": "0.001 * 8 ** min(epoch, 4)"}}]),
    "warmup-twice": changed(IRIS, optimizer=None, training={"batch_size": 16}, phases=[
        {"epochs": 4, "optimizer": {"type": "Adam", "lr": 0.01}, "scheduler": {"type": "WarmupCosine", "warmup": 2}},
        {"epochs": 2, "scheduler": {"type": "WarmupCosine", "warmup": 3, "min_factor": 0.2, "interval": "step"}}]),
    "rollback-before-a-phase": changed(WILD, optimizer=None, training={"batch_size": 5, "on_divergence": {"type": "rollback", "lr_factor": 1e-16, "max_times": 3}, "log_every_steps": 1}, phases=[
        {"epochs": 2, "optimizer": {"type": "Adam", "lr": 0.01}},
        {"epochs": 3, "optimizer": {"type": "SGD", "lr": 1e30}, "scheduler": {"type": "StepLR", "step_size": 2}},
        {"epochs": 2, "scheduler": {"type": "ExponentialLR", "gamma": 0.9}}]),
    "rollback-before-a-range-test": changed(WILD, optimizer=None, training={"batch_size": 5, "accumulate_steps": 2, "on_divergence": BACK, "log_every_steps": 1}, phases=[
        {"epochs": 8, "optimizer": {"type": "SGD", "lr": 8.0}},
        {"epochs": 9, "optimizer": {"type": "SGD", "lr": 0.1}, "scheduler": {"type": "RangeTest", "min_lr": 1e-3, "max_lr": 1e9}}]),
    "rollback-after-a-range-test": changed(WILD, optimizer=None, training={"batch_size": 5, "on_divergence": {**BACK, "max_times": 20}}, phases=[
        {"epochs": 3, "optimizer": {"type": "SGD", "lr": 0.1}, "scheduler": {"type": "RangeTest", "min_lr": 1e-3, "max_lr": 0.1}},
        {"epochs": 8, "optimizer": {"type": "SGD", "lr": 1e9}},
        {"epochs": 6, "scheduler": {"type": "RangeTest", "min_lr": 1e-3, "max_lr": 1e10}}]),
    "rollback-float16": changed(WILD, training__on_divergence=BACK, training__precision="float16", training__epochs=12),
    "rollback-function": {"model": {"type": "Function", "expression": "4 * x ** 2 + abs(y)", "initial": {"x": 2.0, "y": 1.0}}, "optimizer": {"type": "SGD", "lr": 1e3},
        "training": {"epochs": 90, "on_divergence": BACK, "log_every_steps": 4, "telemetry": ["groups"]}},
    "rollback-cyclic-asgd": changed(WILD, training__on_divergence=BACK, optimizer={"type": "ASGD", "lr": 8.0, "t0": 3.0},
        scheduler={"type": "CyclicLR", "base_lr": 1.0, "max_lr": 8.0, "step_size_up": 3, "cycle_momentum": False, "interval": "step"}),
    "goes-on-with-nan": changed(WILD, training__on_divergence="continue", training__log_every_steps=3, training__telemetry=["groups"], training__epochs=12),
    "lbfgs-tells-all": changed(LINE, optimizer={"type": "LBFGS", "lr": 0.3, "max_iter": 3, "history_size": 4}, training={**TELL, "accumulate_steps": 2, "batch_size": 4, "clip": {"type": "value", "clip_value": 0.05}}, metrics=["mae"]),
    "lbfgs-range-test-accumulated": changed(LINE, optimizer={"type": "LBFGS", "lr": 0.3, "max_iter": 3}, training__accumulate_steps=2, scheduler={"type": "RangeTest", "min_lr": 1e-3, "max_lr": 0.1}),
    "lbfgs-function": {"model": {"type": "Function", "expression": "(x - 1) ** 2 + 0.5 * cos(3 * y)", "initial": {"x": 2.0, "y": 1.0}}, "optimizer": {"type": "LBFGS", "lr": 0.5},
        "training": {"epochs": 5, "telemetry": ["groups"], "log_every_steps": 2}},
    "function-of-words-that-a-module-has": {"model": {"type": "Function", "expression": "forward ** 2 + 2 * training ** 2 + (half - T_destination) ** 2 + _compiled ** 2 + torch ** 2",
        "initial": {"forward": 1.0, "training": 2.0, "half": 0.5, "T_destination": 3.0, "_compiled": 1.0, "torch": -1.0}}, "training": {"epochs": 4, "telemetry": ["groups"]},
        "optimizer": {"type": "Adam", "lr": 0.1, "groups": [{"params": "forward|half", "lr": 0.2}]}},
    "rule-of-words-that-its-class-uses": changed(IRIS, optimizer={"type": "UpdateRule", "lr": 0.05, "hyperparameters": {"closure": 0.5, "loss": 0.5, "self": 1.0, "self_": 0.1, "_self": 0.2},
        "state": {"weight": 0.0, "_1": 0.0, "_": 0.0, "__debug__": 0.0}, "update": ["weight = closure * weight + loss * grad", "_1 = _1 + grad", "_ = _ + self", "__debug__ = _1 / _",
        "float = self_ * noise + _self * __debug__", "param = param - lr * self * (weight + float)"]}),
    "rule-of-tensors-or-numbers": changed(IRIS, optimizer={"type": "UpdateRule", "lr": 0.05, "state": {"kept": 0.0, "last": 0.0}, "update": [
        "early = where(step < 5, 0, param)", "size = sqrt(abs(early)) + early // 2 + min(early, 1, max(early, grad)) - floor(early)", "turn = where(early, grad, 1) + (early > 0.1)",
        "param = param - lr * (grad + 0.01 * (size + turn * kept) + 0.001 * last + 0.01 * sign(early))", "kept = early", "last = where(step > 7, param, grad)"]}),
    "graph-of-words-that-its-class-uses": changed(IRIS, model={"type": "Graph", "output": "out", "nodes": [
        {"name": name, "type": "Linear", "out_features": 3, "inputs": [before]} for before, name in itertools.pairwise(["x", "self", "self_", "__x", "torch_", "torch", "takes_lengths", "out"])]}),
    "draws-in-validation": changed(IMAGES, model=HEADS, training={**TELL, "epochs": 2, "batch_size": 40, "ema_decay": 0.8}, data__split={"train": 120, "validation": 40, "test": 40}),
    "nesterov-foreach-values": changed(IRIS, optimizer={"type": "SGD", "lr": 0.05, "momentum": 0.9, "nesterov": True, "foreach": True}, training={**TELL, "clip": {"type": "value", "clip_value": 0.02}, "accumulate_steps": 3, "l1": 0.001}),
    "nesterov-foreach": changed(IRIS, optimizer={"type": "SGD", "lr": 0.05, "momentum": 0.9, "nesterov": True, "foreach": True}),
    "maximize": changed(IRIS, optimizer={"type": "Adagrad", "lr": 0.001, "maximize": True, "foreach": True, "initial_accumulator_value": 0.1}, training__shuffle=False),
    "update-rule-thaws-on-plateau": changed(IRIS, optimizer=None, metrics=[{"type": "f1", "average": "macro"}], training={"batch_size": 16, "log_every_steps": 6}, phases=[
        {"epochs": 2, "optimizer": RULE, "freeze": ["5\\..*"]},
        {"epochs": 3, "scheduler": {"type": "ReduceLROnPlateau", "monitor": "train_f1", "mode": "max", "patience": 0, "threshold": 0.9}, "freeze": ["1\\..*"]}]),
    "thaws-into-groups-that-waited": changed(IRIS, optimizer=None, training={"batch_size": 16, "telemetry": ["groups"]}, phases=[
        {"epochs": 2, "freeze": ["1\\..*", "2\\..*"], "scheduler": {"type": "LambdaLR", "lr_lambda": ["0.9 ** epoch", "1"]}, "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "groups": [
            {"params": "1\\..*", "lr": 0.001}, {"params": "2\\..*", "lr": 0.01}, {"params": ".*bias", "lr": 0.2}]}},
        {"epochs": 2, "freeze": ["1\\..*"], "scheduler": {"type": "LambdaLR", "lr_lambda": ["0.9 ** epoch", "1", "0.5"]}}, {"epochs": 2}]),
    "two-threads-mixup": changed(LABELS, model={"type": "CNN", "channels": [4]}, data__augment=[{"type": "GaussianNoise", "std": 0.2}, {"type": "MixUp", "alpha": 0.3}], resources={"cpu_threads": 2},
        loss={"type": "CrossEntropyLoss", "label_smoothing": 0.2, "weight": [1.0, 0.5, 2.0, 1.0]}, optimizer={"type": "Rprop", "lr": 0.001}, metrics=["confusion_matrix", "accuracy"]),
    "polynomial-adadelta-stratified": changed(CANCER, data__split={**TESTED, "stratify": True}, optimizer={"type": "Adadelta", "lr": 1.0, "groups": [{"params": ".*weight", "rho": 0.8}]},
        scheduler={"type": "LambdaLR", "lr_lambda": ["0.9 ** epoch", "where(epoch > 1, 0.1, 1)"]}, metrics=["precision"]),
    "sequence-of-chains": changed(IRIS, training__epochs=7, optimizer={"type": "RMSprop", "lr": 0.01, "centered": True}, scheduler={"type": "SequentialLR", "milestones": [3, 5], "schedulers": [
        {"type": "ChainedScheduler", "schedulers": [{"type": "LinearLR", "total_iters": 3}, {"type": "MultiStepLR", "milestones": [1, 2], "gamma": 0.5}]},
        {"type": "PolynomialLR", "total_iters": 4, "power": 2.0}, {"type": "MultiplicativeLR", "lr_lambda": "0.95"}]}),
    "resnet-cutmix-last-matrix": changed(LABELS, model={"type": "ResNet", "depth": 18, "width": 4}, data__augment=[{"type": "RandomCrop", "size": 8, "padding": 1}, {"type": "CutMix"}],
        metrics=["confusion_matrix", {"type": "top_k_accuracy", "k": 2}], optimizer={"type": "Adafactor", "lr": 0.01}, training={"epochs": 2, "batch_size": 24, "ema_decay": 0.5, "l1": 1e-5, "clip": {"type": "norm", "max_norm": 1.0}}),
    "rows-of-a-largest-norm": changed(TOKENS, model={"type": "Sequential", "layers": [{"type": "Embedding", "embedding_dim": 16, "max_norm": 0.5}, {"type": "Linear"}]},
        data={"dataset": {**TOKENS["data"]["dataset"], "samples": 200, "classes": 300}, "split": {"train": 100, "validation": 60, "test": 40}},
        optimizer={"type": "LBFGS", "lr": 1.0, "max_iter": 3}, training={"epochs": 2, "batch_size": 15, "ema_decay": 0.5, "accumulate_steps": 2, "validate_every_steps": 3, "telemetry": ["groups"]}),
    "telemetry-of-an-embedding-with-a-largest-norm": changed(TOKENS, model={"type": "Sequential", "layers": [{"type": "Embedding", "embedding_dim": 6, "max_norm": 0.5}, {"type": "Linear"}]}, training=TELL),
    "log-softmax": changed(IRIS, model={"type": "Sequential", "layers": [{"type": "Linear", "out_features": 9}, {"type": "PReLU"}, {"type": "LayerNorm", "normalized_shape": [9]}, {"type": "Linear"}, {"type": "LogSoftmax", "dim": 1}]},
        loss={"type": "NLLLoss"}, metrics=["accuracy", "auroc"], optimizer={"type": "Adam", "lr": 0.02, "amsgrad": True, "weight_decay": 0.01}),
    "counts": changed(LINE, loss={"type": "PoissonNLLLoss"}, metrics=["mae"], optimizer={"type": "AdamW", "lr": 0.05}, scheduler={"type": "CosineAnnealingLR", "T_max": 2}, training={"epochs": 3, "batch_size": 3, "drop_last": True, "validate_every_steps": 2}),
    "margins": changed(IRIS, loss={"type": "MultiMarginLoss", "p": 2, "margin": 0.5}, metrics=["recall"], training={"epochs": 3, "batch_size": 20, "precision": "float16", "telemetry": ["groups"], "log_every_steps": 2}),
    "graph-linear-warmup": changed(IMAGES, model=GRAPH, optimizer={"type": "AdamW", "lr": 0.01, "groups": [{"params": "(a|b)\\..*", "lr": 0.001, "betas": [0.8, 0.95]}]},
        scheduler={"type": "WarmupCosine", "warmup": 3, "min_factor": 0.05, "interval": "step"}, training={**TELL, "epochs": 2, "batch_size": 30, "accumulate_steps": 2}),
}  # fmt: skip
AVERAGED = [
    {"type": kind, "average": average} for kind in ("f1", "recall") for average in ("macro", "weighted", "micro")
]
ANSWERS = {
    "type": "inline",
    "inputs": [[i % 7, i % 5 - 2.0] for i in range(60)],
    "targets": [[i % 2, int(i % 7 > 3)] for i in range(60)],
}
ODD_JOBS |= {
    "yes-and-no-averaged": changed(CANCER, metrics=[*AVERAGED, "precision", "f1", "auroc"], optimizer={"type": "Adam", "lr": 0.02}),
    "probabilities": changed(CANCER, metrics=["accuracy", "f1", "auroc", "confusion_matrix"], loss={"type": "BCELoss"}, optimizer={"type": "Adam", "lr": 0.02},
        model={"type": "Sequential", "layers": [{"type": "Linear"}, {"type": "Sigmoid"}]}),
    "several-answers": changed(LINE, data__dataset=ANSWERS, metrics=["accuracy", *AVERAGED, "precision", "auroc", "confusion_matrix"], loss={"type": "BCEWithLogitsLoss"},
        model={"type": "MLP", "hidden": [8]}, optimizer={"type": "Adam", "lr": 0.05}, training={**TELL, "batch_size": 12}),
    "several-numbers": changed(LINE, data__dataset={**ANSWERS, "targets": [[i / 9, 40.0 * (i % 7), -i] for i in range(60)]}, metrics=["r2", "rmse", "mae"],
        model={"type": "MLP", "hidden": [8]}, optimizer={"type": "Adam", "lr": 0.05}, training={**TELL, "batch_size": 12}),
}  # fmt: skip
TOGETHER = {"device": "cpu", "gpus": 3}
ODD_JOBS |= {
    f"together-{name}": changed(ODD_JOBS[name], resources=TOGETHER)
    for name in (
        "rollback-logged-keep-best",
        "draws-in-validation",
        "goes-on-with-nan",
        "gpt-perplexity-bfloat16",
        "rows-of-a-largest-norm",
    )
}
