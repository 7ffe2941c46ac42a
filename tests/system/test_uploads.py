"""The shared jobs on uploaded data, end to end: the files over HTTP, the id into the spec, the job to its end."""

import json
import random
from typing import Any

import numpy as np
import pytest

from tests.app.datasets.files import idx
from tests.system.conftest import EXAMPLES, Service

pytestmark = pytest.mark.system

GOOD, BAD = ["a fine film", "wonderful and warm", "I loved it"], ["a dull film", "cold and boring", "I hated it"]


def upload(service: Service, files: dict[str, tuple[str, bytes]], **fields: str) -> dict[str, Any]:
    answer = service.http.post("/v1/datasets", data=fields, files=files)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def images(service: Service) -> str:
    """MNIST's own format: 40 images whose brighter half tells the class, for ten classes."""
    labels = np.arange(40, dtype=np.uint8) % 10
    pixels = np.random.default_rng(0).integers(0, 50, (40, 28, 28), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[2 * label : 2 * label + 5] += 200
    files = {"images": ("images-idx3-ubyte", idx(pixels)), "labels": ("labels-idx1-ubyte.gz", idx(labels, zipped=True))}
    found = upload(service, files, name="small-mnist", format="idx")
    assert (found["samples"], found["shape"], found["dtype"], found["classes"]) == (40, [1, 28, 28], "uint8", 10)
    return str(found["id"])


@pytest.fixture(scope="module")
def reviews(service: Service) -> str:
    draw = random.Random(0)
    rows = [
        {"text": ". ".join(draw.choices(GOOD if number % 2 else BAD, k=draw.randint(1, 6))), "label": number % 2}
        for number in range(200)
    ]
    content = "\n".join(json.dumps(row) for row in rows).encode()
    return str(upload(service, {"file": ("reviews.jsonl", content)}, name="reviews")["id"])


def example(name: str, dataset: str) -> dict[str, Any]:
    """The shared job with an upload's id in its place, and a part of its epochs."""
    text = (EXAMPLES / f"{name}.json").read_text()
    for placeholder in ("ds_REPLACE_WITH_UPLOADED_IDX", "ds_REPLACE_WITH_UPLOADED_JSON_LINES"):
        text = text.replace(placeholder, dataset)
    spec: dict[str, Any] = json.loads(text)
    spec["training"]["epochs"] = min(spec["training"]["epochs"], 2)
    return spec


def trained(service: Service, spec: dict[str, Any]) -> list[dict[str, Any]]:
    job = service.ended(service.submit(spec)["id"])
    assert job["status"] == "succeeded", job["error"]
    rows = service.epochs(job["id"])
    assert len(rows) == spec["training"]["epochs"]
    return rows


def test_mnist_from_idx_files(service: Service, images: str) -> None:
    spec = example("mnist-cnn-adam", images)
    split = {part: {"train": 0.75, "validation": 0.25}.get(part, 0) for part in spec["data"]["split"] if part != "seed"}
    spec["data"]["split"] = {part: share for part, share in split.items() if share}
    rows = trained(service, spec)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


@pytest.mark.parametrize(
    "name",
    [
        "reviews-embedding-sparseadam",
        *(pytest.param(f"reviews-lstm-{name}", marks=pytest.mark.slow) for name in ("adam", "sgd")),
    ],
)
def test_reviews_from_json_lines(service: Service, reviews: str, name: str) -> None:
    rows = trained(service, example(name, reviews))
    assert all(row["validation_loss"] is not None for row in rows)


def test_an_lstm_on_uploaded_word_vectors(service: Service, reviews: str) -> None:
    content = b"fine 1 0 0 0\ndull 0 1 0 0\nloved 0 0 1 0\n"
    upload(service, {"file": ("glove.txt", content)}, name="glove", format="vectors")
    spec = example("reviews-lstm-adam", reviews)
    spec["model"] = {"type": "LSTMClassifier", "vectors": "glove@latest", "hidden_size": 8}
    job = service.submit(spec)
    assert job["resolved_spec"]["model"]["embedding_dim"] == 4
    assert job["resolved_spec"]["model"]["vectors"].startswith("ds_")
    job = service.ended(job["id"])
    assert job["status"] == "succeeded", job["error"]


def test_a_language_model_from_texts_without_labels(service: Service) -> None:
    content = "\n".join(json.dumps({"text": text * 5}) for text in GOOD + BAD).encode()
    dataset = upload(service, {"file": ("texts.jsonl", content)}, name="texts")["id"]
    spec = {
        "data": {
            "dataset": dataset,
            "split": {"train": 0.9, "validation": 0.1},
            "preprocess": [{"type": "Tokenize", "level": "character", "block_size": 8}],
        },
        "model": {"type": "GPT", "n_layer": 1, "n_head": 2, "n_embd": 16},
        "loss": {"type": "CrossEntropyLoss"},
        "optimizer": {"type": "AdamW", "lr": 0.01},
        "training": {"epochs": 3, "batch_size": 8},
        "metrics": ["perplexity"],
    }
    job = service.submit(spec)
    assert job["progress"]["steps"] is None  # how many blocks there are is known when they are cut
    job = service.ended(job["id"])
    assert job["status"] == "succeeded", job["error"]
    assert job["progress"]["steps"] == job["progress"]["step"] > 0
    losses = [row["train_loss"] for row in service.epochs(job["id"])]
    assert losses == sorted(losses, reverse=True)
