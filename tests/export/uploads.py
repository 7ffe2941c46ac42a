# ruff: noqa: E501 (a job is a line)
"""Small uploads of every format, each with a job on it."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.stored import Known
from tests.app.datasets import files
from tests.export.jobs import BUCKETS, TOGETHER, Document
from tests.worker.datasets.test_uploaded import stored

WORDS = ("good", "fine", "bad", "poor", "film", "plot")


def texts() -> str:
    draw = random.Random(1)
    rows = [{"text": " ".join(draw.choices(WORDS, k=draw.randint(1, 9))), "label": i % 2} for i in range(60)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def table() -> str:
    draw = random.Random(2)
    rows = [f"{draw.choice(['red', 'blue'])},{draw.choice(['1.5', '', '2'])},{1 + i % 3},{i % 2}" for i in range(60)]
    return "\n".join(["colour,size,w,label", *rows]) + "\n"


def dates() -> str:
    draw = random.Random(5)
    rows = [f"{draw.choice([1, 4, 7, 12])},{draw.choice([1999, 2005])},{draw.random():.3f},{i % 2}" for i in range(50)]
    return "\n".join(["month,year,share,label", *rows]) + "\n"


def pixels(count: int = 60) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 6, 6), dtype=np.uint8)


def arrays() -> bytes:
    return files.npz(images=pixels()[:, None], label=np.arange(60) % 3)


def deep() -> bytes:
    """Sixteen bits a pixel."""
    return files.npz(images=pixels().astype(np.uint16)[:, None] * 257, label=np.arange(60) % 3)


def kinds() -> str:
    draw = random.Random(5)
    return "kind,answer\n" + "".join(f"{draw.choice('abc')},{draw.choice(['no', 'yes'])}\n" for _ in range(50))


def idx(count: int = 60) -> dict[str, bytes]:
    labels = (np.arange(count) % 4).astype(np.uint8)
    return {"images": files.idx(pixels(count), zipped=True), "labels": files.idx(labels)}


def pictures() -> bytes:
    return files.zipped(
        {f"{'cat' if i % 2 else 'dog'}/{i}.png": files.png(image) for i, image in enumerate(pixels(40))}
    )


def columns() -> bytes:
    draw = np.random.default_rng(4).normal(size=(50, 2))
    return files.table({"a": draw[:, 0], "b": draw[:, 1], "y": 3 * draw[:, 0] - draw[:, 1]})


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
TENSORS = [{"type": "ToFloat"}, {"type": "Normalize", "mean": [0.4], "std": [0.3]}]
SMALL: Document = {"type": "CNN", "channels": [4]}
GPT = {"type": "GPT", "n_layer": 1, "n_head": 2, "n_embd": 8}
STREAM = [{"type": "Tokenize", "level": "character", "block_size": 8}]
UPLOADS: dict[str, tuple[str, str | None, Any, Document]] = {
    "lstm": ("jsonl", None, texts(), document({**BUCKETS, "bidirectional": True}, ADAM, preprocess=TOKENIZE)),
    "lstm-bucket": ("jsonl", None, texts(), document({**BUCKETS, "bucket": True}, ADAM, preprocess=TOKENIZE)),
    "transformer": ("jsonl", None, texts(), document(TRANSFORMER, ADAM, preprocess=TOKENIZE)),
    "sparse-adam": ("jsonl", None, texts(), document(SPARSE, {"type": "SparseAdam"}, preprocess=TOKENIZE)),
    "sparse-sgd": ("jsonl", None, texts(), document(SPARSE, {"type": "SGD", "lr": 1.0}, preprocess=TOKENIZE)),
    "stream": ("jsonl", None, texts(), document(GPT, ADAM, preprocess=STREAM)),
    "table": ("csv", "label", table(), document({"type": "MLP", "hidden": [8]}, ADAM, preprocess=CODED, columns=COLUMNS)),
    "pixels": ("npz", "label", arrays(), document(SMALL, ADAM, augment=[{"type": "RandomHorizontalFlip"}])),
    "idx": ("idx", None, idx(), document(SMALL, ADAM, preprocess=TENSORS, augment=[{"type": "RandomRotation", "degrees": 20}])),
    "deep": ("npz", "label", deep(), document(SMALL, ADAM, preprocess=[{"type": "ToFloat"}, {"type": "Resize", "size": [5, 4]}, {"type": "Normalize", "mean": 0.5, "std": 0.25}])),
    "dates": ("csv", "label", dates(), document({"type": "MLP", "hidden": [4]}, ADAM, preprocess=[{"type": "OneHot", "columns": ["month"]}, {"type": "Ordinal", "columns": ["year"]}, {"type": "Standardize"}])),
    "kinds": ("csv", "answer", kinds(), document({"type": "MLP", "hidden": [4]}, ADAM, preprocess=[{"type": "OneHot", "columns": ["kind"]}, {"type": "MinMaxScale"}])),
    "images": ("images", None, pictures(), document(SMALL, ADAM, preprocess=[{"type": "ToFloat"}, {"type": "Resize", "size": 5}])),
    "parquet": ("parquet", "y", columns(), document({"type": "MLP", "hidden": [4]}, ADAM, preprocess=[{"type": "MinMaxScale"}])),
    "installed": ("idx", None, idx(), document(SMALL, ADAM, dataset="mnist", split={"train": 40, "validation": 20}, preprocess=[{"type": "ToFloat"}])),
}  # fmt: skip
UPLOADS["stream"][3]["metrics"] = ["perplexity", "accuracy"]
UPLOADS["parquet"][3].update(loss={"type": "HuberLoss"}, metrics=["r2", "mae"])
UPLOADS["kinds"][3]["loss"] = {"type": "BCEWithLogitsLoss"}
UPLOADS["sparse-adam"][3]["training"] |= {"accumulate_steps": 2, "telemetry": ["groups"], "log_every_steps": 2}
UPLOADS["sparse-sgd"][3]["training"]["clip"] = {"type": "norm", "max_norm": 0.1}
# Equal lengths in a batch go to oneDNN, which has an LSTM in float16 for few processors.
UPLOADS["lstm-half"] = (*UPLOADS["lstm-bucket"][:3], {**UPLOADS["lstm-bucket"][3], "training": {**UPLOADS["lstm-bucket"][3]["training"], "precision": "float16"}})  # fmt: skip
UPLOADS["together-bucket"] = (*UPLOADS["lstm-bucket"][:3], {**UPLOADS["lstm-bucket"][3], "resources": TOGETHER})
UPLOADS["together-sparse"] = (*UPLOADS["sparse-adam"][:3], {**UPLOADS["sparse-adam"][3], "resources": TOGETHER})


def known_of(name: str, folder: Path) -> Known:
    """The upload in a store; what is installed has a test part of its own."""
    format, target, content, job = UPLOADS[name]
    roles = content if isinstance(content, dict) else {"file": content}
    reference = job["data"]["dataset"]
    parts = {"train": replace(stored(folder, format, target, **roles), reference=reference)}
    if name == "installed":
        parts["test"] = replace(stored(folder, format, target, **idx(12)), reference=reference)
    return Known({reference: parts})
