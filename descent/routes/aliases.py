"""Names on checkpoints, such as `fraud-production`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from descent.routes.export import ExportRoutes
from descent.routes.jobs import JobRef
from descent.transport import document
from descent.types import Alias, AliasSummary, Page


def if_version(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}


class AliasRoutes(ExportRoutes):
    def aliases(self) -> Iterator[AliasSummary]:
        """All of the project, in the order of the alphabet."""
        after: str | None = None
        while True:
            page = cast(Page[AliasSummary], self.transport.get("/v1/aliases", {"after": after, "limit": 200}))
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]

    def alias(self, name: str) -> Alias:
        """What the name stands for, with its history."""
        return cast(Alias, self.transport.get(f"/v1/aliases/{name}"))

    def save_alias_bundle(self, name: str, path: Path | str | None = None) -> Path:
        """The bundle of the checkpoint that the name stands for now, into a file. Where it is."""
        return self._download(f"/v1/aliases/{name}/bundle", path, {})

    def put_alias(
        self, name: str, checkpoint: str, job: JobRef | None = None, *, if_version_is: int | None = None
    ) -> Alias:
        """Let the name stand for a checkpoint: an id, or the `latest` or `best` of `job` as of now.

        Raises PreconditionFailed where the alias is not at `if_version_is`.
        """
        body = {"checkpoint": checkpoint, "job_id": job if job is None or isinstance(job, str) else job["id"]}
        options: dict[str, Any] = {"headers": if_version(if_version_is), "repeatable": if_version_is is None}
        return cast(Alias, document(self.transport.request("PUT", f"/v1/aliases/{name}", body=body, **options)))

    def delete_alias(self, name: str, *, if_version_is: int | None = None) -> None:
        """Take the name off; its checkpoint stays, pinned."""
        headers = if_version(if_version_is)
        self.transport.request("DELETE", f"/v1/aliases/{name}", headers=headers, repeatable=False)
