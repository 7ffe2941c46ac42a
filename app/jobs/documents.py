"""A job as the contract shows it, made from its row."""

import zlib
from typing import Any

from app.jobs.lifecycle import HOLDING_LEASE
from app.jobs.repository import Row
from app.records.documents import epoch_document
from app.rendering import render


def job_document(job: Row, latest: Row | None, waiting: dict[str, Any] | None, *, full: bool = True) -> dict[str, Any]:
    """The document; a summary leaves out both specs."""
    specs = {"spec": job["spec"], "resolved_spec": job["resolved_spec"]} if full else {}
    parent = {"job_id": job["parent_job_id"], "checkpoint_id": job["parent_checkpoint_id"]}
    return {
        "id": job["id"],
        "object": "job",
        "name": job["name"],
        "status": job["status"],
        "activity": job["activity"],
        **specs,
        "spec_sha256": job["spec_sha256"],
        "seed": job["seed"],
        "metadata": job["metadata"],
        "priority": job["priority"],
        "progress": progress(job, latest),
        "latest": None if latest is None else epoch_document(latest),
        "best": None if job["best"] is None else {**job["best"], "checkpoint": job["best_checkpoint_id"]},
        "test": job["test"],
        "latest_checkpoint": job["latest_checkpoint_id"],
        "attempt": job["attempt"],
        "worker": job["worker_id"],
        "device": job["device"],
        "waiting": waiting,
        "stopped": job["stopped"],
        "parent": parent if job["parent_job_id"] is not None else None,
        "sweep_id": job["sweep_id"],
        "error": job["error"],
        **({} if job["reproduction"] is None else {"reproduction": job["reproduction"]}),
        "created_at": job["created_at"],
        "queued_at": job["queued_at"],
        "started_at": job["started_at"],
        "finished_at": job["finished_at"],
        "version": job["version"],
    }


def progress(job: Row, latest: Row | None) -> dict[str, Any]:
    """How far it is. `eta_seconds` goes by the newest epoch's pace and is null while that is not known."""
    told = job["progress"]
    step, steps, epochs = told.get("step", 0), told.get("steps"), job["epochs"]
    if job["status"] == "succeeded" and job["stopped"] is None:
        fraction = 1.0
    elif steps:
        fraction = min(1.0, step / steps)
    else:
        fraction = min(1.0, told.get("epoch", 0) / epochs) if epochs else 0.0
    eta = None
    if latest is not None and job["status"] in HOLDING_LEASE:
        eta = round((1 - fraction) * epochs * latest["duration_seconds"], 1)
    return {
        "epoch": told.get("epoch", 0),
        "epochs": epochs,
        "step": step,
        "steps": steps,
        "phase": told.get("phase", 0),
        "fraction": round(fraction, 4),
        "eta_seconds": eta,
    }


def entity_tag(version: int, waiting: dict[str, Any] | None) -> str:
    """`"12"`; a queued job's also changes with the reason it waits for, which no version counts."""
    return f'"{version}"' if waiting is None else f'"{version}-{zlib.crc32(render(waiting)):08x}"'


def tag_version(tag: str) -> int | None:
    """The version in an entity tag; None when it is not one of ours."""
    digits = tag.strip().removeprefix("W/").strip('"').partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
