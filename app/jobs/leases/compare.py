"""A job against the one that it trains again: row by row, and the weights at the end."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.jobs.leases.fence import Lease
from app.models import Attempt, Checkpoint, Job

COLUMNS = (
    "phase", "train_loss", "validation_loss", "metrics", "learning_rates", "gradient_norm", "samples", "extra",
)  # fmt: skip

# A float's text is its shortest exact form: equal text, equal bits, the sign of zero and NaN included.
VALUES = "jsonb_build_object({})".format(
    ", ".join(
        f"'{column}', "
        + (
            f"coalesce((CAST({column} AS jsonb) - 'environment_differs')::text, '{{}}')"
            if column == "extra"
            else f"CAST({column} AS text)"
        )
        for column in COLUMNS
    )
)
DIFFERENT = text(f"""
WITH original AS (SELECT epoch, {VALUES} AS row FROM epoch WHERE job_id = :original),
  again AS (SELECT epoch, {VALUES} AS row FROM epoch WHERE job_id = :again)
SELECT epoch, original.row AS recorded, again.row AS repeated
FROM original FULL JOIN again USING (epoch)
WHERE original.row IS DISTINCT FROM again.row ORDER BY epoch LIMIT 1
""")


def verdict(session: Session, lease: Lease, weights: dict[str, Any]) -> dict[str, Any]:
    """`weights`: {"job_id", "recorded", "repeated"}, the SHA-256 of both models at their ends."""
    original = weights["job_id"]
    differs = environment_differs(session, original, lease.job_id)
    found: dict[str, Any] = {"job_id": original, "verdict": None, "first_difference": None}
    found |= {"environment_differs": bool(differs), "environment": differs}
    if weights["recorded"] is None or session.get(Job, original) is None:
        return found | {"detail": "the original or its last checkpoint is gone: there is nothing to compare with"}
    difference = first_difference(session, original, lease.job_id)
    if difference is None and weights["recorded"] != weights["repeated"]:
        difference = {"weights_sha256": None, "recorded": weights["recorded"], "repeated": weights["repeated"]}
    verdict = "bit_exact" if difference is None else "differs"
    return found | {"verdict": verdict, "first_difference": difference, "weights_sha256": weights["repeated"]}


def first_difference(session: Session, original: str, again: str) -> dict[str, Any] | None:
    row = session.execute(DIFFERENT, {"original": original, "again": again}).mappings().first()
    if row is None:
        return None
    recorded, repeated = row["recorded"], row["repeated"]
    if recorded is None or repeated is None:
        missing = "recorded" if recorded is None else "repeated"
        return {"epoch": row["epoch"], "column": None, "missing": missing}
    column = next(name for name in COLUMNS if recorded[name] != repeated[name])
    return {"epoch": row["epoch"], "column": column, "recorded": recorded[column], "repeated": repeated[column]}


def environment_differs(session: Session, original: str, again: str) -> list[str]:
    """What is not the same of the environments that the two ended in."""
    theirs, mine = environment(session, original), environment(session, again)
    return sorted(key for key in {*theirs, *mine} if theirs.get(key) != mine.get(key))


def environment(session: Session, job_id: str) -> dict[str, Any]:
    statement = (
        select(Attempt.environment)
        .where(Attempt.job_id == job_id, Attempt.environment.is_not(None))
        .order_by(Attempt.attempt.desc())
        .limit(1)
    )
    return session.scalar(statement) or {}


def newest_file(session: Session, job_id: str) -> str | None:
    """The path of a job's latest checkpoint in the store."""
    statement = select(Checkpoint.path).join(Job, Job.latest_checkpoint_id == Checkpoint.id).where(Job.id == job_id)
    return session.scalar(statement)
