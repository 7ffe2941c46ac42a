"""Pretrained word vectors: the embedding's rows of the words that they know, the others as they were drawn."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from app.datasets.stored import Known, Stored
from app.jobs.spec import SpecError, resolve, validate
from tests.worker.datasets.test_uploaded import stored
from worker import training
from worker.data import prepare
from worker.datasets.uploaded import sources_of
from worker.datasets.vectors import prepare_vectors
from worker.resolve import dry_run
from worker.training import models
from worker.training.requests import Requests
from worker.translate import translate

VECTORS = "good 1 2 3\nbad -1 -2 -3\nunheard 7 7 7\ngood 9 9 9\n"
TEXTS = [{"text": text, "label": label} for text, label in (("good film", 1), ("bad film", 0)) * 4]
SPEC: dict[str, Any] = {
    "data": {"dataset": "ds_texts", "preprocess": [{"type": "Tokenize", "max_length": 4}]},
    "model": {"type": "LSTMClassifier", "vectors": "glove@latest", "hidden_size": 4},
    "loss": {"type": "BCEWithLogitsLoss"},
    "optimizer": {"type": "SGD", "lr": 0.1},
    "training": {"epochs": 1, "batch_size": 4},
}


@pytest.fixture
def known(tmp_path: Path) -> Known:
    texts = stored(tmp_path, "jsonl", None, file="\n".join(map(json.dumps, TEXTS)))
    vectors = stored(tmp_path, "vectors", None, file=VECTORS)
    named = {"ds_texts": (texts, "ds_texts"), "glove@latest": (vectors, "ds_glove"), "ds_glove": (vectors, "ds_glove")}
    return Known({name: {"train": Stored(**{**vars(one), "reference": ref})} for name, (one, ref) in named.items()})


def test_the_embedding_begins_with_the_vectors(known: Known, tmp_path: Path) -> None:
    resolved = resolve(validate(SPEC), known.facts_of)
    assert (resolved["model"]["vectors"], resolved["model"]["embedding_dim"]) == ("ds_glove", 3)
    assert set(known.as_json(resolved)) == {"ds_texts", "ds_glove"}
    assert dry_run(resolved, known.facts_of)["resolved_spec"]["model"]["vectors"] == "ds_glove"
    spec = validate(resolved)
    data = prepare(spec, tmp_path, facts_of=known.facts_of, source_of=sources_of(known, tmp_path))
    assert data is not None
    file = prepare_vectors(spec, data, tmp_path, known)
    run = {"directory": str(tmp_path / "run"), "job": "job_x", "attempt": 1, "resume": None, "spec_sha256": "x"}
    config = translate(resolved, data=data, run=run, facts_of=known.facts_of, vectors=file)
    with safe_open(data["file"], framework="pt") as opened:
        vocabulary = json.loads(opened.metadata()["descent"])["vocabulary"]
    torch.manual_seed(0)
    drawn = models.build({**config["model"], "vectors": None}).get_parameter("embedding.weight")
    torch.manual_seed(0)
    filled = models.build(config["model"]).get_parameter("embedding.weight")
    for row, token in enumerate(vocabulary):
        expected = {"good": [1.0, 2.0, 3.0], "bad": [-1.0, -2.0, -3.0]}.get(token, drawn[row].tolist())
        assert filled[row].tolist() == expected, token
    reports: list[dict[str, Any]] = []
    training.run(config, reports.append, Requests())
    assert reports[-1]["outcome"] == "succeeded", reports[-1]


@pytest.mark.parametrize(
    ("model", "pointer"),
    [
        ({"vectors": "ds_nothing"}, "/model/vectors"),
        ({"vectors": "ds_texts"}, "/model/vectors"),
        ({"vectors": "iris"}, "/model/vectors"),
        ({"vectors": "ds_glove", "embedding_dim": 4}, "/model/embedding_dim"),
    ],
)
def test_what_are_no_such_vectors_is_refused(known: Known, model: dict[str, Any], pointer: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolve(validate(SPEC | {"model": {**SPEC["model"], **model}}), known.facts_of)
    assert caught.value.errors[0]["pointer"] == pointer
