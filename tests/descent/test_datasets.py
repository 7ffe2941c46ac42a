"""Data sets by the client and the commands."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from descent import Client
from descent.errors import DescentError
from tests.app.datasets import files
from tests.app.datasets.test_install import mnist
from tests.descent.conftest import Address


def descent(*arguments: str, expect: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "descent", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == expect, done.stderr + done.stdout
    return done.stdout if expect == 0 else done.stderr


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "flowers.csv"
    path.write_text(files.IRIS)
    return str(path)


def test_the_client_uploads_lists_and_deletes(address: Address, table: str) -> None:
    with Client() as client:
        made = client.upload_dataset("flowers", table, target="species")
        again = client.upload_dataset("flowers", table, target="species")
        assert (made["samples"], again["version"]) == (3, 2)
        assert [item["id"] for item in client.datasets(name="flowers")] == [again["id"], made["id"]]
        assert client.dataset(made["id"]) == made
        client.delete_dataset(made["id"])
        assert [item["id"] for item in client.datasets()] == [again["id"]]
        with pytest.raises(DescentError, match="species"):
            client.upload_dataset("flowers", table, target="colour")


def test_the_commands(address: Address, table: str, tmp_path: Path) -> None:
    made: dict[str, Any] = json.loads(descent("datasets", "upload", table, "--target", "species", "--json"))
    assert (made["name"], made["version"]) == ("flowers", 1)
    assert made["id"] in descent("datasets", "list")
    assert "virginica" not in descent("datasets", "show", "flowers@1")
    assert json.loads(descent("datasets", "show", "flowers", "--json")) == made
    pair = files.put(tmp_path, images=files.idx(np.zeros((3, 2, 2), "u1")), labels=files.idx(np.arange(3, dtype="u1")))
    idx = json.loads(descent("datasets", "upload", *map(str, pair.values()), "--name", "tiny", "--json"))
    assert idx["shape"] == [1, 2, 2]
    descent("datasets", "delete", "flowers@latest")
    assert "flowers@7" in descent("datasets", "show", "flowers@7", expect=1)
    assert "/target" in descent("datasets", "upload", table, expect=1)


def test_the_operator_installs(address: Address, tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    hashes = [f"--sha256={name}={sha256}" for name, sha256 in mnist(archives).items()]
    assert "440fcabf" in descent("datasets", "install", "mnist", "--from", str(archives), expect=1)
    assert "5 in train, 2 in test" in descent("datasets", "install", "mnist", "--from", str(archives), *hashes)
    assert "mnist, fashion_mnist" in descent("datasets", "install", "imagenet", expect=2)
