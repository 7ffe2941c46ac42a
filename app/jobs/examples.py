"""Examples for the OpenAPI document."""

from typing import Any

SPEC: dict[str, Any] = {
    "name": "iris-mlp-adam",
    "seed": 0,
    "data": {"dataset": "iris", "split": {"train": 0.8, "validation": 0.2}, "preprocess": [{"type": "Standardize"}]},
    "model": {"type": "MLP", "hidden": [16, 16]},
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "Adam", "lr": 0.01},
    "training": {"epochs": 20, "batch_size": 24},
    "metrics": ["accuracy"],
}
EPOCH: dict[str, Any] = {
    "seq": 17,
    "epoch": 12,
    "attempt": 1,
    "phase": 0,
    "train_loss": 0.31,
    "validation_loss": 0.35,
    "metrics": {"train_accuracy": 0.91, "validation_accuracy": 0.9},
    "learning_rates": [0.01],
    "gradient_norm": 1.7,
    "samples": 120,
    "duration_seconds": 0.02,
    "samples_per_second": 6000.0,
    "finished_at": "2026-11-21T12:00:01.25Z",
}
SUMMARY: dict[str, Any] = {
    "id": "job_01k0a8m3x5v7w9y1z3b5d7f9h1",
    "object": "job",
    "name": "iris-mlp-adam",
    "status": "running",
    "activity": "training",
    "spec_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "seed": 0,
    "metadata": {"team": "vision"},
    "priority": 0,
    "progress": {"epoch": 12, "epochs": 20, "step": 60, "steps": 100, "phase": 0, "fraction": 0.6, "eta_seconds": 0.2},
    "latest": EPOCH,
    "best": {"monitor": "validation_loss", "mode": "min", "value": 0.35, "epoch": 12, "checkpoint": None},
    "test": None,
    "latest_checkpoint": None,
    "attempt": 1,
    "worker": "wrk_01k0a8m3x5v7w9y1z3b5d7f9h1",
    "device": "cpu",
    "waiting": None,
    "stopped": None,
    "parent": None,
    "sweep_id": None,
    "error": None,
    "created_at": "2026-11-21T12:00:00Z",
    "queued_at": "2026-11-21T12:00:00Z",
    "started_at": "2026-11-21T12:00:00.9Z",
    "finished_at": None,
    "version": 15,
}
JOB: dict[str, Any] = {**SUMMARY, "spec": SPEC, "resolved_spec": SPEC}
