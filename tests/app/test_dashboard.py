"""The dashboard's files over HTTP."""

import re

import pytest
from fastapi.testclient import TestClient

from app.dashboard.files import FOLDER, page_files


@pytest.fixture
def page(client: TestClient) -> str:
    reply = client.get("/")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    return reply.text


def test_every_file_is_open_and_everything_else_is_401(client: TestClient) -> None:
    for name, file in page_files().items():
        reply = client.get(f"/dashboard/{name}")
        assert (reply.status_code, reply.content) == (200, file.body)
        again = client.get(f"/dashboard/{name}", headers={"if-none-match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for path in ("/dashboard/", "/dashboard/secret.js", "/dashboard/../gate.py", "/dashboard/%2e%2e/files.py"):
        assert client.get(path).status_code == 401


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(client: TestClient, page: str) -> None:
    headers = client.get("/").headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|style=|https?://", page)


def test_scripts_never_make_markup_of_text_nor_speak_to_others() -> None:
    for path in FOLDER.glob("*.js"):
        text = path.read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|localStorage|cookie\s*=", text
        )
        assert set(re.findall(r"https?://[^\"'`\s)]+", text)) <= {"http://www.w3.org/2000/svg"}
