"""Data larger than memory is prepared through files, to the same bytes."""

import ctypes
import gc
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from app.datasets.stored import Known
from app.jobs.spec import validate
from tests.app.datasets import files
from tests.worker.datasets.test_uploaded import stored
from worker.data import prepare
from worker.datasets import room
from worker.datasets.tensor_file import ALIGNED, write_tensors
from worker.datasets.uploaded import sources_of
from worker.limits import memory_of
from worker.training.data.dataset import load

STEPS: list[dict[str, Any]] = [
    {"type": "Standardize"},
    {"type": "MinMaxScale"},
    {"type": "Normalize", "mean": 0.3, "std": 1.7},
]
SPEC: dict[str, Any] = {
    "model": {"type": "MLP", "hidden": [4]},
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "Adam"},
    "training": {"epochs": 1, "batch_size": 2},
}
TABLE = "a,b,kind,y\n" + "".join(f"{i * 0.37!r},{'' if i % 9 == 0 else i},{'pqr'[i % 3]},{i % 2}\n" for i in range(50))


def prepared(
    store: Path, found: Any, steps: list[dict[str, Any]], *, read: bool = True, memory_bytes: int | None = None
) -> bytes:
    data = {"dataset": "ds_x", "split": {"train": 0.7, "validation": 0.3}, "preprocess": steps}
    known = Known({"ds_x": {"train": found}})
    spec = validate({**SPEC, "data": data})
    sources = sources_of(known, store)
    made = prepare(spec, store, facts_of=known.facts_of, source_of=sources, memory_bytes=memory_bytes)
    assert made is not None
    path = Path(made["file"])
    content = path.read_bytes() if read else b""
    path.unlink()
    return content


@pytest.mark.parametrize("kind", ["table", "images"])
def test_pieces_in_files_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    if kind == "table":
        found = stored(tmp_path, "csv", "y", file=TABLE)
        steps = [{"type": "Impute"}, {"type": "OneHot", "columns": ["kind"]}, *STEPS]
    else:
        pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 6), dtype=np.uint8)
        contents = {"images": files.idx(pixels), "labels": files.idx(np.arange(40, dtype="u1") % 3)}
        found = stored(tmp_path, "idx", **contents)
        steps = [{"type": "Resize", "size": 4}, {"type": "ToFloat"}, *STEPS]
    whole = prepared(tmp_path, found, steps)
    monkeypatch.setattr(room, "LARGE_BYTES", 0)
    monkeypatch.setattr(room, "CHUNK_BYTES", 200)
    assert prepared(tmp_path, found, steps) == whole
    assert not list((tmp_path / "prepared").glob(".*"))  # the scratch files are gone


@pytest.mark.parametrize("aligned", [False, True])
def test_tensors_are_read_by_the_library(tmp_path: Path, aligned: bool) -> None:
    tensors = {
        "a": torch.arange(6, dtype=torch.uint8).reshape(2, 3),
        "b": torch.randn(3, 4).t(),
        "c": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.empty(0, 3),
        "yes": torch.tensor([True, False]),
    }
    with (tmp_path / "x").open("wb") as file:
        write_tensors(file, tensors, {"descent": "{}"}, aligned=aligned)
    found = {name: tensor for name, tensor in load_file(tmp_path / "x").items() if not name.startswith("padding.")}
    assert set(found) == set(tensors)
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    with safe_open(tmp_path / "x", framework="pt") as opened:
        assert opened.metadata() == {"descent": "{}"}


def test_a_mapped_part_lies_where_a_copied_one_would(tmp_path: Path) -> None:
    """Or kernels that look at the address would give hosts with little memory other last bits."""
    pixels = np.random.default_rng(0).integers(0, 256, (41, 5, 5), dtype=np.uint8)
    found = stored(tmp_path, "idx", images=files.idx(pixels), labels=files.idx(np.arange(41, dtype="u1") % 3))
    (tmp_path / "x").write_bytes(prepared(tmp_path, found, STEPS))
    copied, mapped = (load({"file": str(tmp_path / "x")}, torch.device("cpu"), memory) for memory in (None, 0))
    for part in ("train", "validation"):
        one, other = getattr(copied, part), getattr(mapped, part)
        assert torch.equal(one.inputs, other.inputs)
        assert all(tensor.data_ptr() % ALIGNED == 0 for tensor in (one.inputs, other.inputs, one.targets))


IN_LITTLE_MEMORY = """
import json, resource, sys
from pathlib import Path
from app.datasets.stored import Stored
from tests.worker.datasets.test_room import STEPS, prepared
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 48 * 2**20,) * 2)  # private memory; pages of files do not count
prepared(Path(sys.argv[1]), Stored(**json.loads(sys.argv[2])), STEPS[:1], read=False, memory_bytes=int(sys.argv[3]))
"""


def test_data_larger_than_memory_is_prepared(tmp_path: Path) -> None:
    """Steps over 26 MB of float64, which take several times that, within 48 MB; without the files they do not fit."""
    pixels = np.random.default_rng(0).integers(0, 256, (6_000, 28, 28), dtype=np.uint8)
    found = stored(tmp_path, "idx", images=files.idx(pixels), labels=files.idx(np.arange(6_000, dtype=np.int32) % 10))

    def run(memory_bytes: int) -> subprocess.CompletedProcess[str]:
        arguments = [str(tmp_path), json.dumps(asdict(found)), str(memory_bytes)]
        command = [sys.executable, "-c", IN_LITTLE_MEMORY, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    control = run(2**40)
    assert control.returncode != 0
    assert "memory" in control.stderr.lower()
    done = run(48 * 2**20)
    assert done.returncode == 0, done.stderr[-2000:]


def test_data_larger_than_memory_stays_in_its_file_while_it_is_trained_on(tmp_path: Path) -> None:
    tensors = {"train.inputs": torch.ones(2**22, 4), "train.targets": torch.ones(2**22)}
    save_file(tensors, tmp_path / "x")
    del tensors

    def taken(memory_bytes: int | None) -> int:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # else it may be put where another test's data lay, and take nothing more
        before = memory_of(os.getpid())
        part = load({"file": str(tmp_path / "x")}, torch.device("cpu"), memory_bytes).train
        return memory_of(os.getpid()) - before if len(part) else 0

    assert taken(2**28) < 2**25 < taken(None)
