"""The service itself: whether it is well, who asks, who works, what waits."""

from typing import Any, Literal, cast

from descent.errors import Unavailable
from descent.transport import Routes, document


class OperatingRoutes(Routes):
    def healthy(self) -> bool:
        """The API's process answers. Raises NotReachable when nothing does."""
        return bool(self.transport.request("GET", "/healthz", patience=0).is_success)

    def ready(self) -> bool:
        """Database, broker, migrations and a worker of each kind are there."""
        try:
            return bool(self.transport.request("GET", "/readyz", patience=0).is_success)
        except Unavailable:
            return False

    def me(self) -> dict[str, Any]:
        """The key's projects and scopes."""
        return cast(dict[str, Any], self.transport.get("/v1/me"))

    def usage(
        self, by: Literal["project", "key", "job"] = "project", *, since: str | None = None, until: str | None = None
    ) -> list[dict[str, Any]]:
        """Device seconds from `since` to `until` (RFC 3339; the last 30 days), and bytes stored now."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            query = {"by": by, "from": since, "to": until, "after": after, "limit": 200}
            page = self.transport.get("/v1/usage", query)
            found += page["data"]
            if not page["has_more"]:
                return found
            after = page["data"][-1]["job_id" if by == "job" else "project_id"]

    def workers(self) -> list[dict[str, Any]]:
        """Who is alive, on which device, doing what."""
        return cast(list[dict[str, Any]], self.transport.get("/v1/workers")["data"])

    def command_worker(self, worker_id: str, command: Literal["cordon", "uncordon", "drain"]) -> dict[str, Any]:
        """Cordon: it takes no new jobs. Uncordon: it does again. Drain: it puts its jobs aside and takes no others."""
        return cast(dict[str, Any], self.transport.post(f"/v1/workers/{worker_id}/{command}"))

    def queues(self) -> list[dict[str, Any]]:
        """How long each queue is, and why."""
        return cast(list[dict[str, Any]], self.transport.get("/v1/queue")["data"])

    def pause_queue(self) -> list[dict[str, Any]]:
        """No queued job starts from now on; those that run go on. Takes an admin key for all projects."""
        return cast(list[dict[str, Any]], self.transport.post("/v1/queue/pause")["data"])

    def resume_queue(self) -> list[dict[str, Any]]:
        """Queued jobs start again."""
        return cast(list[dict[str, Any]], self.transport.post("/v1/queue/resume")["data"])

    def catalog(self) -> dict[str, Any]:
        """What a spec may name, by kind: `{"optimizers": [{"type", "description", "schema"}, ...], ...}`."""
        return cast(dict[str, Any], self.transport.get("/v1/catalog"))

    def metrics(self) -> str:
        """Figures of the whole service as Prometheus reads them; takes a key for all projects."""
        return self.transport.request("GET", "/metrics").text

    def openapi(self) -> dict[str, Any]:
        return cast(dict[str, Any], document(self.transport.request("GET", "/openapi.json")))
