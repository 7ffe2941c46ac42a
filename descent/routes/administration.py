"""Projects, keys, tokens and the audit trail."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from descent.transport import Routes, document
from descent.types import AuditEntry, Key, Project, SecretKey, Token

Scope: TypeAlias = Literal["read", "write", "admin"]


class AdministrationRoutes(Routes):
    def projects(self) -> Iterator[Project]:
        """The key's projects."""
        return cast(Iterator[Project], self._pages("/v1/projects"))

    def create_project(
        self, name: str, *, quotas: Mapping[str, int] | None = None, retention_days: int | None = None
    ) -> Project:
        """Takes a key for all projects. Raises Conflict when the name is taken."""
        body = {"name": name, "quotas": dict(quotas or {}), "retention_days": retention_days}
        return cast(Project, self.transport.post("/v1/projects", body, repeatable=False))

    def project(self, project_id: str) -> Project:
        return cast(Project, self.transport.get(f"/v1/projects/{project_id}"))

    def update_project(
        self,
        project_id: str,
        *,
        name: str | None = None,
        quotas: Mapping[str, int] | None = None,
        retention_days: int | None = None,
    ) -> Project:
        """`quotas` replaces them all. `retention_days` 0: jobs are kept for ever."""
        body: dict[str, Any] = {} if name is None else {"name": name}
        if quotas is not None:
            body["quotas"] = dict(quotas)
        if retention_days is not None:
            body["retention_days"] = retention_days or None
        return cast(Project, document(self.transport.request("PATCH", f"/v1/projects/{project_id}", body=body)))

    def delete_project(self, project_id: str) -> None:
        """With its jobs, which must all have ended."""
        self.transport.request("DELETE", f"/v1/projects/{project_id}", repeatable=False)

    def keys(self) -> Iterator[Key]:
        """Without their secrets."""
        return cast(Iterator[Key], self._pages("/v1/keys"))

    def create_key(
        self,
        name: str,
        *,
        scopes: Sequence[Scope] = ("read", "write"),
        projects: Sequence[str] | Literal["*"] = "*",
        expires_at: str | None = None,
    ) -> SecretKey:
        """Its `secret` stands in this answer only. `expires_at`: RFC 3339."""
        allowed = projects if isinstance(projects, str) else list(projects)
        body = {"name": name, "scopes": list(scopes), "projects": allowed, "expires_at": expires_at}
        return cast(SecretKey, self.transport.post("/v1/keys", body, repeatable=False))

    def key(self, key_id: str) -> Key:
        return cast(Key, self.transport.get(f"/v1/keys/{key_id}"))

    def rotate_key(self, key_id: str) -> SecretKey:
        """A new secret under the same id; the old one is dead at once."""
        return cast(SecretKey, self.transport.post(f"/v1/keys/{key_id}/rotate", repeatable=False))

    def revoke_key(self, key_id: str) -> None:
        self.transport.request("DELETE", f"/v1/keys/{key_id}")

    def create_token(
        self, jobs: Sequence[str] | None = None, *, sweep_id: str | None = None, expires_in: int = 86_400
    ) -> Token:
        """Reads some jobs, or a sweep, for `expires_in` seconds (≤ 7 days); works as `?token=` of a link too."""
        what = {"sweep_id": sweep_id} if jobs is None else {"jobs": list(jobs)}
        body = {**what, "expires_in": expires_in}
        return cast(Token, self.transport.post("/v1/tokens", body))

    def audit(self) -> Iterator[AuditEntry]:
        """Who wrote what in the project, the newest first."""
        return cast(Iterator[AuditEntry], self._pages("/v1/audit"))

    def _pages(self, path: str) -> Iterator[Any]:
        after: str | None = None
        while True:
            page = self.transport.get(path, {"after": after, "limit": 200})
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["data"][-1]["id"]
