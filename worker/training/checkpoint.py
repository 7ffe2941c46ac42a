"""A checkpoint: one safetensors file, no pickle, whole and synced before it has its name.

`model.<name>` are the weights in force, `ema.<name>` the averaged ones, `state.<n>` every other tensor; the header's
metadata key `descent` holds all that is not a tensor, `optimizer` the optimizer as data.
Format: https://github.com/huggingface/safetensors
"""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from torch import Tensor

from . import failpoints
from .errors import CheckpointCorrupt, CheckpointFailed, DiskFull

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
ALIGNMENT = 8
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Snapshot:
    """A moment of the training, copied: tensors on the CPU, and what the header says."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Callable[[], Any]]  # JSON-able, made by who writes
    epoch: int  # whole epochs done
    step: int  # updates done


@dataclass(frozen=True)
class Written:
    """A checkpoint under its final name, relative to the job's directory."""

    path: str
    sha256: str
    bytes: int


def write(snapshot: Snapshot, directory: Path, attempt: int) -> Written:
    """A file in the same folder, hashed while written, synced, renamed. Raises DiskFull or CheckpointFailed."""
    folder = directory / f"a{attempt}"
    temporary = folder / f".tmp-{os.getpid()}-e{snapshot.epoch:06d}-s{snapshot.step:08d}"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync_folder(directory)
        digest, size = _stream(snapshot, temporary)
        failpoints.reach("after_tmp_write")
        name = f"e{snapshot.epoch:06d}-s{snapshot.step:08d}-{digest[:8]}.safetensors"
        os.replace(temporary, folder / name)
        _sync_folder(folder)
        failpoints.reach("after_rename")
        return Written(f"a{attempt}/{name}", digest, size)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        kind = DiskFull if error.errno in NO_SPACE else CheckpointFailed
        raise kind(f"checkpoint at step {snapshot.step}: {error}") from error


def _stream(snapshot: Snapshot, path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for count, chunk in enumerate(_chunks(snapshot)):
            digest.update(chunk)
            size += file.write(chunk)
            if count == 1:
                failpoints.reach("mid_checkpoint_write")
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def _chunks(snapshot: Snapshot) -> Iterator[bytes | memoryview]:
    header: dict[str, Any] = {
        "__metadata__": {key: json.dumps(make(), separators=(",", ":")) for key, make in snapshot.metadata.items()}
    }
    # The format wants no gaps; the widest types first keep every tensor aligned.
    ordered = sorted(snapshot.tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    start = 0
    for name, tensor in ordered:
        header[name] = {
            "dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, start + tensor.nbytes]
        }  # fmt: skip
        start += tensor.nbytes
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % ALIGNMENT)
    yield len(encoded).to_bytes(8, "little") + encoded
    for _, tensor in ordered:
        if tensor.numel():
            yield memoryview(tensor.reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]


def read(directory: Path, path: str, sha256: str | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint's tensors and its header's metadata. Raises CheckpointCorrupt unless every byte is as written."""
    try:
        content = (directory / path).read_bytes()
    except OSError as error:
        raise CheckpointCorrupt(path, str(error)) from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointCorrupt(path, "its SHA-256 is not the one recorded")
    try:
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        return load_bytes(content), {key: json.loads(value) for key, value in metadata.items()}
    except (ValueError, KeyError, SafetensorError) as error:
        raise CheckpointCorrupt(path, f"not a checkpoint: {error}") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
