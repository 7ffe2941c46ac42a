"""Texts as numbers: NFC, tokens, a vocabulary from the training part."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from app.jobs.spec.preprocess import Tokenize

PADDING, UNKNOWN = 0, 1
WORDS = re.compile(r"\w+|[^\w\s]")


def tokens_of(text: str, step: Tokenize) -> list[str]:
    """The tokens of one text; bytes are written as two hexadecimal digits."""
    text = unicodedata.normalize("NFC", text)
    if step.lowercase:
        text = text.lower()
    if step.level == "word":
        return WORDS.findall(text)
    if step.level == "character":
        return list(text)
    return [f"{byte:02x}" for byte in text.encode()]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by number; the first two stand for padding and for what is not in it."""

    tokens: list[str]

    @classmethod
    def of(cls, texts: Iterable[str], step: Tokenize) -> "Vocabulary":
        """By falling count, ties in code-point order; `max_vocab` entries at most."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(tokens_of(text, step))
        return cls.by_count(counts, step)

    @classmethod
    def by_count(cls, counts: Mapping[str, int], step: Tokenize) -> "Vocabulary":
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        return cls(["<pad>", "<unk>", *ordered[: step.max_vocab - 2]])

    def numbers(self, texts: Sequence[str], step: Tokenize) -> tuple[Tensor, Tensor]:
        """int64 [n, max_length] filled with 0, and lengths [n], at least 1: an empty text is one unknown token."""
        places = {token: place for place, token in enumerate(self.tokens) if place > UNKNOWN}
        length = step.max_length or 1
        inputs = torch.zeros(len(texts), length, dtype=torch.int64)
        lengths = torch.ones(len(texts), dtype=torch.int64)
        for row, text in enumerate(texts):
            found = [places.get(token, UNKNOWN) for token in tokens_of(text, step)[:length]] or [UNKNOWN]
            inputs[row, : len(found)] = torch.tensor(found)
            lengths[row] = len(found)
        return inputs, lengths
