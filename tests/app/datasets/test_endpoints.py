"""Data sets over HTTP: uploaded, listed, deleted, each project for itself."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.blobs import blob_path
from app.datasets.references import Catalog
from app.models import Blob, Dataset, Job
from app.settings import get_settings
from tests.app.conftest import Api
from tests.app.datasets import files
from worker.datasets.uploaded import load


def upload(api: Api, content: bytes | str, filename: str = "iris.csv", **fields: str) -> Any:
    return api.post("/v1/datasets", data={"name": "iris", **fields}, files={"file": (filename, content)})


@pytest.fixture
def iris(api: Api) -> dict[str, Any]:
    reply = upload(api, files.IRIS, target="species")
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    return found


def stored(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file() and path.name != "installation.json"]


def test_an_upload_is_described_hashed_and_stored(api: Api, iris: dict[str, Any], store: Path) -> None:
    sha256 = hashlib.sha256(files.IRIS.encode()).hexdigest()
    assert iris["id"].startswith("ds_")
    expected = {
        "object": "dataset",
        "name": "iris",
        "version": 1,
        "format": "csv",
        "target": "species",
        "samples": 3,
        "shape": [2],
        "dtype": "float64",
        "classes": 2,
        "class_names": ["setosa", "virginica"],
        "bytes": len(files.IRIS),
        "sha256": sha256,
        "warnings": [],
    }
    assert {key: iris[key] for key in expected} == expected
    assert [column["missing"] for column in iris["columns"]] == [0, 1, 0]
    assert stored(store) == [blob_path(store, sha256)]
    assert blob_path(store, sha256).read_text() == files.IRIS
    assert api.get(f"/v1/datasets/{iris['id']}").json() == iris


def test_idx_comes_in_two_files(api: Api) -> None:
    images = np.zeros((4, 28, 28), np.uint8)
    reply = api.post(
        "/v1/datasets",
        data={"name": "digits"},
        files={
            "images": ("i.gz", files.idx(images, zipped=True)),
            "labels": ("l.gz", files.idx(np.arange(4, dtype="u1"))),
        },
    )
    assert reply.status_code == 201, reply.text
    found = reply.json()
    assert (found["format"], found["shape"], found["dtype"], found["classes"]) == ("idx", [1, 28, 28], "uint8", 4)


def test_names_are_numbered_and_a_number_is_not_given_twice(api: Api, iris: dict[str, Any]) -> None:
    second = upload(api, files.IRIS + "1,2,setosa\n", target="species").json()
    other = upload(api, files.IRIS, target="species", name="other").json()
    assert (second["version"], other["version"]) == (2, 1)
    assert api.request("DELETE", f"/v1/datasets/{second['id']}").status_code == 204
    assert upload(api, files.IRIS, target="species").json()["version"] == 3


def test_a_list_goes_from_page_to_page(api: Api) -> None:
    made = []
    for index in range(3):
        made.append(upload(api, f"x,y\n{index},1\n", target="y", name=f"n{index}").json()["id"])
        time.sleep(0.002)
    first = api.get("/v1/datasets?limit=2").json()
    assert ([row["id"] for row in first["data"]], first["has_more"]) == (made[:0:-1], True)
    assert [row["id"] for row in api.get(f"/v1/datasets?after={first['last_id']}").json()["data"]] == made[:1]
    assert [row["id"] for row in api.get("/v1/datasets?order=asc&name=n1").json()["data"]] == [made[1]]


def test_one_content_is_stored_once_and_goes_with_its_last_user(
    api: Api, make_api: Callable[..., Api], iris: dict[str, Any], store: Path, session: Session
) -> None:
    other = make_api("two")
    again = upload(other, files.IRIS, target="length").json()
    assert again["sha256"] == iris["sha256"]
    assert session.scalar(select(func.count()).select_from(Blob)) == 1
    assert len(stored(store)) == 1
    for part in Catalog(api.project_id, "descent_worker").find("iris@1").values():
        load(part, store)
    assert api.request("DELETE", f"/v1/datasets/{iris['id']}").status_code == 204
    assert len(stored(store)) == 3  # the other's file, and the arrays made of it
    assert other.request("DELETE", f"/v1/datasets/{again['id']}").status_code == 204
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Blob)) == 0
    assert stored(store) == []


def test_projects_do_not_see_each_other(
    api: Api, make_api: Callable[..., Api], iris: dict[str, Any], session: Session
) -> None:
    other = make_api("two")
    assert other.get("/v1/datasets").json()["data"] == []
    assert other.get(f"/v1/datasets/{iris['id']}").status_code == 404
    assert other.request("DELETE", f"/v1/datasets/{iris['id']}").status_code == 404
    session.execute(text("SET ROLE descent_api"))
    session.execute(text("SELECT set_config('descent.project', :p, true)"), {"p": other.project_id})
    for table in ("dataset", "dataset_file", "dataset_name"):
        assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
    session.execute(text("SELECT set_config('descent.project', :p, true)"), {"p": api.project_id})
    assert session.scalar(text("SELECT count(*) FROM dataset_file")) == 1
    session.rollback()
    session.execute(text("RESET ROLE"))


def test_what_a_job_needs_stays(api: Api, iris: dict[str, Any], session: Session, end_job: Callable[..., None]) -> None:
    job = api.submit()
    spec = {"data": {"dataset": {"train": iris["id"]}}}
    session.execute(update(Job).where(Job.id == job["id"]).values(resolved_spec=spec))
    session.commit()
    refused = api.request("DELETE", f"/v1/datasets/{iris['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    assert job["id"] in refused.json()["detail"]
    end_job(job["id"])
    assert api.request("DELETE", f"/v1/datasets/{iris['id']}").status_code == 204
    assert api.get(f"/v1/datasets/{iris['id']}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "parts", "pointer"),
    [
        ({}, {"file": ("a.csv", files.IRIS)}, "/target"),
        ({"target": "z"}, {"file": ("a.csv", files.IRIS)}, "/target"),
        ({"name": "../x"}, {"file": ("a.csv", files.IRIS)}, "/name"),
        ({"name": "x@1"}, {"file": ("a.csv", files.IRIS)}, "/name"),
        ({"name": ""}, {"file": ("a.csv", files.IRIS)}, "/name"),
        ({"format": "pickle"}, {"file": ("a.csv", files.IRIS)}, "/format"),
        ({}, {"file": ("data", files.IRIS)}, "/format"),
        ({"colour": "red"}, {"file": ("a.csv", files.IRIS)}, "/colour"),
        ({}, {"images": ("a", b"x")}, "/labels"),
        ({"format": "idx"}, {"images": ("a", b"x")}, "/labels"),
        ({"format": "csv"}, {"file": ("a", b"x"), "labels": ("a", b"x")}, "/labels"),
        ({"target": "y"}, {"file": ("a.csv", "x,y\n1,inf\n")}, "/file"),
        ({"format": "idx"}, {"images": ("a", b"x"), "labels": ("a", b"x")}, "/images"),
        ({"target": "x" * 70_000}, {"file": ("a.csv", files.IRIS)}, None),
    ],
)
def test_what_is_wrong_is_pointed_at(
    api: Api, store: Path, session: Session, fields: dict[str, str], parts: Any, pointer: str | None
) -> None:
    reply = api.post("/v1/datasets", data={"name": "a", **fields}, files=parts)
    assert reply.status_code == (422 if pointer else 413), reply.text
    assert [error["pointer"] for error in reply.json()["errors"]] == ([pointer] if pointer else [])
    assert stored(store) == []
    assert session.scalar(select(func.count()).select_from(Dataset)) == 0


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "multipart/form-data"}, b""),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--y\r\n"),
        ({"content-type": "multipart/form-data; boundary=x"}, b""),
        (
            {"content-type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na',
        ),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\nContent-Disposition: " + b"a" * 10_000),
        ({"content-type": "multipart/form-data; boundary=" + "x" * 1000}, b"--x\r\n"),
    ],
)
def test_what_is_no_form_is_422(api: Api, store: Path, headers: dict[str, str], body: bytes) -> None:
    reply = api.post("/v1/datasets", headers=headers, content=body)
    assert reply.status_code == 422, reply.text
    assert stored(store) == []


def test_too_large_an_upload_is_413_before_and_while_it_comes(
    api: Api, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESCENT_UPLOAD_BYTES", "1000000")
    get_settings.cache_clear()
    assert upload(api, b"x" * 1_000_001).status_code == 413
    assert upload(api, b"x" * 6_000_000).status_code == 413  # by its Content-Length
    bomb = upload(api, files.npz(x=np.zeros(2**24)), "x.npz")
    assert bomb.status_code == 413
    squeezed = files.zipped({"x.npy": files.npz(x=np.zeros(2**24))[:1] * (2**27)})
    assert upload(api, squeezed, "x.npz").status_code == 413
    assert stored(store) == []


def test_what_a_crash_left_is_removed(api: Api, store: Path) -> None:
    left = store / "uploads" / "0123.tmp"
    fresh = store / "uploads" / "4567.tmp"
    left.parent.mkdir()
    left.write_bytes(b"x")
    fresh.write_bytes(b"x")
    os.utime(left, (time.time() - 7200,) * 2)
    assert upload(api, files.IRIS, target="species").status_code == 201
    assert (left.exists(), fresh.exists()) == (False, True)


def test_a_lost_file_is_mended_by_the_next_upload(api: Api, iris: dict[str, Any], store: Path) -> None:
    blob_path(store, iris["sha256"]).unlink()
    assert upload(api, files.IRIS, target="species").status_code == 201
    assert blob_path(store, iris["sha256"]).read_text() == files.IRIS


def test_reading_needs_no_right_to_write(make_api: Callable[..., Api], iris: dict[str, Any]) -> None:
    reader = make_api("one", ("read",))
    assert reader.get("/v1/datasets").json()["data"] == [iris]
    assert upload(reader, files.IRIS, target="species").status_code == 403
    assert reader.request("DELETE", f"/v1/datasets/{iris['id']}").status_code == 403
