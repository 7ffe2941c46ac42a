"""Weights by the commands: uploads that models may start from, and the word that may be left out of a download."""

import json
from pathlib import Path

import pytest

from tests.app.weights.files import safetensors
from tests.descent.conftest import Address
from tests.descent.test_datasets import descent


@pytest.fixture
def backbone(tmp_path: Path) -> str:
    path = tmp_path / "backbone.safetensors"
    path.write_bytes(safetensors({"1.weight": [16, 4], "1.bias": [16]}))
    return str(path)


def test_the_commands(address: Address, backbone: str, tmp_path: Path) -> None:
    assert "no weights are uploaded yet" not in descent("weights", "list")  # that is said on stderr
    made = json.loads(descent("weights", "upload", backbone, "--json"))
    assert (made["name"], made["parameters"]) == ("backbone", 80)
    named = descent("weights", "upload", backbone, "--name", "other")
    assert "other" in named
    assert "80" in named
    listed = json.loads(descent("weights", "list", "--json"))
    assert [item["name"] for item in listed] == ["other", "backbone"]
    assert made["id"] in descent("weights", "list")
    assert json.loads(descent("weights", "show", made["id"], "--json")) == made
    assert "16×4" in descent("weights", "show", made["id"])  # noqa: RUF001
    assert made["id"] in descent("weights", "delete", made["id"])
    assert "no such weights" in descent("weights", "delete", made["id"], expect=1)
    assert len(json.loads(descent("weights", "list", "--json"))) == 1
    (tmp_path / "wrong.safetensors").write_bytes(b"import os")
    assert "safetensors" in descent("weights", "upload", str(tmp_path / "wrong.safetensors"), expect=1)
    assert "cannot be read" in descent("weights", "upload", str(tmp_path / "nowhere"), expect=1)


@pytest.mark.parametrize("words", [["weights"], ["weights", "download"]])
def test_a_download_with_and_without_its_name(address: Address, words: list[str]) -> None:
    assert "There is no such job." in descent(*words, "job_" + "0" * 26, "-o", "x", expect=1)
    assert "There is no such job." in descent(*words, "-c", "best", "job_" + "0" * 26, expect=1)
