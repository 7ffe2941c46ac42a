"""What is made of a job that has run: forks and reproductions."""

import uuid
from collections.abc import Mapping
from typing import Any, cast

from descent.routes.jobs import JobRef, job_path
from descent.transport import Routes
from descent.types import Job


class RunRoutes(Routes):
    def fork(
        self,
        job: JobRef,
        changes: Mapping[str, Any] | None = None,
        *,
        checkpoint: str = "latest",
        idempotency_key: str | None = None,
    ) -> Job:
        """A new job that goes on from a checkpoint of this one, its spec changed by a JSON merge patch."""
        body = {"checkpoint": checkpoint, "spec": dict(changes or {})}
        return self._made(job, "fork", body, idempotency_key)

    def reproduce(self, job: JobRef, *, idempotency_key: str | None = None) -> Job:
        """The same job again, to be compared row by row with this one."""
        return self._made(job, "reproduce", None, idempotency_key)

    def _made(self, job: JobRef, verb: str, body: Any, idempotency_key: str | None) -> Job:
        headers = {"Idempotency-Key": idempotency_key or f"descent-{uuid.uuid4()}"}
        return cast(Job, self.transport.post(f"{job_path(job)}/{verb}", body, headers=headers))
