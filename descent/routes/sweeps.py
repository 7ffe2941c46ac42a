"""Sweeps: one job for each point of a grid, of random draws, or of a tournament."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from descent.errors import WaitTimeout
from descent.transport import Query, Routes
from descent.types import Page, Sweep, SweepDryRun, SweepSummary, SweepTable

SweepRef: TypeAlias = str | Sweep | SweepSummary
LOOK_SECONDS = 1.0


def sweep_path(sweep: SweepRef) -> str:
    return f"/v1/sweeps/{sweep if isinstance(sweep, str) else sweep['id']}"


class SweepRoutes(Routes):
    def submit_sweep(self, sweep: Mapping[str, Any], *, idempotency_key: str | None = None) -> Sweep:
        """Queue a job for each point of `{"spec", "over", "search", "objective", ...}`. Safe to try again."""
        headers = {"Idempotency-Key": idempotency_key or f"descent-{uuid.uuid4()}"}
        return cast(Sweep, self.transport.post("/v1/sweeps", dict(sweep), headers=headers, hold=120.0))

    def dry_run_sweep(self, sweep: Mapping[str, Any]) -> SweepDryRun:
        """The points that there would be. Nothing is stored."""
        found = self.transport.post("/v1/sweeps", dict(sweep), query={"dry_run": True}, hold=120.0)
        return cast(SweepDryRun, found)

    def sweeps(self) -> Iterator[SweepSummary]:
        """All, the newest first."""
        after: str | None = None
        while True:
            page = cast(Page[SweepSummary], self.transport.get("/v1/sweeps", {"after": after, "limit": 200}))
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]

    def sweep(self, sweep: SweepRef) -> Sweep:
        """With its points, in their order."""
        return cast(Sweep, self.transport.get(sweep_path(sweep)))

    def wait_sweep(self, sweep: SweepRef, *, timeout: float | None = None) -> Sweep:
        """The sweep when all its points have ended. Raises WaitTimeout after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (found := self.sweep(sweep))["status"] == "running":
            if deadline is not None and time.monotonic() > deadline:
                raise WaitTimeout(f"{found['id']} is still running after {timeout:g} s")
            time.sleep(LOOK_SECONDS)
        return found

    def cancel_sweep(self, sweep: SweepRef) -> Sweep:
        """Cancel every point that has not ended."""
        return cast(Sweep, self.transport.post(f"{sweep_path(sweep)}/cancel"))

    def sweep_table(
        self, sweep: SweepRef, *, by: Sequence[str] = (), over: Sequence[str] = (), target: float | None = None
    ) -> SweepTable:
        """The objective for each value of the pointers `by`, pooled `over` others: mean, 95% interval, differences."""
        return cast(SweepTable, self.transport.get(f"{sweep_path(sweep)}/table", table_query(by, over, target)))

    def sweep_table_csv(
        self, sweep: SweepRef, *, by: Sequence[str] = (), over: Sequence[str] = (), target: float | None = None
    ) -> str:
        query = {**table_query(by, over, target), "format": "csv"}
        return self.transport.request("GET", f"{sweep_path(sweep)}/table", query=query).text


def table_query(by: Sequence[str], over: Sequence[str], target: float | None) -> Query:
    return {"by": list(by), "over": list(over), "target": target}
