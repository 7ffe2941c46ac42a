"""The API: `uvicorn app.main:app`. Importing it needs no configuration and starts nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app import error_handlers, logs, sweeper
from app.aliases.endpoints import router as aliases
from app.aliases.schemas import NewAlias
from app.checkpoints.endpoints import router as checkpoints
from app.compare.endpoints import router as compare
from app.dashboard.endpoints import router as dashboard
from app.datasets.endpoints import router as datasets
from app.examples import BY_MEDIA_TYPE, BY_SCHEMA
from app.export.endpoints import router as export
from app.feed.endpoints import router as feed
from app.gate import Gate
from app.jobs.endpoints import router as jobs
from app.jobs.schemas import Change, Fork, Resume
from app.jobs.spec import JobSpec
from app.notifications import Notifications
from app.openapi import PROBLEM, add_examples
from app.operating.endpoints import router as operating
from app.previews.endpoints import router as previews
from app.projects.endpoints import router as projects
from app.projects.principals import remembered
from app.projects.schemas import NewKey, NewProject, NewToken, ProjectChange
from app.records.endpoints import router as records
from app.replies import Replies
from app.settings import get_settings
from app.stream.endpoints import router as stream
from app.sweeps.endpoints import router as sweeps
from app.sweeps.schemas import NewSweep
from app.usage.endpoints import router as usage
from app.webhooks.deliverer import Deliverer
from app.webhooks.endpoints import router as webhooks
from app.webhooks.schemas import NewWebhook, WebhookChange
from app.weights.endpoints import router as weights

THREADS = 20
"""As many as the session pool has connections, so that a thread never waits for one while it holds up another."""
OF_RUNS = (Change, Fork, Resume, NewSweep, NewAlias)
BODIES = (*OF_RUNS, NewProject, ProjectChange, NewKey, NewToken, NewWebhook, WebhookChange)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    logs.configure(get_settings().log_level)
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    notifications: Notifications = app.state.notifications
    notifications.start()
    stop_sweeping = sweeper.start()
    stop_delivering = Deliverer().start()
    try:
        yield
    finally:
        await to_thread.run_sync(stop_sweeping)
        await to_thread.run_sync(stop_delivering)
        await notifications.stop()


def create_app() -> FastAPI:
    app = FastAPI(
        title="Descent",
        version="1",
        description="Hosted PyTorch training jobs.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    app.state.notifications = Notifications()
    app.state.replies = Replies(app.state.notifications)
    app.state.notifications.on_key = remembered.clear
    app.add_middleware(Gate)
    allow_origins(app)
    error_handlers.install(app)
    runs = (jobs, records, stream, checkpoints, compare, feed, sweeps, previews, export)
    for router in (*runs, datasets, weights, projects, webhooks, usage, aliases, operating, dashboard):
        app.include_router(router)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def allow_origins(app: FastAPI) -> None:
    """Pages from elsewhere may ask only where an operator has listed their origins. No cookies: a page needs a key."""
    if origins := [origin.strip() for origin in get_settings().cors_origins.split(",") if origin.strip()]:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["ETag", "Idempotent-Replayed", "Retry-After", "X-Request-Id"],
        )


def openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the schemas of the bodies that routes read themselves."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = found["components"]["schemas"]
        schemas["Problem"] = PROBLEM
        for model in BODIES:
            add_schema(schemas, model, "")
        add_schema(schemas, JobSpec, "Spec")  # its parts have names of their own: both know a Checkpoint
        add_examples(found, BY_SCHEMA, BY_MEDIA_TYPE)
        app.openapi_schema = found
    return app.openapi_schema


def add_schema(schemas: dict[str, Any], model: type[BaseModel], prefix: str) -> None:
    schema = model.model_json_schema(ref_template=f"#/components/schemas/{prefix}{{model}}")
    for name, part in schema.pop("$defs", {}).items():
        schemas[prefix + name] = {**part, "title": prefix + name}  # client generators name their classes by titles
    schemas[model.__name__] = schema


app = create_app()
