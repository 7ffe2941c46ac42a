"""The examples of the guides to the client and the command line, run as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.conftest import EXAMPLES, Service

pytestmark = pytest.mark.system
GUIDES = Path(__file__).parents[2] / "docs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(EXAMPLES)
    (tmp_path / "class.csv").write_text("name\nada\nalan\n")
    return tmp_path


def run(service: Service, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESCENT_")}
    environment["DESCENT_STATE"] = str(service.state)
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=90, check=False)


def test_the_client_guide(service: Service, folder: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (GUIDES / "client.md").read_text(), re.DOTALL)
    assert len(blocks) == 5
    result = run(service, folder, "-c", "\n".join(blocks))
    assert result.returncode == 0, result.stderr
    assert (folder / "model.safetensors").stat().st_size > 100


@pytest.mark.slow
@pytest.mark.parametrize(("page", "count"), [("forks.md", 3), ("operating.md", 2)])
def test_a_guide_in_python(service: Service, folder: Path, page: str, count: int) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (GUIDES / page).read_text(), re.DOTALL)
    assert len(blocks) == count
    result = run(service, folder, "-c", "\n".join(blocks))
    assert result.returncode == 0, result.stderr
    if page == "forks.md":
        assert "bit_exact\nNone" in result.stdout
        assert "optimizer." in result.stdout


@pytest.mark.slow
def test_the_command_line_guide(service: Service, folder: Path) -> None:
    commands = re.findall(r"^\$ descent (.*)$", (GUIDES / "cli.md").read_text(), re.MULTILINE)
    assert len(commands) > 25
    for command in commands:
        result = run(service, folder, "-m", "descent", *shlex.split(command))
        assert result.returncode == 0, f"descent {command}: {result.stderr}"
        assert result.stdout.strip() or command.startswith("logs") or "--out" in command, command
    assert len((folder / "keys.csv").read_text().splitlines()) == 3
