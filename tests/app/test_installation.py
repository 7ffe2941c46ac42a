"""Database and store carry one id; what no row names is collected with care."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app import installation, orphans
from app.ids import new_id
from app.installation import WrongStore
from app.models import Checkpoint, Installation, Job, Project
from app.sweeper import Sweeper
from tests.conftest import clear_caches

HOUR = 3600.0


def test_a_new_store_is_marked_once(session: Session, store: Path) -> None:
    installation.check()
    found = json.loads((store / "installation.json").read_text())
    kept = session.execute(select(Installation.id, Installation.store)).one()
    assert (found["id"], found["store"]) == tuple(kept)
    installation.check()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "it has no installation.json"),
        ({"id": "ins_other"}, "belongs to the installation ins_other"),
        ({"store": "another"}, "another one of this installation"),
    ],
)
def test_what_does_not_belong_together_is_told_apart(
    session: Session, store: Path, change: dict[str, str] | None, words: str
) -> None:
    installation.check()
    path = store / "installation.json"
    content = json.loads(path.read_text())
    path.unlink()
    if change is not None:
        path.write_text(json.dumps(content | change))
    with pytest.raises(WrongStore, match=words):
        installation.check()


PROCESSES = {
    "worker": ["worker.main", "--slots", "cpu=1"],
    "previews": ["worker.main", "--queues", "previews"],
    "api": ["descent", "api", "--port", "0"],
}


@pytest.mark.parametrize("process", PROCESSES)
def test_nothing_starts_on_the_wrong_store(service: dict[str, str], store: Path, process: str) -> None:
    (store / "installation.json").write_text('{"id": "ins_other", "store": "x"}')
    command = [sys.executable, "-m", *PROCESSES[process]]
    done = subprocess.run(command, env=service, capture_output=True, text=True, timeout=60)
    assert done.returncode == installation.EX_CONFIG
    assert "not started: " in done.stderr
    assert "belongs to the installation ins_other" in done.stderr


def test_a_process_that_could_not_ask_at_its_start_stops_later(service: dict[str, str], store: Path) -> None:
    installation.check()
    (store / "installation.json").unlink()
    swept, refused = threading.Event(), threading.Event()
    sweeper = Sweeper(swept.set, refused.set)
    sweeper.start()
    assert refused.wait(60)
    sweeper.stop()
    assert sweeper.wrong
    assert not swept.is_set()


def test_a_store_that_cannot_be_written_is_told(service: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_STORE_URL", "/proc/descent")
    clear_caches()
    with pytest.raises(WrongStore, match="cannot be written"):
        installation.check()


@pytest.fixture
def files(session: Session, store: Path) -> dict[str, Path]:
    """An ended job with one large checkpoint that has its row, and a small old file without."""
    session.execute(update(Installation).values(created_at=text("now() - interval '1 day'")))
    session.add(Project(id="prj_a", name="a"))
    session.flush()
    values: dict[str, Any] = {"spec": {}, "resolved_spec": {}, "spec_sha256": "", "seed": 0, "queue": "cpu"}
    job_id = new_id("job")
    session.add(
        Job(id=job_id, project_id="prj_a", status="succeeded", labels=[], epochs=1, progress={}, last_seq=1, **values)
    )
    session.flush()
    folder = store / "jobs" / job_id / "a1"
    folder.mkdir(parents=True)
    named, orphan = folder / "e000001.safetensors", folder / ".tmp-1-e000001"
    named.write_bytes(bytes(10_000))
    orphan.write_bytes(bytes(100))
    columns = {"epoch": 1, "step": 1, "attempt": 1, "bytes": 10_000, "sha256": "", "values": {}, "reason": "final"}
    path = str(named.relative_to(store))
    session.add(Checkpoint(id=new_id("ckpt"), job_id=job_id, project_id="prj_a", seq=1, path=path, **columns))
    session.flush()
    for file in (named, orphan):
        os.utime(file, (time.time() - 2 * HOUR,) * 2)
    return {"named": named, "orphan": orphan}


def test_an_old_orphan_goes_into_the_trash_for_a_week(session: Session, store: Path, files: dict[str, Path]) -> None:
    assert orphans.collect(session, store, 3 * HOUR) == 0  # not old enough
    assert orphans.collect(session, store, HOUR) == 1
    assert files["named"].exists()
    assert not files["orphan"].exists()
    (day,) = (store / "trash").iterdir()
    assert (day / files["orphan"].relative_to(store)).stat().st_size == 100
    day.rename(store / "trash" / "2020-01-01")
    orphans.collect(session, store, HOUR)
    assert list((store / "trash").iterdir()) == []


def test_a_running_job_is_left_alone(session: Session, store: Path, files: dict[str, Path]) -> None:
    running = {"status": "running", "worker_id": "w", "lease_until": text("now()")}
    session.execute(update(Job).values(**running))
    assert orphans.collect(session, store, HOUR) == 0


@pytest.mark.parametrize("reason", ["much", "young"])
def test_doubt_stops_the_collector_and_tells(
    session: Session, store: Path, files: dict[str, Path], reason: str
) -> None:
    if reason == "much":
        session.execute(text("DELETE FROM checkpoint"))
    else:
        session.execute(update(Installation).values(created_at=text("now()")))
    assert orphans.collect(session, store, HOUR) == 0
    assert files["orphan"].exists()
    alert = session.execute(select(Installation.alert)).scalar_one()
    assert alert is not None
    assert ("more than 5%" if reason == "much" else "older than the database") in alert["detail"]
    session.execute(update(Installation).values(created_at=text("now() - interval '1 day'")))
    files["orphan"].unlink()
    if reason == "young":
        orphans.collect(session, store, HOUR)
        assert session.execute(select(Installation.alert)).scalar_one() is None
