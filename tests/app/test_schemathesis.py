"""Requests made up from the OpenAPI document, over real HTTP: no 5xx, and no answer outside its schema."""

from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.orm import Session

from app.database import get_engine
from app.local.postgres import Postgres
from app.main import create_app
from app.projects.service import create_key, ensure_default_project
from tests.app.conftest import SPEC, served
from tests.conftest import TEMPLATE, clear_caches

schema = schemathesis.openapi.from_dict(create_app().openapi())
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SECONDS_TO_WAIT = 0.05


@pytest.fixture(scope="module")
def environment(
    postgres: Postgres, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[pytest.MonkeyPatch]:
    """One database for all requests: what one leaves behind, another may stumble over."""
    postgres.create_database("made_up_requests", TEMPLATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESCENT_DATABASE_URL", postgres.url("made_up_requests"))
        patch.setenv("DESCENT_BROKER_URL", redis_url)
        patch.setenv("DESCENT_STORE_URL", str(tmp_path_factory.mktemp("store")))
        clear_caches()
        yield patch
        get_engine("descent_api", pool_size=20).dispose()
        get_engine().dispose()
    clear_caches()


@pytest.fixture(scope="module")
def address(environment: pytest.MonkeyPatch) -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture(scope="module")
def key(environment: pytest.MonkeyPatch) -> str:
    with Session(get_engine()) as session, session.begin():
        ensure_default_project(session)
        return create_key(session, "made up", ("read", "write", "admin"), None)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def job(address: str, key: str) -> str:
    """A job, so that some of what is made up meets something."""
    reply = httpx.post(f"{address}/v1/jobs", json=SPEC, headers=bearer(key))
    job_id: str = reply.json()["id"]
    return job_id


def bounded(examples: int) -> settings:
    """The same requests every time."""
    return settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )


def check(case: Case, address: str, key: str, job: str) -> None:
    """Ask, and hold the answer against the document."""
    parameters, query = case.path_parameters or {}, case.query or {}
    if len(str(parameters.get("job_id", ""))) % 2:
        parameters["job_id"] = job
    with suppress(TypeError, ValueError):
        if float(query.get("wait", 0)) > SECONDS_TO_WAIT:
            query["wait"] = SECONDS_TO_WAIT
    if case.operation.path.endswith("/stream") and parameters.get("job_id") == job:
        return  # it answers for as long as the job lives: test_stream.py reads it
    response = case.call(base_url=address, headers={"Authorization": f"Bearer {key}"})
    assert response.status_code < 500 or response.status_code == 503  # a part that is away is no fault
    case.validate_response(response, checks=CHECKS)


@schema.parametrize()
@bounded(2)
def test_every_answer_stands_in_the_document(case: Case, address: str, key: str, job: str) -> None:
    check(case, address, key, job)


@pytest.mark.slow
@schema.parametrize()
@bounded(30)
def test_more_answers_stand_in_the_document(case: Case, address: str, key: str, job: str) -> None:
    check(case, address, key, job)


def test_a_method_that_a_path_does_not_know(address: str, key: str) -> None:
    """405 as the document's errors are, and `Allow` names the methods that it does know."""
    with httpx.Client(base_url=address, headers=bearer(key)) as client:
        for path, operations in schema.raw_schema["paths"].items():
            reply = client.request("OPTIONS", path.replace("{", "").replace("}", ""))
            assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
            assert set(reply.headers["allow"].split(", ")) == {method.upper() for method in operations}
