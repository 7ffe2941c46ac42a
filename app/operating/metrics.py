"""Figures for Prometheus: what this process measures of its requests, and what the database tells of the service."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from app.database import ProjectSession
from app.errors import Forbidden
from app.jobs.repository import live_workers
from app.operating import repository
from app.projects.principals import Principal

MEDIA_TYPE = CONTENT_TYPE_LATEST
STATUSES = ("queued", "running", "pausing", "paused", "cancelling", "cancelled", "succeeded", "failed")
UNKNOWN_ROUTE = "unknown"

process_registry = CollectorRegistry()
for collector in (ProcessCollector, PlatformCollector, GCCollector):
    collector(registry=process_registry)
request_seconds = Histogram(
    "descent_request_seconds",
    "From a request's first byte to its reply's last; `held`: it waited for news, or was a stream",
    ("method", "route", "status", "held"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=process_registry,
)


def observe(scope: Any, status: int, seconds: float) -> None:
    """Count a request under its route's pattern: a path would make a series for each job."""
    route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
    held = route.endswith("/stream") or "wait" in parse_qs(scope["query_string"].decode("latin-1"))
    held = held or (route == "/v1/feed" and b"text/event-stream" in dict(scope["headers"]).get(b"accept", b""))
    method = scope["method"] if route != UNKNOWN_ROUTE else ""
    request_seconds.labels(method, route, str(status), str(held).lower()).observe(seconds)


class ServiceFigures(Collector):
    """The same for every API process: asked of the database when somebody looks."""

    def __init__(self, figures: Iterable[repository.Row], workers: Iterable[repository.Row]) -> None:
        self.figures, self.workers = list(figures), list(workers)

    def collect(self) -> Iterator[Metric]:
        yield self.gauge("jobs", "Jobs by status", "status", dict.fromkeys(STATUSES, 0.0))
        yield self.gauge("attempts", "Attempts that are kept, by how they ended (`running`: not yet)", "cause", {})
        ages = "Seconds that the oldest job waits for a slot, by queue"
        yield self.gauge("queue_age", ages, "queue", {"cpu": 0.0}, name="descent_queue_age_seconds")
        lag = GaugeMetricFamily("descent_feed_lag_seconds", "How long the oldest open write has held the feed back")
        lag.add_metric([], self.values("feed_lag").get("", 0.0))
        yield lag
        live = GaugeMetricFamily("descent_workers", "Live workers", labels=("queue", "state"))
        slots = GaugeMetricFamily("descent_slots", "Slots of live workers", labels=("queue", "state"))
        for queue, state in sorted({(row["queue"], row["state"]) for row in self.workers}):
            mine = [row for row in self.workers if (row["queue"], row["state"]) == (queue, state)]
            live.add_metric([queue, state], len(mine))
            slots.add_metric([queue, state], sum(row["slots"] for row in mine))
        yield live
        yield slots

    def values(self, figure: str) -> dict[str, float]:
        return {row["label"]: row["value"] for row in self.figures if row["figure"] == figure}

    def gauge(
        self, figure: str, documentation: str, label: str, zeros: dict[str, float], name: str | None = None
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name or f"descent_{figure}", documentation, labels=(label,))
        for value, count in sorted((zeros | self.values(figure)).items()):
            family.add_metric([value], count)
        return family


def exposition(session: ProjectSession, caller: Principal) -> bytes:
    """Prometheus' text. Raises Forbidden: the figures are sums over all projects."""
    if caller.projects is not None:
        raise Forbidden("The figures of the whole service take a key for all projects.")
    service = CollectorRegistry()
    service.register(ServiceFigures(repository.service_figures(session), live_workers(session)))
    return generate_latest(process_registry) + generate_latest(service)
