"""Texts for a language model: one stream of tokens, cut into blocks whose targets are the inputs shifted by one."""

from array import array
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.jobs.spec import SpecError
from app.jobs.spec.data import Data
from app.jobs.spec.plan import split_sizes
from app.jobs.spec.preprocess import Tokenize
from worker.datasets.sources import Source, SourceOf, own_sources
from worker.datasets.split import split_indices
from worker.datasets.tokenize import UNKNOWN, Vocabulary, tokens_of

Stream = NDArray[np.int32]
"""Tokens by the order in which they were first seen."""


def make_stream(data: Data, source_of: SourceOf) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """`train.inputs` int64 [n, block_size], `train.targets` the same, ...; the vocabulary among the notes.

    n is (tokens - 1) // block_size: a block's last target is the token after it. Raises SpecError.
    """
    place, step = next((i, step) for i, step in enumerate(data.preprocess) if isinstance(step, Tokenize))
    size = step.block_size or 1
    seen: dict[str, int] = {}
    streams = {part: _stream(source, step, seen) for part, source in own_sources(data, "class", source_of).items()}
    blocks = {part: (len(stream) - 1) // size for part, stream in streams.items()}
    for part, count in blocks.items():
        if count < 1:
            detail = f"is more than the {part} part has: {len(streams[part])} tokens make no block and its target"
            raise SpecError([{"pointer": f"/data/preprocess/{place}/block_size", "detail": detail}])
    wanted = sum(split_sizes(blocks["train"], data.split))
    indices = split_indices(blocks["train"], data.split, None)
    if wanted > blocks["train"] or len(indices["train"]) == 0:
        detail = f"asks for {wanted} blocks" if wanted > blocks["train"] else "leaves no block to train on"
        raise SpecError([{"pointer": "/data/split", "detail": f"{detail}, there are {blocks['train']}"}])
    of = {part: part if part in streams else "train" for part in indices}
    indices |= {part: torch.arange(blocks[part]) for part in streams if part != "train"}
    trained = _cut(streams["train"], size, blocks["train"], 0)[indices["train"].numpy()]
    counts = np.bincount(trained.ravel(), minlength=len(seen))
    words = list(seen)
    vocabulary = Vocabulary.by_count({words[number]: int(counts[number]) for number in np.nonzero(counts)[0]}, step)
    numbers = np.full(len(words), UNKNOWN, dtype=np.int64)
    for number, token in enumerate(vocabulary.tokens):
        if number > UNKNOWN:
            numbers[seen[token]] = number
    tensors: dict[str, Tensor] = {}
    for part, index in indices.items():
        for name, shift in (("inputs", 0), ("targets", 1)) if len(index) else ():
            cut = _cut(streams[of[part]], size, blocks[of[part]], shift)[index.numpy()]
            tensors[f"{part}.{name}"] = torch.from_numpy(numbers[cut])
    return tensors, {"vocabulary": vocabulary.tokens}


def _stream(source: Source, step: Tokenize, seen: dict[str, int]) -> Stream:
    """All texts one after another, four bytes a token."""
    numbers = array("i")
    for text in source.inputs:
        numbers.extend(seen.setdefault(token, len(seen)) for token in tokens_of(str(text), step))
    return np.frombuffer(numbers, dtype=np.int32) if numbers else np.zeros(0, np.int32)


def _cut(stream: Stream, size: int, count: int, shift: int) -> Stream:
    return stream[shift : shift + count * size].reshape(count, size)
