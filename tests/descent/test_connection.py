"""Where the client looks for the service."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from descent.connection import Connection, find_connection
from descent.errors import NoConnection


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DESCENT_URL", "DESCENT_API_KEY", "DESCENT_STATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(folder: Path, url: str = "http://127.0.0.1:8000", key: str = "dsk_local") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "connection.json").write_text(json.dumps({"url": url, "api_key": key}))
    return folder


def test_the_first_of_arguments_environment_and_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".descent")
    other = write(home / "other", "http://127.0.0.1:9000", "dsk_other")
    local = Connection("http://127.0.0.1:8000", "dsk_local")
    assert find_connection() == local
    monkeypatch.setenv("DESCENT_STATE", str(other))
    assert find_connection().api_key == "dsk_other"
    monkeypatch.setenv("DESCENT_URL", "https://descent.example/")
    monkeypatch.setenv("DESCENT_API_KEY", "dsk_environment")
    assert find_connection() == Connection("https://descent.example", "dsk_environment")
    assert find_connection(state=home / ".descent") == local
    assert find_connection("http://a", "dsk_b") == Connection("http://a", "dsk_b")
    assert "dsk_" not in repr(find_connection())


def test_a_local_key_is_not_sent_elsewhere(home: Path) -> None:
    write(home / ".descent")
    assert find_connection("http://127.0.0.1:8000/").api_key == "dsk_local"
    with pytest.raises(NoConnection, match="no key for https://elsewhere"):
        find_connection("https://elsewhere")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"url": 1, "api_key": "a"}', '{"url": "http://a", "api_key": "a\\nb"}']
)
def test_a_file_that_cannot_be_used_is_named(home: Path, text: str) -> None:
    (write(home / ".descent") / "connection.json").write_text(text)
    with pytest.raises(NoConnection):
        find_connection()


def test_without_a_service_it_says_how_to_start_one(home: Path) -> None:
    with pytest.raises(NoConnection, match="descent up"):
        find_connection()


def test_the_client_is_light() -> None:
    """Importing it pulls in neither torch nor the server, and the help not even httpx."""
    heavy = {"torch", "fastapi", "sqlalchemy", "pydantic", "celery", "numpy", "app", "worker", "pandas"}
    code = (
        "import sys, descent, descent.client, descent.cli.commands, descent.cli.watch;"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    assert run(code) == "[]"
    assert run("import sys, descent.cli.commands; print('httpx' in sys.modules)") == "False"


def run(code: str) -> str:
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    return found.stdout.strip()
