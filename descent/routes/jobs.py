"""Jobs: submit, list, look at, move."""

import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from descent.errors import JobFailed, WaitTimeout
from descent.transport import Routes, document
from descent.types import ENDED, DryRun, Job, Page, Spec, Status

JobRef: TypeAlias = str | Job
"""An id, or a job as the service gave it."""
Order: TypeAlias = Literal["asc", "desc"]
View: TypeAlias = Literal["summary", "full"]

PAGE_JOBS = 200
HOLD_SECONDS = 30.0
"""How long one request of a wait is held; the contract allows 60."""
LONG_PATIENCE = 300.0
"""Who follows a job for hours outlives a restart of the service."""


def job_path(job: JobRef) -> str:
    return f"/v1/jobs/{job if isinstance(job, str) else job['id']}"


class JobRoutes(Routes):
    def submit(self, spec: Spec, *, idempotency_key: str | None = None) -> Job:
        """Queue a job. Safe to try again: with a key of its own, whatever is lost on the way makes one job."""
        headers = {"Idempotency-Key": idempotency_key or f"descent-{uuid.uuid4()}"}
        return cast(Job, self.transport.post("/v1/jobs", dict(spec), headers=headers))

    def dry_run(self, spec: Spec) -> DryRun:
        """What the spec means: resolved, with the model's layers and the optimizer's groups. Nothing is stored."""
        return cast(DryRun, self.transport.post("/v1/jobs", dict(spec), query={"dry_run": True}))

    def job(self, job: JobRef) -> Job:
        return cast(Job, self.transport.get(job_path(job)))

    def job_changed(self, job: JobRef, since: int | None = None, *, hold: float = HOLD_SECONDS) -> Job:
        """The job once its `version` is past `since` (default: that of the job given), or after `hold` seconds."""
        seen = since if since is not None or isinstance(job, str) else job["version"]
        query = {"wait": hold, "since": seen}
        return cast(Job, self.transport.get(job_path(job), query, hold=hold, patience=self.long_patience))

    @property
    def long_patience(self) -> float:
        return max(self.transport.patience, LONG_PATIENCE) if self.transport.patience else 0.0

    def wait(
        self,
        job: JobRef,
        *,
        timeout: float | None = None,
        until: Collection[Status | str] = ENDED,
        check: bool = False,
    ) -> Job:
        """The job when it has a status of `until` (default: it has ended).

        Raises WaitTimeout after `timeout` seconds and, with `check`, JobFailed for one that failed or was cancelled.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        found = self.job(job)
        while found["status"] not in until:
            left = HOLD_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout(f"{found['id']} is still {found['status']} after {timeout:g} s")
            if found["status"] in ENDED:
                time.sleep(min(1.0, left))  # an ended job is answered at once: only a resume changes it
            found = self.job_changed(found, hold=min(HOLD_SECONDS, left))
        if check and found["status"] in ("failed", "cancelled"):
            raise JobFailed(found)
        return found

    def jobs_page(
        self,
        *,
        after: str | None = None,
        limit: int = 20,
        order: Order = "desc",
        status: Status | Sequence[Status] = (),
        metadata: Mapping[str, str] | None = None,
        sweep_id: str | None = None,
        q: str | None = None,
        view: View = "summary",
    ) -> Page[Job]:
        """At most `limit` (≤ 200) jobs, the newest first; `metadata` narrows to jobs that carry all its pairs."""
        query: dict[str, Any] = {
            "after": after,
            "limit": limit,
            "order": order,
            "status": [status] if isinstance(status, str) else list(status),
            "sweep_id": sweep_id,
            "q": q,
            "view": view,
            **{f"metadata[{key}]": value for key, value in (metadata or {}).items()},
        }
        return cast(Page[Job], self.transport.get("/v1/jobs", query))

    def jobs(
        self,
        *,
        limit: int | None = None,
        order: Order = "desc",
        status: Status | Sequence[Status] = (),
        metadata: Mapping[str, str] | None = None,
        sweep_id: str | None = None,
        q: str | None = None,
        view: View = "summary",
    ) -> Iterator[Job]:
        """All jobs, or the first `limit`, fetched page by page as they are asked for."""
        after, left = None, limit
        while left is None or left > 0:
            page = self.jobs_page(
                after=after,
                limit=PAGE_JOBS if left is None else min(left, PAGE_JOBS),
                order=order,
                status=status,
                metadata=metadata,
                sweep_id=sweep_id,
                q=q,
                view=view,
            )
            yield from page["data"]
            if not page["has_more"]:
                return
            after, left = page["last_id"], None if left is None else left - len(page["data"])

    def update(
        self,
        job: JobRef,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        priority: int | None = None,
        epochs: int | None = None,
        if_version: int | None = None,
    ) -> Job:
        """Change what is given: `metadata` replaces the whole, `epochs` is how many there shall be in all.

        Raises PreconditionFailed when `if_version` is past.
        """
        given = {"name": name, "metadata": metadata, "priority": priority, "epochs": epochs}
        body = {key: value for key, value in given.items() if value is not None}
        headers = {} if if_version is None else {"If-Match": f'"{if_version}"'}
        options: dict[str, Any] = {"headers": headers, "repeatable": if_version is None}
        return cast(Job, document(self.transport.request("PATCH", job_path(job), body=body, **options)))

    def cancel(self, job: JobRef) -> Job:
        """End it. A running one stops at its next step: `wait` for that. Raises Conflict for one that has ended."""
        return self._move(job, "cancel")

    def pause(self, job: JobRef) -> Job:
        """Save a checkpoint at the next step boundary and free the slot."""
        return self._move(job, "pause")

    def resume(self, job: JobRef, checkpoint: str | None = None) -> Job:
        """Go on with a paused, failed or cancelled job at its latest checkpoint, or at the one named."""
        return self._move(job, "resume", {"checkpoint": checkpoint} if checkpoint is not None else None)

    def _move(self, job: JobRef, move: str, body: Any = None) -> Job:
        return cast(Job, self.transport.post(f"{job_path(job)}/{move}", body))  # a repeat is a no-op

    def delete(self, job: JobRef) -> None:
        """Remove an ended job with its rows and checkpoints."""
        self.transport.request("DELETE", job_path(job), repeatable=False)  # a repeat would be told 404
