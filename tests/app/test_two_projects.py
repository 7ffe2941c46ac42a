"""Two projects that try to see each other: every route of the document, every id in a path, a query or a body.

Whoever adds a route adds what it takes here, or the first two tests fail. A stranger's id is answered like one that
nobody has: same status, same words.
"""

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.ids import new_id
from app.jobs.journal import take_seqs
from app.main import create_app
from app.models import Attempt, AttemptLog, Checkpoint, Job
from tests.app.conftest import SPEC, Api
from tests.app.weights.files import safetensors

SECRET = "moonshine"
"""Stands in every name and text of theirs."""
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in create_app().openapi()["paths"].items()
    for method, operation in operations.items()
}
OF_ALL_PROJECTS = {"worker_id", "command"}
"""Path parameters that name nothing of a project."""
OPEN = {"GET /healthz", "GET /readyz", "GET /", "GET /dashboard/{name}"}
WITHOUT_IDS: list[Any] = []

Found = list[tuple[Any, str | None]]


@dataclass
class Theirs:
    """One of everything, in a project that the caller has no key for."""

    api: Api
    ids: dict[str, str]

    def pictures(self) -> dict[str, Any]:
        """What the owner sees of it; an intruder changes nothing of that."""
        paths = ("jobs/{job_id}", "sweeps/{sweep_id}", "datasets/{dataset_id}", "weights/{weights_id}", "keys/{key_id}")
        paths += ("aliases/{name}", "jobs/{job_id}/checkpoints/{checkpoint_id}", "webhooks/{webhook_id}", "webhooks")
        found = {path: self.api.get("/v1/" + path.format(**self.ids)).json() for path in paths}
        found["keys/{key_id}"]["last_used_at"] = None
        return found


def spec_with(**sections: Any) -> dict[str, Any]:
    return copy.deepcopy(SPEC) | sections


def model_from(weights: dict[str, Any]) -> dict[str, Any]:
    return spec_with(model={"type": "MLP", "hidden": [16], "initial_weights": weights})


def specs(ids: dict[str, str]) -> Found:
    """Every place in a spec that takes an id, with its pointer."""
    found: Found = []
    for name in (ids["dataset_id"], f"{ids['name']}@latest", f"{ids['name']}@1"):
        found.append((spec_with(data={"dataset": name}), "/data/dataset"))
        for part in ("train", "validation", "test"):
            parts = {"train": "iris", part: name}
            found.append((spec_with(data={"dataset": parts}), f"/data/dataset/{part}"))
    place = "/model/initial_weights"
    found.append((model_from({"upload": ids["weights_id"]}), f"{place}/upload"))
    for checkpoint in ("latest", "best", ids["checkpoint_id"]):
        found.append((model_from({"job": ids["job_id"], "checkpoint": checkpoint}), f"{place}/job"))
    text = {"type": "Tokenize", "level": "word"}
    inline = {"type": "inline", "inputs": [["a b"]] * 8, "targets": [0, 1] * 4}
    lstm = {"type": "LSTMClassifier", "vectors": ids["dataset_id"]}
    found.append((spec_with(data={"dataset": inline, "preprocess": [text]}, model=lstm), "/"))
    return found


def unsplit(spec: dict[str, Any]) -> dict[str, Any]:
    """As a merge patch that takes the job's own split away."""
    return spec | {"data": {**spec["data"], "split": None}}


def bodies(ids: dict[str, str], own_job: str, own_checkpoint: str) -> dict[str, Found]:
    """For each operation with a body: those that name what is theirs, and the pointer of the complaint if it is 422."""
    sweep = {"spec": SPEC, "over": {"/seed": [0, 1]}}
    swept = [({**sweep, "spec": spec}, f"/spec{pointer}") for spec, pointer in specs(ids)]
    named = ({**sweep, "over": {"/data/dataset": ["iris", ids["dataset_id"]]}}, "/over")
    function = {"type": "Function", "expression": "x", "initial": {"x": 1.0}}
    function |= {"initial_weights": {"upload": ids["weights_id"]}}
    return {
        "POST /v1/jobs": specs(ids),
        "PATCH /v1/jobs/{job_id}": WITHOUT_IDS,
        "POST /v1/jobs/{job_id}/resume": [({"checkpoint": ids["checkpoint_id"]}, "/checkpoint")],
        "POST /v1/jobs/{job_id}/fork": [
            ({"checkpoint": ids["checkpoint_id"]}, "/checkpoint"),
            *(({"checkpoint": own_checkpoint, "spec": unsplit(spec)}, pointer) for spec, pointer in specs(ids)),
        ],
        "POST /v1/sweeps": [*swept, named],
        "POST /v1/previews/schedule": WITHOUT_IDS,
        "POST /v1/previews/trajectory": [
            ({"model": function, "optimizer": {"type": "SGD"}, "steps": 1}, "/model/initial_weights")
        ],
        "POST /v1/datasets": WITHOUT_IDS,
        "POST /v1/weights": WITHOUT_IDS,
        "POST /v1/projects": WITHOUT_IDS,
        "PATCH /v1/projects/{project_id}": WITHOUT_IDS,
        "POST /v1/keys": [({"name": "x", "projects": [ids["project_id"]], "scopes": ["read"]}, "/projects/0")],
        "POST /v1/tokens": [
            ({"jobs": [ids["job_id"]]}, "/jobs/0"),
            ({"jobs": [own_job, ids["job_id"]]}, "/jobs/1"),
            ({"sweep_id": ids["sweep_id"]}, "/sweep_id"),
        ],
        "POST /v1/webhooks": WITHOUT_IDS,
        "PATCH /v1/webhooks/{webhook_id}": WITHOUT_IDS,
        "PUT /v1/aliases/{name}": [
            ({"checkpoint": ids["checkpoint_id"]}, "/checkpoint"),
            ({"checkpoint": "latest", "job_id": ids["job_id"]}, "/job_id"),
        ],
    }


@pytest.fixture
def add_checkpoint(session: Session, store: Path) -> Callable[[Api, str], str]:
    """An attempt with its log and a checkpoint, as a worker leaves them; the checkpoint's id."""

    def add(api: Api, job_id: str) -> str:
        content = safetensors({"model.1.weight": [16, 4], "state.0": [1]})
        checkpoint_id, seq = new_id("ckpt"), take_seqs(session, job_id)
        path = store / "jobs" / job_id / f"{checkpoint_id}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        row: dict[str, Any] = {"path": str(path.relative_to(store)), "bytes": len(content), "values": {}, "epoch": 1}
        row |= {"job_id": job_id, "project_id": api.project_id, "seq": seq, "step": 5, "attempt": 1, "reason": "final"}
        session.add(Checkpoint(id=checkpoint_id, sha256=hashlib.sha256(content).hexdigest(), **row))
        whose = {"job_id": job_id, "attempt": 1, "project_id": api.project_id}
        session.add(Attempt(**whose, worker_id="wrk_x", host=SECRET, device="cpu"))
        session.flush()
        session.add(AttemptLog(**whose, piece=1, text=f"{SECRET}\n"))
        newest = {"latest_checkpoint_id": checkpoint_id, "best_checkpoint_id": checkpoint_id, "status": "paused"}
        session.execute(update(Job).where(Job.id == job_id).values(version=Job.version + 1, **newest))
        session.commit()
        return checkpoint_id

    return add


@pytest.fixture
def theirs(make_api: Callable[..., Api], add_checkpoint: Any, add_epoch: Callable[..., int]) -> Theirs:
    api = make_api("two")
    job = api.submit(name=SECRET, metadata={SECRET: SECRET})["id"]
    add_epoch(job, 1)
    checkpoint = add_checkpoint(api, job)
    table = {"name": SECRET, "target": "b"}
    made = {
        "sweep_id": api.post("/v1/sweeps", json={"spec": spec_with(name=SECRET), "over": {"/seed": [0, 1]}}),
        "dataset_id": api.post("/v1/datasets", data=table, files={"file": ("x.csv", f"{SECRET},b\n1,0\n2,1\n" * 9)}),
        "weights_id": api.post("/v1/weights", data={"name": SECRET}, files={"file": ("x", safetensors({SECRET: [2]}))}),
        "webhook_id": api.post("/v1/webhooks", json={"url": "https://receiver.example/x", "name": SECRET}),
        "key_id": api.post("/v1/keys", json={"name": SECRET, "projects": [api.project_id], "scopes": ["read"]}),
    }
    ids = {"project_id": api.project_id, "job_id": job, "checkpoint_id": checkpoint, "name": SECRET}
    for name, reply in made.items():
        assert reply.status_code == 201, reply.text
        ids[name] = reply.json()["id"]
    ids["delivery_id"] = api.post(f"/v1/webhooks/{ids['webhook_id']}/test").json()["id"]
    assert api.request("PUT", f"/v1/aliases/{SECRET}", json={"checkpoint": checkpoint}).status_code == 201
    return Theirs(api, ids)


@dataclass
class Own:
    api: Api
    ids: dict[str, str]


@pytest.fixture
def own(make_api: Callable[..., Api], add_checkpoint: Any) -> Own:
    api = make_api("one")
    job = api.submit()["id"]
    return Own(api, {"job_id": job, "checkpoint_id": add_checkpoint(api, job), "name": "mine"})


def unknown(ids: dict[str, str]) -> dict[str, str]:
    """Ids of the same shapes that nobody has."""
    return {name: value[:-6] + "zzzzzz" if name != "name" else "nobody-has-it" for name, value in ids.items()}


def parameters(operation: dict[str, Any], place: str) -> list[str]:
    return [one["name"] for one in operation.get("parameters", []) if one["in"] == place]


def example_of(operation: dict[str, Any]) -> dict[str, Any]:
    """A good body, as keyword of a request."""
    content = operation.get("requestBody", {}).get("content", {})
    return {"json": content["application/json"]["example"]} if "application/json" in content else {}


def words(reply: Any, *said: dict[str, str]) -> tuple[int, str]:
    """Status and text, without what differs from request to request."""
    text = re.sub(r'"(instance|request_id)":"[^"]*"', "", reply.text)
    for ids in said:
        for name, value in ids.items():
            text = text.replace(value, f"<{name}>")
    return reply.status_code, text


def test_one_of_theirs_is_there_for_every_parameter(theirs: Theirs) -> None:
    named = {name for operation in OPERATIONS.values() for name in parameters(operation, "path")}
    assert named - OF_ALL_PROJECTS <= set(theirs.ids)
    assert all(theirs.ids[name] and picture for name in theirs.ids for picture in theirs.pictures().values())


def test_every_operation_with_a_body_has_its_case() -> None:
    ids = dict.fromkeys(("dataset_id", "weights_id", "job_id", "checkpoint_id", "project_id", "sweep_id", "name"), "x")
    assert set(bodies(ids, "", "")) == {name for name, operation in OPERATIONS.items() if "requestBody" in operation}


def mixtures(names: list[str], theirs: dict[str, str], own: dict[str, str]) -> Iterator[dict[str, str]]:
    """The path's parameters with at least one id of theirs."""
    yield {name: theirs[name] for name in names}
    if "job_id" in names and "checkpoint_id" in names:
        yield {name: own.get(name, theirs[name]) for name in names} | {"checkpoint_id": theirs["checkpoint_id"]}
        yield {name: theirs[name] for name in names} | {"checkpoint_id": own["checkpoint_id"]}


def test_what_is_theirs_is_answered_like_what_nobody_has(theirs: Theirs, own: Own) -> None:
    before, nobody = theirs.pictures(), unknown(theirs.ids)
    for name, operation in OPERATIONS.items():
        method, path = name.split()
        names = [one for one in parameters(operation, "path") if one not in OF_ALL_PROJECTS]
        if not names or name in OPEN or name == "PUT /v1/aliases/{name}":  # who puts a name makes one of their own
            continue
        body = example_of(operation)
        for ids in mixtures(names, theirs.ids, own.ids):
            reply = own.api.request(method, path.format(**ids), **body)
            strange = {one: nobody[one] if value == theirs.ids[one] else value for one, value in ids.items()}
            expected = own.api.request(method, path.format(**strange), **body)
            assert reply.status_code in (404, 403), f"{name} with {ids}: {reply.status_code} {reply.text}"
            assert words(reply, ids) == words(expected, strange), name
    assert theirs.pictures() == before


def test_no_list_and_no_answer_tells_of_them(theirs: Theirs, own: Own) -> None:
    """Every GET without an id in its path, also with theirs in its query."""
    for name, operation in OPERATIONS.items():
        method, path = name.split()
        if method != "GET" or parameters(operation, "path"):
            continue
        queries: list[dict[str, str]] = [{}]
        asked = parameters(operation, "query")
        queries += [{one: theirs.ids[one]} for one in asked if one in theirs.ids]
        queries += [{"after": value} for value in theirs.ids.values() if "after" in asked]
        queries += [{"q": SECRET}] if "q" in asked else []
        queries += [{"by": by} for by in ("key", "job")] if "by" in asked else []
        for query in queries:
            reply = own.api.get(path, params=query)
            told = [value for value in theirs.ids.values() if value in reply.text and value not in query.values()]
            assert told == [], f"{name} {query}: {reply.text}"
            assert SECRET not in reply.text or SECRET in query.values()


def test_their_project_cannot_be_named(theirs: Theirs, own: Own) -> None:
    nobody = unknown(theirs.ids)["project_id"]
    for name, operation in OPERATIONS.items():
        method, path = name.split()
        ids = theirs.ids | {"worker_id": "wrk_x", "command": "drain"}
        for project in (theirs.ids["project_id"], nobody):
            headers = {"descent-project": project, "if-none-match": "x"}
            reply = own.api.request(method, path.format(**ids), headers=headers, **example_of(operation))
            if "descent-project" in parameters(operation, "header"):
                assert reply.status_code in (404, 403), f"{name}: {reply.status_code} {reply.text}"
            assert SECRET not in reply.text.replace(path.format(**ids), "")


def test_no_id_in_a_body_opens_what_is_theirs(theirs: Theirs, own: Own) -> None:
    before, nobody = theirs.pictures(), unknown(theirs.ids)
    arguments = (own.ids["job_id"], own.ids["checkpoint_id"])
    strangers = bodies(nobody, *arguments)
    for name, cases in bodies(theirs.ids, *arguments).items():
        method, path = name.split()
        for (body, pointer), (strange, _) in zip(cases, strangers[name], strict=True):
            reply = own.api.request(method, path.format(**own.ids), json=body)
            where = f"{name} {json.dumps(body)[:300]}: {reply.status_code} {reply.text}"
            assert reply.status_code in (404, 422), where
            if reply.status_code == 422:
                assert any(one["pointer"].startswith(pointer or "") for one in reply.json()["errors"]), where
            expected = own.api.request(method, path.format(**own.ids), json=strange)
            assert words(reply, theirs.ids) == words(expected, nobody), where
    assert theirs.pictures() == before
