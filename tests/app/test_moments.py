"""A `kill -9` of the API at each named moment of a submit and of a move: who asks again finds it done, once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.database import session_scope
from app.ids import new_id
from app.jobs import leases
from app.local.listening import LISTENING_FD, listening_socket, url_of
from app.models import Event, IdempotencyKey, Job, Project
from app.projects.service import create_key
from tests.app.conftest import SPEC

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


class Mortal:
    """An API process that is started again on the same address whenever it has died."""

    def __init__(self, environment: dict[str, str], moments: Path, key: str) -> None:
        self._listening = listening_socket("127.0.0.1", 0)
        fd = self._listening.fileno()
        self._environment = environment | {"DESCENT_FAILPOINTS": str(moments), LISTENING_FD: str(fd)}
        self._moments = moments
        headers = {"authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url_of(self._listening), headers=headers, timeout=60)
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "app.local.uvicorn_server"]
        self._process = subprocess.Popen(command, env=self._environment, pass_fds=[self._listening.fileno()])

    def dies(self, moment: str, path: str, **options: Any) -> None:
        """The request is not answered: the process is killed at the moment, and then there is another one."""
        self.http.get("/healthz").raise_for_status()
        (self._moments / moment).touch()
        with pytest.raises(httpx.TransportError):
            self.http.post(path, **options)
        assert self._process.wait(60) == -9
        assert not (self._moments / moment).exists()
        self._start()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self.http.close()
        self._listening.close()


@pytest.fixture
def project(session: Session) -> str:
    project_id = new_id("prj")
    session.add(Project(id=project_id, name="one"))
    session.commit()
    return project_id


@pytest.fixture
def mortal(service: dict[str, str], session: Session, project: str, tmp_path: Path) -> Iterator[Mortal]:
    key = create_key(session, "one", ("read", "write"), [project])
    session.commit()
    moments = tmp_path / "moments"
    moments.mkdir()
    made = Mortal(service, moments, key)
    yield made
    made.close()


def claimed() -> str | None:
    with session_scope("descent_worker") as session:
        found = leases.claim(
            session, queue="cpu", labels=[], worker_id="wrk_1", host="h", device="cpu", lease_seconds=3600
        )
        return None if found is None else found.lease.job_id


def state(session: Session, job_id: str) -> tuple[str, str | None]:
    session.rollback()
    status, request = session.execute(select(Job.status, Job.request).where(Job.id == job_id)).one()
    return status, request


def test_a_submit_is_done_once(mortal: Mortal, session: Session) -> None:
    for number, moment in enumerate(("after_reservation", "before_submit_commit", "after_submit_commit")):
        request: dict[str, Any] = {"json": SPEC, "headers": {"idempotency-key": moment}}
        mortal.dies(moment, "/v1/jobs", **request)
        committed = moment == "after_submit_commit"
        assert session.scalar(select(func.count()).select_from(Job)) == number + committed
        first = claimed()  # rung or not, what is committed is there to be claimed
        assert (first is not None) == committed
        # A reservation that nobody keeps may be taken over after a minute.
        an_hour_ago = text("now() - interval '1 hour'")
        left = update(IdempotencyKey).where(IdempotencyKey.status_code.is_(None))
        session.execute(left.values(created_at=an_hour_ago))
        session.commit()
        reply = mortal.http.post("/v1/jobs", **request)
        assert (reply.status_code, reply.headers.get("idempotent-replayed")) == (201, "true" if committed else None)
        assert session.scalar(select(func.count()).select_from(Job)) == number + 1
        session.commit()
        assert reply.json()["id"] == (first or claimed())


def test_a_move_is_done_once(mortal: Mortal, session: Session) -> None:
    job_id = mortal.http.post("/v1/jobs", json=SPEC).json()["id"]
    assert claimed() == job_id

    mortal.dies("before_move_commit", f"/v1/jobs/{job_id}/pause")
    assert state(session, job_id) == ("running", None)
    assert mortal.http.post(f"/v1/jobs/{job_id}/pause").status_code == 202
    assert state(session, job_id) == ("pausing", "pause")
    mortal.dies("after_move_commit", f"/v1/jobs/{job_id}/cancel")
    assert state(session, job_id) == ("cancelling", "cancel")
    assert mortal.http.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    told = session.scalars(select(Event.type).where(Event.job_id == job_id).order_by(Event.seq))
    assert told.all() == ["queued", "pausing", "cancelling"]
