"""Pretrained word vectors for a vocabulary: which rows of an embedding they fill."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from app.datasets.errors import DatasetError
from app.datasets.stored import Known
from app.jobs.spec import JobSpec, SpecError
from worker.data import write_atomically
from worker.datasets.uploaded import check_files, rows_of

POINTER = "/model/vectors"


def prepare_vectors(spec: JobSpec, data: dict[str, Any] | None, store: Path, known: Known) -> str | None:
    """A file with `rows` int64 [n] and `values` float32 [n, width]; None for a model without vectors.

    A word that stands twice in the vectors has its first one. Raises SpecError.
    """
    reference = getattr(spec.model, "vectors", None)
    if reference is None or data is None or "file" not in data:
        return None
    stored = known.find(reference)["train"]
    if stored.format != "vectors":
        raise SpecError([{"pointer": POINTER, "detail": f"is a data set of the format {stored.format}"}])
    key = hashlib.sha256(f"{stored.sha256} {Path(data['file']).stem}".encode()).hexdigest()
    path = store / "prepared" / f"vectors-{key}.safetensors"
    if not path.exists():
        with safe_open(data["file"], framework="pt") as file:
            vocabulary = json.loads(file.metadata()["descent"])["vocabulary"]
        places = {token: row for row, token in enumerate(vocabulary) if row > 1}
        found: dict[int, Any] = {}
        try:
            check_files(stored, store)
            for batch in rows_of(stored, store, ["word", "vector"]):
                for word, vector in zip(batch["word"], batch["vector"], strict=True):
                    if word in places:
                        found.setdefault(places[word], vector)
        except DatasetError as error:
            raise SpecError([{"pointer": POINTER, "detail": str(error)}]) from error
        if not found:
            raise SpecError([{"pointer": POINTER, "detail": "has no word of the vocabulary"}])
        values = torch.from_numpy(np.stack(list(found.values()))).float()
        write_atomically(path, {"rows": torch.tensor(list(found)), "values": values}, {})
    return str(path)
