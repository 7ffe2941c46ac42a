"""LSTMClassifier: tokens, an embedding, a packed LSTM, the last hidden states, a linear layer.

Parameters: embedding.weight, lstm.weight_ih_l0, ..., fc.weight, fc.bias.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from worker.training.config import Component
from worker.training.errors import ConfigError

from .facts import Facts
from .layers import on_any_processor

DEFAULTS = {
    "embedding_dim": 100,
    "hidden_size": 256,
    "num_layers": 1,
    "bidirectional": False,
    "dropout": 0.0,
    "padding_idx": 0,
    "bucket": False,
}


class LSTMClassifier(nn.Module):
    """Tokens [B, T] and lengths [B] (on the CPU; left out, all that is not padding) -> [B, out_features]."""

    takes_lengths = True

    def __init__(self, config: Component) -> None:
        super().__init__()
        size, layers, both = config["hidden_size"], config["num_layers"], config["bidirectional"]
        self.embedding = nn.Embedding(config["num_embeddings"], config["embedding_dim"], config["padding_idx"])
        between = config["dropout"] if layers > 1 else 0.0
        self.lstm = nn.LSTM(
            config["embedding_dim"], size, layers, batch_first=True, dropout=between, bidirectional=both
        )
        self.dropout = nn.Dropout(config["dropout"])
        self.fc = nn.Linear(size * (2 if both else 1), config["out_features"])

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        if tokens.is_meta:
            hidden = self.lstm(self.embedding(tokens))[1][0]  # packing needs real lengths
        else:
            if lengths is None:
                lengths = tokens.ne(self.embedding.padding_idx or 0).sum(1).cpu()
            lengths = lengths.clamp(min=1)
            embedded = self.dropout(self.embedding(tokens[:, : int(lengths.max())]))
            packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
            hidden = on_any_processor(self.lstm, packed)[1][0]
        last = torch.cat((hidden[-2], hidden[-1]), 1) if self.lstm.bidirectional else hidden[-1]
        return self.fc(self.dropout(last))  # type: ignore[no-any-return]


def complete(config: Component, facts: Facts) -> Component:
    """Fills in num_embeddings (the vocabulary), out_features and the defaults."""
    if len(facts.shape) != 1 or facts.dtype != "int64":
        raise ConfigError("/model/type", "LSTMClassifier needs tokens [length]: text through Tokenize")
    full = {**DEFAULTS, **config}
    full["num_embeddings"] = config.get("num_embeddings") or facts.tokens("/model/num_embeddings")
    full["out_features"] = config.get("out_features") or facts.outputs
    return full


def build(config: Component) -> nn.Module:
    return LSTMClassifier({**DEFAULTS, **config})
