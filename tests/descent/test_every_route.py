"""Every route of the OpenAPI document has a method in the typed client: whoever adds one adds a line here."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.main import create_app
from descent import Client
from descent.errors import DescentError

JOB, ONE = "job_" + "0" * 26, "abc_" + "0" * 26
NOT_FOR_CLIENTS = {("GET", "/"), ("GET", "/dashboard/{name}")}
FILE = Path(__file__)

Call = Callable[[Client], Any]
CALLS: dict[str, Call] = {
    "POST /v1/jobs": lambda c: c.submit({}),
    "GET /v1/jobs": lambda c: c.jobs(),
    "GET /v1/jobs/{}": lambda c: c.job(JOB),
    "PATCH /v1/jobs/{}": lambda c: c.update(JOB, epochs=3),
    "DELETE /v1/jobs/{}": lambda c: c.delete(JOB),
    "POST /v1/jobs/{}/cancel": lambda c: c.cancel(JOB),
    "POST /v1/jobs/{}/pause": lambda c: c.pause(JOB),
    "POST /v1/jobs/{}/resume": lambda c: c.resume(JOB),
    "POST /v1/jobs/{}/fork": lambda c: c.fork(JOB, {"seed": 1}),
    "POST /v1/jobs/{}/reproduce": lambda c: c.reproduce(JOB),
    "GET /v1/jobs/{}/epochs": lambda c: c.epochs(JOB),
    "GET /v1/jobs/{}/steps": lambda c: c.steps(JOB),
    "GET /v1/jobs/{}/events": lambda c: c.events(JOB),
    "GET /v1/jobs/{}/attempts": lambda c: c.attempts(JOB),
    "GET /v1/jobs/{}/logs": lambda c: c.logs(JOB),
    "GET /v1/jobs/{}/stream": lambda c: c.stream(JOB),
    "GET /v1/jobs/{}/checkpoints": lambda c: c.checkpoints(JOB),
    "GET /v1/jobs/{}/checkpoints/{}": lambda c: c.checkpoint(JOB, ONE),
    "DELETE /v1/jobs/{}/checkpoints/{}": lambda c: c.delete_checkpoint(JOB, ONE),
    "GET /v1/jobs/{}/checkpoints/{}/weights": lambda c: c.weights(JOB, ONE),
    "GET /v1/jobs/{}/checkpoints/{}/state": lambda c: c.save_state(JOB, FILE.with_name("never"), ONE),
    "POST /v1/jobs/{}/checkpoints/{}/pin": lambda c: c.pin(JOB, ONE),
    "POST /v1/jobs/{}/checkpoints/{}/unpin": lambda c: c.unpin(JOB, ONE),
    "GET /v1/jobs/{}/checkpoints/{}/bundle": lambda c: c.save_bundle(JOB, FILE.with_name("never"), ONE),
    "GET /v1/jobs/{}/checkpoints/{}/optimizer": lambda c: c.optimizer(JOB, ONE),
    "GET /v1/jobs/{}/export": lambda c: c.export(JOB),
    "GET /v1/compare": lambda c: c.compare([JOB]),
    "GET /v1/feed": lambda c: c.feed(),
    "POST /v1/sweeps": lambda c: c.submit_sweep({}),
    "GET /v1/sweeps": lambda c: c.sweeps(),
    "GET /v1/sweeps/{}": lambda c: c.sweep(ONE),
    "POST /v1/sweeps/{}/cancel": lambda c: c.cancel_sweep(ONE),
    "GET /v1/sweeps/{}/table": lambda c: c.sweep_table(ONE),
    "POST /v1/previews/schedule": lambda c: c.preview_schedule({}, {}, epochs=1, steps_per_epoch=1),
    "POST /v1/previews/trajectory": lambda c: c.preview_trajectory({}, {}, steps=1),
    "POST /v1/datasets": lambda c: c.upload_dataset("a", FILE),
    "GET /v1/datasets": lambda c: c.datasets(),
    "GET /v1/datasets/{}": lambda c: c.dataset(ONE),
    "POST /v1/datasets/{}/publish": lambda c: c.publish_dataset(ONE),
    "POST /v1/datasets/{}/withdraw": lambda c: c.publish_dataset(ONE, published=False),
    "DELETE /v1/datasets/{}": lambda c: c.delete_dataset(ONE),
    "POST /v1/weights": lambda c: c.upload_weights(FILE),
    "GET /v1/weights": lambda c: c.weights_uploads(),
    "GET /v1/weights/{}": lambda c: c.weights_upload(ONE),
    "DELETE /v1/weights/{}": lambda c: c.delete_weights(ONE),
    "GET /v1/projects": lambda c: c.projects(),
    "POST /v1/projects": lambda c: c.create_project("a"),
    "GET /v1/projects/{}": lambda c: c.project(ONE),
    "PATCH /v1/projects/{}": lambda c: c.update_project(ONE, name="b"),
    "DELETE /v1/projects/{}": lambda c: c.delete_project(ONE),
    "GET /v1/keys": lambda c: c.keys(),
    "POST /v1/keys": lambda c: c.create_key("a"),
    "GET /v1/keys/{}": lambda c: c.key(ONE),
    "DELETE /v1/keys/{}": lambda c: c.revoke_key(ONE),
    "POST /v1/keys/{}/rotate": lambda c: c.rotate_key(ONE),
    "POST /v1/tokens": lambda c: c.create_token([JOB]),
    "GET /v1/audit": lambda c: c.audit(),
    "GET /v1/webhooks": lambda c: c.webhooks(),
    "POST /v1/webhooks": lambda c: c.create_webhook("https://a.example"),
    "GET /v1/webhooks/{}": lambda c: c.webhook(ONE),
    "PATCH /v1/webhooks/{}": lambda c: c.update_webhook(ONE, enabled=False),
    "DELETE /v1/webhooks/{}": lambda c: c.delete_webhook(ONE),
    "POST /v1/webhooks/{}/test": lambda c: c.test_webhook(ONE),
    "GET /v1/webhooks/{}/deliveries": lambda c: c.webhook_deliveries(ONE),
    "POST /v1/webhooks/{}/deliveries/{}/redeliver": lambda c: c.redeliver(ONE, ONE),
    "GET /v1/aliases": lambda c: c.aliases(),
    "GET /v1/aliases/{}": lambda c: c.alias("a"),
    "GET /v1/aliases/{}/bundle": lambda c: c.save_alias_bundle("a", FILE.with_name("never")),
    "PUT /v1/aliases/{}": lambda c: c.put_alias("a", ONE),
    "DELETE /v1/aliases/{}": lambda c: c.delete_alias("a"),
    "GET /healthz": lambda c: c.healthy(),
    "GET /readyz": lambda c: c.ready(),
    "GET /metrics": lambda c: c.metrics(),
    "GET /v1/me": lambda c: c.me(),
    "GET /v1/usage": lambda c: c.usage(),
    "GET /v1/workers": lambda c: c.workers(),
    "POST /v1/workers/{}/{}": lambda c: c.command_worker(ONE, "cordon"),
    "GET /v1/queue": lambda c: c.queues(),
    "POST /v1/queue/pause": lambda c: c.pause_queue(),
    "POST /v1/queue/resume": lambda c: c.resume_queue(),
    "GET /v1/catalog": lambda c: c.catalog(),
}


def exhaust(found: Any) -> None:
    """What comes page by page asks when it is looked at."""
    if isinstance(found, Iterable):
        list(found)


def documented() -> set[str]:
    paths = create_app().openapi()["paths"]
    found = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    return {f"{method} {re.sub(r'{[^}]*}', '{}', path)}" for method, path in found - NOT_FOR_CLIENTS}


def test_every_route_has_its_method() -> None:
    assert documented() - set(CALLS) == set()


@pytest.mark.parametrize("route", sorted(documented() & set(CALLS)))
def test_the_method_asks_for_its_route(route: str) -> None:
    """On a line that goes nowhere: what is asked for is all that counts."""
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(404, json={"title": "nothing is here", "status": 404})

    with Client("http://127.0.0.1:1", "dsk_none", patience=0) as client:
        client.transport._http = httpx.Client(base_url=client.url, transport=httpx.MockTransport(refuse))
        with pytest.raises(DescentError):
            exhaust(CALLS[route](client))
    method, path = route.split()
    assert [request.method for request in asked] == [method]
    assert re.fullmatch(path.replace("{}", "[^/]+"), asked[0].url.path)
