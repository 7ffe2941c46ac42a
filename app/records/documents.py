"""The rows of a job as the contract shows them. Plain dicts: thousands of them are made for one answer."""

from typing import Any

from sqlalchemy import RowMapping

from app.rendering import number, numbers

Row = RowMapping


def epoch_document(row: Row) -> dict[str, Any]:
    """Floats are float8 and come back to the bit; those that are not finite as words."""
    return {
        "seq": row["seq"],
        "epoch": row["epoch"],
        "attempt": row["attempt"],
        "phase": row["phase"],
        "train_loss": number(row["train_loss"]),
        "validation_loss": number(row["validation_loss"]),
        "metrics": row["metrics"],
        "learning_rates": numbers(row["learning_rates"]),
        "gradient_norm": number(row["gradient_norm"]),
        "samples": row["samples"],
        "duration_seconds": row["duration_seconds"],
        "samples_per_second": number(row["samples_per_second"]),
        **(row["extra"] or {}),
        "finished_at": row["finished_at"],
    }


def step_document(row: Row) -> dict[str, Any]:
    document = {
        "seq": row["seq"],
        "step": row["step"],
        "epoch": row["epoch"],
        "attempt": row["attempt"],
        "train_loss": number(row["train_loss"]),
        "learning_rates": numbers(row["learning_rates"]),
        "gradient_norm": number(row["gradient_norm"]),
        "finished_at": row["finished_at"],
    }
    if row["validation_loss"] is not None:
        document["validation_loss"] = number(row["validation_loss"])
    return document


def event_document(row: Row) -> dict[str, Any]:
    return {key: row[key] for key in ("seq", "type", "level", "message", "data", "attempt", "created_at")}


def attempt_document(row: Row) -> dict[str, Any]:
    return {
        "attempt": row["attempt"],
        "object": "attempt",
        "worker": row["worker_id"],
        "host": row["host"],
        "device": row["device"],
        "environment": row["environment"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"],
        "cause": row["cause"],
        "detail": row["detail"],
        "resumed_from": row["resumed_from"],
        "steps_repeated": row["steps_repeated"],
        "verdict": row["verdict"],
    }
