"""Liveness, readiness, the caller, workers and queues over HTTP."""

from functools import lru_cache
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Response

from app.catalog import catalog
from app.dependencies import CurrentPrincipal, SessionDep, Text, allow, reply
from app.openapi import errors
from app.operating import metrics, queues, service
from app.operating.schemas import Catalog, Health, Me, QueueList, Readiness, Worker, WorkerList
from app.rendering import render

router = APIRouter(tags=["operating"])
READ = [Depends(allow("read"))]
ADMIN = [Depends(allow("admin"))]


@router.get("/healthz", responses={200: {"model": Health}})
async def healthz() -> Response:
    """The process answers."""
    return reply({"status": "ok"})


@router.get("/readyz", responses={200: {"model": Readiness}, 503: {"model": Readiness, "description": "Not ready"}})
def readyz() -> Response:
    """Database, broker, migrations, and at least one live worker of each kind."""
    ready, parts = service.readiness()
    return reply({"status": "ready" if ready else "not_ready", "parts": parts}, 200 if ready else 503)


@router.get(
    "/metrics",
    dependencies=READ,
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": 'descent_jobs{status="queued"} 3.0\n'}},
        },
        **errors(),
    },
)
def show_metrics(caller: CurrentPrincipal, session: SessionDep) -> Response:
    """Jobs, queues, workers, attempts, request durations and the feed's lag; takes a key for all projects."""
    return Response(metrics.exposition(session, caller), media_type=metrics.MEDIA_TYPE)


@router.get("/v1/me", responses={200: {"model": Me}, **errors()})
def show_me(caller: CurrentPrincipal, session: SessionDep) -> Response:
    """The key's projects and scopes."""
    return reply(service.me(session, caller))


@router.get("/v1/workers", dependencies=READ, responses={200: {"model": WorkerList}, **errors()})
def list_workers(session: SessionDep) -> Response:
    """Who is alive, on which device, doing what."""
    return reply(service.workers(session))


@router.post(
    "/v1/workers/{worker_id}/{command}",
    status_code=202,
    dependencies=ADMIN,
    responses={200: {"model": Worker, "description": "It is so already"}, 202: {"model": Worker}, **errors(409)},
)
def command_worker(
    worker_id: Annotated[Text, Path(max_length=64)],
    command: service.Command,
    caller: CurrentPrincipal,
    session: SessionDep,
) -> Response:
    """Cordon: it takes no new jobs. Uncordon: it does again. Drain: it puts its jobs aside and takes no others."""
    document, changed = service.command_worker(session, caller, worker_id, command)
    return reply(document, 202 if changed else 200)


@router.get("/v1/queue", dependencies=READ, responses={200: {"model": QueueList}, **errors()})
def list_queues(session: SessionDep) -> Response:
    """How long the queues are, and why."""
    return reply(queues.queues(session))


@router.post("/v1/queue/pause", dependencies=ADMIN, responses={200: {"model": QueueList}, **errors()})
def pause_queue(caller: CurrentPrincipal, session: SessionDep) -> Response:
    """No queued job starts from now on, in no project; those that run go on. Takes a key for all projects."""
    queues.pause(session, caller)
    return reply(queues.queues(session))


@router.post("/v1/queue/resume", dependencies=ADMIN, responses={200: {"model": QueueList}, **errors()})
def resume_queue(caller: CurrentPrincipal, session: SessionDep) -> Response:
    """Queued jobs start again, in the order they would have. Takes a key for all projects."""
    queues.resume(session, caller)
    return reply(queues.queues(session))


@router.get(
    "/v1/catalog", dependencies=READ, responses={200: {"model": Catalog}, 304: {"description": "Unchanged"}, **errors()}
)
def show_catalog(if_none_match: Annotated[str | None, Header(max_length=1000)] = None) -> Response:
    """Everything that a spec may name, each with its JSON Schema."""
    body, tag = rendered_catalog()
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers={"etag": tag})
    return Response(body, headers={"etag": tag}, media_type="application/json")


@lru_cache
def rendered_catalog() -> tuple[bytes, str]:
    """Built once: it changes with the code only."""
    body = render(catalog())
    return body, f'"{sha256(body).hexdigest()[:16]}"'
