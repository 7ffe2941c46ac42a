"""Jobs on uploaded data: their tensors lie in data.safetensors beside the script."""

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.datasets.stored import Known
from tests.export.conftest import alone, run
from tests.export.jobs import BUCKETS, Document
from tests.export.test_scripts import printed, same
from tests.worker.datasets.test_uploaded import stored
from worker.export.bundle import model_script
from worker.export.prepared import prepared_of

WORDS = ("good", "fine", "bad", "poor", "film", "plot")


def texts() -> str:
    draw = random.Random(1)
    rows = [{"text": " ".join(draw.choices(WORDS, k=draw.randint(1, 9))), "label": i % 2} for i in range(60)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def table() -> str:
    draw = random.Random(2)
    rows = [f"{draw.choice(['red', 'blue'])},{draw.choice(['1.5', '', '2'])},{1 + i % 3},{i % 2}" for i in range(60)]
    return "\n".join(["colour,size,w,label", *rows]) + "\n"


def pixels() -> bytes:
    file, draw = io.BytesIO(), np.random.default_rng(3)
    np.savez(file, images=draw.integers(0, 256, (60, 1, 6, 6), dtype=np.uint8), label=np.arange(60) % 3)
    return file.getvalue()


def document(model: dict[str, Any], optimizer: dict[str, Any], **data: Any) -> Document:
    return {
        "data": {"dataset": "ds_x", "split": {"train": 0.8, "validation": 0.2}, **data},
        "model": model,
        "loss": {"type": "CrossEntropyLoss"},
        "optimizer": optimizer,
        "training": {"epochs": 3, "batch_size": 10},
        "metrics": ["accuracy"],
    }


TOKENIZE = [{"type": "Tokenize", "max_length": 7, "max_vocab": 7}]
ADAM = {"type": "Adam", "lr": 0.01}
BAG = {"type": "EmbeddingBag", "embedding_dim": 2, "mode": "mean", "sparse": True, "padding_idx": 0}
SPARSE = {"type": "Sequential", "layers": [BAG]}
TRANSFORMER = {"type": "TransformerClassifier", "d_model": 8, "nhead": 2, "num_layers": 1, "dim_feedforward": 8}
CODED = [{"type": "Impute", "strategy": "median"}, {"type": "OneHot", "columns": ["colour"]}, {"type": "Standardize"}]
COLUMNS = {"inputs": ["colour", "size"], "target": "label", "weight": "w"}
UPLOADS: dict[str, tuple[str, str | None, str | bytes, Document]] = {
    "lstm": ("jsonl", None, texts(), document({**BUCKETS, "bidirectional": True}, ADAM, preprocess=TOKENIZE)),
    "lstm-bucket": ("jsonl", None, texts(), document({**BUCKETS, "bucket": True}, ADAM, preprocess=TOKENIZE)),
    "transformer": ("jsonl", None, texts(), document(TRANSFORMER, ADAM, preprocess=TOKENIZE)),
    "sparse-adam": ("jsonl", None, texts(), document(SPARSE, {"type": "SparseAdam"}, preprocess=TOKENIZE)),
    "sparse-sgd": ("jsonl", None, texts(), document(SPARSE, {"type": "SGD", "lr": 1.0}, preprocess=TOKENIZE)),
    "table": (
        "csv", "label", table(),
        document({"type": "MLP", "hidden": [8]}, ADAM, preprocess=CODED, columns=COLUMNS),
    ),
    "pixels": (
        "npz", "label", pixels(),
        document({"type": "CNN", "channels": [4]}, ADAM, augment=[{"type": "RandomHorizontalFlip"}]),
    ),
}  # fmt: skip
UPLOADS["sparse-sgd"][3]["training"]["clip"] = {"type": "norm", "max_norm": 0.1}


@pytest.mark.parametrize("name", UPLOADS)
def test_the_script_prints_the_rows(name: str, tmp_path: Path) -> None:
    format, target, content, job = UPLOADS[name]
    known = Known({"ds_x": {"train": stored(tmp_path, format, target, file=content)}})
    ran = run(job, tmp_path, known)
    same(ran, printed(ran, tmp_path / "alone"))


SAY = """
import json
from model import load, predict, preprocess
found = [preprocess(raw).tolist(), predict(load(), raw)]
print(json.dumps(found, default=lambda value: value.tolist()))
"""


@pytest.mark.parametrize(
    ("name", "raw"),
    [("lstm", ["good film", "", "unheard of"]), ("table", [{"colour": "red", "size": None}, ["blue", 2.0]])],
)
def test_a_bundle_takes_what_the_data_set_had(name: str, raw: list[Any], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    format, target, content, job = UPLOADS[name]
    known = Known({"ds_x": {"train": stored(tmp_path, format, target, file=content)}})
    ran = run(job, tmp_path, known)
    kept = prepared_of(ran.resolved, ran.config, known)
    (tmp_path / "alone").mkdir()
    files = {"fitted": {k: kept[k] for k in ("steps", "columns", "categories")}, "classes": kept["classes"]}
    for file, value in {**files, "vocabulary": kept["vocabulary"]}.items():
        (tmp_path / "alone" / f"{file}.json").write_text(json.dumps(value))
    (tmp_path / "alone" / "model.py").write_text(model_script(kept, name))
    weights = {k.removeprefix("model."): t for k, t in load_file(ran.checkpoint).items() if k.startswith("model.")}
    save_file(weights, tmp_path / "alone" / "weights.safetensors")
    (tmp_path / "alone" / "say.py").write_text(f"raw = {raw!r}\n{SAY}\n")
    inputs, predicted = json.loads(alone(tmp_path / "alone", "say.py"))
    assert len(inputs) == len(predicted) == len(raw)
    if name == "lstm":
        places = {token: place for place, token in enumerate(kept["vocabulary"])}
        assert inputs[0] == [places.get("good", 1), places.get("film", 1), 0, 0, 0, 0, 0]
        assert (inputs[1][:2], inputs[2][:3]) == ([1, 0], [1, 1, 0])
