"""TransformerClassifier: tokens, learned positions, an encoder, the mean over what is not padding, a linear layer.

Parameters: embedding.weight, position.weight, layers.0.self_attn.in_proj_weight, ..., norm.weight, fc.weight, fc.bias.
"""

import torch
from torch import Tensor, nn

from worker.training.config import Component
from worker.training.errors import ConfigError

from .facts import Facts

DEFAULTS = {
    "d_model": 128,
    "nhead": 4,
    "num_layers": 2,
    "dim_feedforward": 512,
    "dropout": 0.1,
    "activation": "gelu",
    "padding_idx": 0,
}


class TransformerClassifier(nn.Module):
    """Tokens [B, T] -> [B, out_features]. Pre-norm layers."""

    def __init__(self, config: Component) -> None:
        super().__init__()
        width = config["d_model"]
        self.embedding = nn.Embedding(config["num_embeddings"], width, config["padding_idx"])
        self.position = nn.Embedding(config["max_length"], width)
        self.dropout = nn.Dropout(config["dropout"])
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                config["nhead"],
                config["dim_feedforward"],
                config["dropout"],
                config["activation"],
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config["num_layers"])
        )
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, config["out_features"])

    def forward(self, tokens: Tensor) -> Tensor:
        padding = tokens.eq(self.embedding.padding_idx or 0)
        padding = torch.cat((torch.zeros_like(padding[:, :1]), padding[:, 1:]), 1)  # one step at least is looked at
        x = self.embedding(tokens) + self.position.weight[: tokens.shape[1]]
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1).to(x.dtype)
        return self.fc((self.norm(x) * kept).sum(1) / kept.sum(1))  # type: ignore[no-any-return]


def complete(config: Component, facts: Facts) -> Component:
    """Fills in num_embeddings (the vocabulary), max_length, out_features and the defaults."""
    if len(facts.shape) != 1 or facts.dtype != "int64":
        raise ConfigError("/model/type", "TransformerClassifier needs tokens [length]: text through Tokenize")
    full = {**DEFAULTS, **config}
    full["num_embeddings"] = config.get("num_embeddings") or facts.tokens("/model/num_embeddings")
    full["max_length"] = config.get("max_length") or facts.shape[0]
    full["out_features"] = config.get("out_features") or facts.outputs
    if full["d_model"] % full["nhead"]:
        raise ConfigError("/model/nhead", f"does not divide d_model {full['d_model']}")
    if full["max_length"] < facts.shape[0]:
        raise ConfigError("/model/max_length", f"is less than the {facts.shape[0]} tokens of a sample")
    return full


def build(config: Component) -> nn.Module:
    return TransformerClassifier({**DEFAULTS, **config})
