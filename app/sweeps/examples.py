"""Examples for the OpenAPI document."""

from typing import Any

from app.jobs.examples import SPEC

OVER: dict[str, Any] = {"/optimizer/lr": [0.1, 0.01], "/seed": {"range": [0, 2]}}
NEW_SWEEP: dict[str, Any] = {
    "spec": SPEC,
    "over": OVER,
    "search": "grid",
    "objective": {"monitor": "validation_loss", "mode": "min"},
    "max_parallel": 2,
}
BEST: dict[str, Any] = {"value": 0.21, "epoch": 19}
POINT: dict[str, Any] = {"/optimizer/lr": 0.1, "/seed": 0}
JOB_ID = "job_01k0a8m3x5v7w9y1z3b5d7f9h1"
SUMMARY: dict[str, Any] = {
    "id": "swp_01k0a8m3x5v7w9y1z3b5d7f9h1",
    "object": "sweep",
    "name": "iris-mlp-adam",
    "status": "running",
    "counts": {
        "points": 4,
        "queued": 2,
        "running": 1,
        "pausing": 0,
        "paused": 0,
        "cancelling": 0,
        "cancelled": 0,
        "succeeded": 1,
        "failed": 0,
    },
    "best": {"job_id": JOB_ID, "point": POINT, **BEST},
    "search": {"type": "grid"},
    "objective": {"monitor": "validation_loss", "mode": "min"},
    "max_parallel": 2,
    "created_at": "2026-11-21T12:00:00Z",
    "finished_at": None,
}
SWEEP: dict[str, Any] = {
    **SUMMARY,
    "spec": SPEC,
    "over": OVER,
    "points": [{"job_id": JOB_ID, "point": POINT, "status": "succeeded", "best": BEST, "stopped": None}],
}
STATISTICS: dict[str, Any] = {"n": 2, "mean": 0.22, "deviation": 0.014142135623730963, "interval": [0.0929, 0.3471]}
TABLE: dict[str, Any] = {
    "object": "table",
    "sweep_id": SUMMARY["id"],
    "by": ["/optimizer/lr"],
    "over": ["/seed"],
    "objective": SUMMARY["objective"],
    "target": None,
    "rows": [{"value": 0.1, "points": 2, **STATISTICS, "target": None, "difference_to_best": None}],
    "differences": [{"a": 0.1, "b": 0.01, "n": 2, "mean": -0.1, "deviation": 0.0, "interval": [-0.1, -0.1]}],
}
