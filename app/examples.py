"""An example of every reply for the OpenAPI document, by the name of its schema or by its media type.

Lists are made from what they list (`app/openapi.py`); bodies of requests stand at their routes.
"""

from typing import Any

from app.aliases.schemas import DETAIL, EXAMPLE
from app.datasets.schemas import EXAMPLE as DATASET
from app.jobs.examples import EPOCH, JOB, SPEC, SUMMARY
from app.lists import whole
from app.sweeps.examples import OVER, POINT, SWEEP, TABLE
from app.sweeps.examples import SUMMARY as SWEEP_SUMMARY
from app.weights.schemas import EXAMPLE as WEIGHTS

ULID = "01k0a8m3x5v7w9y1z3b5d7f9h1"
JOB_ID, CHECKPOINT_ID, KEY_ID, PROJECT_ID = f"job_{ULID}", f"ckpt_{ULID}", f"key_{ULID}", f"prj_{ULID}"
WORKER_ID, WEBHOOK_ID = f"wrk_{ULID}", f"wh_{ULID}"
NOON, LATER = "2026-11-21T12:00:00Z", "2026-11-21T12:00:01.25Z"

KEY: dict[str, Any] = {
    "id": KEY_ID,
    "object": "key",
    "name": "ci",
    "projects": [PROJECT_ID],
    "scopes": ["read", "write"],
    "created_at": NOON,
    "expires_at": "2027-01-01T00:00:00Z",
    "last_used_at": LATER,
    "revoked_at": None,
}
SECRET = "dsk_01k0a8m3x5v7w9y1z3b5d7f9h1_Vt9cJ2wq4mXz"
WEBHOOK: dict[str, Any] = {
    "id": WEBHOOK_ID,
    "object": "webhook",
    "name": "pager",
    "url": "https://receiver.example/descent",
    "events": ["job.succeeded", "job.failed"],
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "created_at": NOON,
}
LINEAR: dict[str, Any] = {"name": "1", "type": "Linear", "output_shape": [16], "parameters": 80}
ATTEMPT: dict[str, Any] = {
    "attempt": 2,
    "object": "attempt",
    "worker": WORKER_ID,
    "host": "trainer-1",
    "device": "cpu",
    "environment": {"torch": "2.13.0", "device": "cpu", "threads": 1},
    "started_at": NOON,
    "ended_at": None,
    "cause": None,
    "detail": None,
    "resumed_from": CHECKPOINT_ID,
    "steps_repeated": 3,
    "verdict": {"bit_exact": True},
}
QUEUE: dict[str, Any] = {
    "queue": "cpu",
    "queued": 3,
    "running": 2,
    "slots": 2,
    "oldest_queued_at": NOON,
    "reason": "capacity",
}
USAGE: dict[str, Any] = {
    "object": "usage",
    "project_id": PROJECT_ID,
    "name": "default",
    "jobs": 12,
    "device_seconds": 81.3,
    "attempts": 14,
    "checkpoint_bytes": 1048576,
    "dataset_bytes": 2400,
    "weights_bytes": 0,
}

BY_SCHEMA: dict[str, Any] = {
    "Job": JOB,
    "JobSummary": SUMMARY,
    "Epoch": EPOCH,
    "Step": {
        "seq": 18,
        "step": 61,
        "epoch": 13,
        "attempt": 1,
        "train_loss": 0.305,
        "learning_rates": [0.01],
        "gradient_norm": 1.6,
        "finished_at": LATER,
    },
    "Event": {
        "seq": 2,
        "type": "started",
        "level": "info",
        "message": "Attempt 1 trains on cpu.",
        "data": {"worker": WORKER_ID},
        "attempt": 1,
        "created_at": NOON,
    },
    "Attempt": ATTEMPT,
    "Log": {"object": "log", "job_id": JOB_ID, "attempt": 1, "lines": ["Traceback …"], "truncated": False},
    "Checkpoint": {
        "id": CHECKPOINT_ID,
        "object": "checkpoint",
        "job_id": JOB_ID,
        "epoch": 12,
        "step": 60,
        "attempt": 1,
        "bytes": 9876,
        "sha256": WEIGHTS["sha256"],
        "values": {"train_loss": 0.31, "validation_loss": 0.35},
        "reason": "interval",
        "is_latest": True,
        "is_best": True,
        "pinned": False,
        "created_at": LATER,
    },
    "Optimizer": {
        "object": "optimizer",
        "checkpoint": CHECKPOINT_ID,
        "type": "Adam",
        "defaults": {"lr": 0.01, "betas": [0.9, 0.999]},
        "groups": [{"index": 0, "lr": 0.01, "parameters": ["1.weight"]}],
        "state": {
            "1.weight": {
                "step": 60,
                "exp_avg": {"shape": [16, 4], "dtype": "float32", "norm": 0.1, "mean": 0.0, "min": -0.1, "max": 0.1},
            }
        },
    },
    "DryRun": {
        "resolved_spec": SPEC,
        "model": {
            "parameters": 403,
            "trainable_parameters": 403,
            "flops_per_sample": 736,
            "parameter_bytes": 1612,
            "optimizer_bytes": 3224,
            "activation_bytes": 3360,
            "layers": [LINEAR],
        },
        "groups": [{"index": 0, "parameters": ["1.weight", "1.bias"], "count": 80, "lr": 0.01}],
        "warnings": [],
    },
    "Feed": {
        "object": "list",
        "data": [{"kind": "epoch", "job_id": JOB_ID, "cursor": f"1041.{JOB_ID}.17", "epoch": EPOCH}],
        "cursor": f"1041.{JOB_ID}.17",
        "has_more": False,
    },
    "Comparison": {
        "object": "list",
        "x": "epoch",
        "data": [{"job_id": JOB_ID, "name": "a", "key": "train_loss", "x": [1, 2], "y": [1.1, 0.7]}],
        "has_more": False,
    },
    "Table": TABLE,
    "Sweep": SWEEP,
    "SweepSummary": SWEEP_SUMMARY,
    "SweepDryRun": {
        "object": "sweep_dry_run",
        "count": 4,
        "points": [POINT],
        "objective": SWEEP["objective"],
        "warnings": [{"pointer": next(iter(OVER)), "detail": "…"}],
    },
    "Schedule": {"points": [0, 1], "groups": [{"index": 0, "lr": [0.1, 0.1], "momentum": [0.9, 0.9]}]},
    "TrajectoryPoint": {"step": 0, "parameters": {"x": 2.0}, "gradients": {"x": 16.0}, "loss": 16.0},
    "Dataset": DATASET,
    "Weights": WEIGHTS,
    "Alias": DETAIL,
    "AliasSummary": EXAMPLE,
    "Project": {
        "id": PROJECT_ID,
        "object": "project",
        "name": "default",
        "quotas": {"jobs": 100},
        "retention_days": None,
        "created_at": NOON,
    },
    "Key": KEY,
    "SecretKey": KEY | {"secret": SECRET},
    "Token": {
        "id": KEY_ID,
        "object": "token",
        "secret": SECRET.replace("dsk", "dst"),
        "jobs": [JOB_ID],
        "sweep_id": None,
        "expires_at": "2026-11-21T13:00:00Z",
    },
    "AuditEntry": {
        "id": f"aud_{ULID}",
        "object": "audit",
        "key_id": KEY_ID,
        "method": "POST",
        "path": "/v1/jobs",
        "target": JOB_ID,
        "request_id": f"req_{ULID}",
        "created_at": NOON,
    },
    "Webhook": WEBHOOK,
    "SecretWebhook": WEBHOOK | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "Delivery": {
        "id": f"msg_{ULID}",
        "object": "webhook_delivery",
        "webhook_id": WEBHOOK_ID,
        "type": "job.succeeded",
        "subject": JOB_ID,
        "status": "delivered",
        "attempts": 1,
        "next_attempt_at": None,
        "last_attempt": {"status_code": 204},
        "payload": {"type": "job.succeeded", "timestamp": NOON, "data": SUMMARY},
        "created_at": NOON,
        "delivered_at": LATER,
    },
    "AttemptList": whole([ATTEMPT], "attempt"),
    "UsageList": whole([USAGE], "project_id") | {"by": "project", "from": "2026-10-22T12:00:00Z", "to": NOON},
    "Health": {"status": "ok"},
    "Readiness": {"status": "ready", "parts": {"database": {"ok": True, "detail": "answers"}}},
    "Me": {
        "object": "key",
        "id": KEY_ID,
        "name": "ci",
        "scopes": ["read", "write"],
        "projects": [{"id": PROJECT_ID, "name": "default"}],
        "default_project": PROJECT_ID,
        "expires_at": None,
        "quotas": {"jobs": {"limit": 100, "used": 3}},
    },
    "Worker": {
        "id": WORKER_ID,
        "object": "worker",
        "host": "trainer-1",
        "pid": 4711,
        "queue": "cpu",
        "device": "cpu",
        "slots": 2,
        "labels": [],
        "state": "active",
        "environment": {"torch": "2.13.0"},
        "started_at": NOON,
        "heartbeat_at": LATER,
        "jobs": [JOB_ID],
    },
    "Queue": QUEUE,
    "QueueList": whole([QUEUE], "queue") | {"paused_at": None},
    "Catalog": {
        "object": "catalog",
        **{kind: [] for kind in ("schedulers", "models", "layers", "losses", "metrics", "preprocessors")},
        "optimizers": [{"type": "Adam", "description": "torch.optim.Adam", "schema": {"type": "object"}}],
    },
}
BY_MEDIA_TYPE: dict[str, str] = {
    "text/csv": "seq,epoch,train_loss\n17,12,0.31\n",
    "text/event-stream": 'id: 17\nevent: epoch\ndata: {"seq":17,"epoch":12,"train_loss":0.31}\n\n',
    "text/x-python": '"""The run as plain PyTorch."""\nimport torch\n',
    "text/html": "<!doctype html>\n<title>Descent</title>\n",
    "text/css": "body { margin: 0 }\n",
    "text/javascript": "export {}\n",
    "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg"/>\n',
    "application/zip": "(the bytes of a zip archive)",
    "application/octet-stream": "(the bytes of a safetensors file)",
}
