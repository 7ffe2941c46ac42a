"""A job's rows: epochs, steps, events, attempts, logs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from descent.routes.jobs import HOLD_SECONDS, JobRef, JobRoutes, job_path
from descent.transport import Parameter, Query
from descent.types import ENDED, Attempt, EpochRow, Event, Log, Rows, Series, StepRow

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]

Axis: TypeAlias = Literal["epoch", "step", "samples", "seconds"]
PAGE_ROWS = 1000
CSV_ROWS = 10_000


class RowRoutes(JobRoutes):
    def epochs_page(
        self, job: JobRef, *, after_seq: int = 0, limit: int = PAGE_ROWS, hold: float = 0, max_points: int | None = None
    ) -> Rows[EpochRow]:
        """Rows with a greater seq; `hold` waits so many seconds (≤ 60) for one; `max_points` thins the whole run."""
        return cast(Rows[EpochRow], self._rows(job, "epochs", after_seq, limit, hold, max_points))

    def epochs(self, job: JobRef, *, after_seq: int = 0) -> list[EpochRow]:
        """All rows so far, by ascending seq."""
        return cast(list[EpochRow], list(self._all(job, "epochs", after_seq)))

    def epochs_follow(self, job: JobRef, *, after_seq: int = 0) -> Iterator[EpochRow]:
        """Rows as they are written, until the job has ended; each once, over interruptions on either side.

        An epoch that comes out different when it is trained again after an interruption comes again, with a new seq.
        """
        return cast(Iterator[EpochRow], self._follow(job, "epochs", after_seq))

    def epochs_csv(self, job: JobRef) -> str:
        """The rows as a table, nested values in columns named with dots (`metrics.train_accuracy`)."""
        lines: list[str] = []
        after_seq, more = 0, True
        while more:
            query: dict[str, Parameter] = {"format": "csv", "limit": CSV_ROWS, "after_seq": after_seq}
            page = self.transport.request("GET", f"{job_path(job)}/epochs", query=query).text.splitlines(keepends=True)
            lines += page[1:] if lines else page
            more = len(page) > CSV_ROWS
            after_seq = int(page[-1].partition(",")[0]) if more else after_seq
        return "".join(lines)

    def epochs_frame(self, job: JobRef) -> "pandas.DataFrame":
        """The rows as a pandas table by epoch, metrics in columns of their own. Needs pandas."""
        import pandas

        rows = [{**row, **row["metrics"]} for row in self.epochs(job)]
        frame = pandas.DataFrame(rows, columns=None if rows else ["epoch", "train_loss", "validation_loss"])
        return frame.drop(columns="metrics", errors="ignore").drop_duplicates("epoch", keep="last").set_index("epoch")

    def steps_page(
        self, job: JobRef, *, after_seq: int = 0, limit: int = PAGE_ROWS, hold: float = 0, max_points: int | None = None
    ) -> Rows[StepRow]:
        """The step series (a row each `log_every_steps`), as `epochs_page`."""
        return cast(Rows[StepRow], self._rows(job, "steps", after_seq, limit, hold, max_points))

    def steps(self, job: JobRef, *, after_seq: int = 0) -> list[StepRow]:
        return cast(list[StepRow], list(self._all(job, "steps", after_seq)))

    def steps_follow(self, job: JobRef, *, after_seq: int = 0) -> Iterator[StepRow]:
        return cast(Iterator[StepRow], self._follow(job, "steps", after_seq))

    def events_page(self, job: JobRef, *, after_seq: int = 0, limit: int = PAGE_ROWS, hold: float = 0) -> Rows[Event]:
        """What happened to the job, as `epochs_page`."""
        return cast(Rows[Event], self._rows(job, "events", after_seq, limit, hold))

    def events(self, job: JobRef, *, after_seq: int = 0) -> list[Event]:
        return cast(list[Event], list(self._all(job, "events", after_seq)))

    def events_follow(self, job: JobRef, *, after_seq: int = 0) -> Iterator[Event]:
        return cast(Iterator[Event], self._follow(job, "events", after_seq))

    def attempts(self, job: JobRef) -> list[Attempt]:
        """Each claim of the job by a worker: where, how long, why it ended, what was repeated."""
        found: list[Attempt] = []
        while True:
            after = found[-1]["attempt"] if found else None
            page = self.transport.get(f"{job_path(job)}/attempts", {"after": after})
            found += page["data"]
            if not page["has_more"]:
                return found

    def logs(self, job: JobRef, *, attempt: int | None = None, tail: int = 200) -> Log:
        """The last lines of an attempt's stderr; without a number, of the newest attempt."""
        return cast(Log, self.transport.get(f"{job_path(job)}/logs", {"attempt": attempt, "tail": tail}))

    def compare(
        self, jobs: Sequence[JobRef], keys: Sequence[str] = (), *, x: Axis = "epoch", max_points: int = 500
    ) -> list[Series]:
        """The same series of up to 100 jobs: `train_loss` (default), a metric, `learning_rates.0`, …"""
        ids = [job if isinstance(job, str) else job["id"] for job in jobs]
        query: Query = {"job_id": ids, "key": list(keys), "x": x, "max_points": max_points}
        return cast(list[Series], self.transport.get("/v1/compare", query)["data"])

    def _rows(
        self, job: JobRef, kind: str, after_seq: int, limit: int, hold: float, max_points: int | None = None
    ) -> Rows[Any]:
        query = {"after_seq": after_seq, "limit": limit, "wait": hold or None}
        if max_points is not None:
            query = {"max_points": max_points}
        patience = self.long_patience if hold else None
        found = self.transport.get(f"{job_path(job)}/{kind}", query, hold=hold, patience=patience)
        return cast(Rows[Any], found)

    def _all(self, job: JobRef, kind: str, after_seq: int) -> Iterator[Any]:
        more = True
        while more:
            page = self._rows(job, kind, after_seq, PAGE_ROWS, 0)
            yield from page["data"]
            after_seq, more = page["last_seq"], page["has_more"]

    def _follow(self, job: JobRef, kind: str, after_seq: int) -> Iterator[Any]:
        ended = False
        while True:
            page = self._rows(job, kind, after_seq, PAGE_ROWS, 0 if ended else HOLD_SECONDS)
            yield from page["data"]
            after_seq = page["last_seq"]
            if page["data"]:
                continue
            if ended:
                return
            ended = self.job(job)["status"] in ENDED  # once more then: rows may have come before the end
