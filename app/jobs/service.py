"""What can be done with jobs. Services flush; the edge commits."""

from collections.abc import Sequence
from typing import Any

from app.database import ProjectSession
from app.errors import Conflict, NotFound
from app.ids import new_id
from app.jobs import repository, waiting
from app.jobs.documents import entity_tag, job_document
from app.jobs.journal import record_event
from app.jobs.repository import Filters, Row
from app.jobs.submitted import Submission
from app.lists import page
from app.weights.references import hold

Document = dict[str, Any]


def add(session: ProjectSession, submission: Submission, **columns: Any) -> str:
    """A new queued job, with what its spec does not say of it; its id."""
    assert session.project_id is not None
    job_id = new_id("job")
    if submission.weights is not None:
        hold(session, submission.weights)
    values = submission.values() | columns
    repository.insert_job(session, {"id": job_id, "project_id": session.project_id, "status": "queued", **values})
    record_event(session, job_id, "queued", "The job is in the queue.", data={"queue": values["queue"]})
    return job_id


def find(session: ProjectSession, job_id: str, *, lock: bool = False) -> Row:
    """Raises NotFound, also for another project's job."""
    row = repository.get_job(session, job_id, lock=lock)
    if row is None:
        raise NotFound("There is no such job.")
    return row


def show(session: ProjectSession, job_id: str) -> tuple[Document, str]:
    """The job and its entity tag."""
    row = find(session, job_id)
    reasons = waiting.explain(session, [row])
    latest = repository.latest_epochs(session, [job_id])
    reason = reasons.get(job_id)
    return job_document(row, latest.get(job_id), reason), entity_tag(row["version"], reason)


def listing(
    session: ProjectSession, filters: Filters, *, after: str | None, limit: int, newest_first: bool, full: bool
) -> Document:
    rows = repository.list_jobs(session, filters, after=after, limit=limit, newest_first=newest_first, full=full)
    return page(documents(session, rows, full=full), limit)


def documents(session: ProjectSession, rows: Sequence[Row], *, full: bool) -> list[Document]:
    reasons = waiting.explain(session, rows)
    latest = repository.latest_epochs(session, [row["id"] for row in rows])
    return [job_document(row, latest.get(row["id"]), reasons.get(row["id"]), full=full) for row in rows]


def not_allowed(verb: str, status: str) -> Conflict:
    return Conflict(f"A job that is {status} cannot be {verb}.", code="state_conflict")
