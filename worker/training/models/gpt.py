"""GPT: a causal language model after nanoGPT (https://github.com/karpathy/nanoGPT, model.py), with its names.

Parameters: transformer.wte.weight (tied to lm_head.weight), transformer.wpe.weight, transformer.h.0.ln_1.weight,
transformer.h.0.attn.c_attn.weight, ...c_proj, ...ln_2, ...mlp.c_fc, ...mlp.c_proj, transformer.ln_f.weight.
"""

import math
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from worker.training.config import Component
from worker.training.errors import ConfigError

from .facts import Facts

DEFAULTS = {"n_layer": 4, "n_head": 4, "n_embd": 128, "dropout": 0.0, "bias": True}
INITIAL_STD = 0.02


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, width: int, heads: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width, bias), nn.Linear(width, width, bias)
        self.resid_dropout = nn.Dropout(dropout)
        self.heads, self.dropout = heads, dropout

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = self.c_attn(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        dropout = self.dropout if self.training else 0.0
        y = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return self.resid_dropout(self.c_proj(y.transpose(1, 2).reshape(batch, length, width)))  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Four times as wide, GELU, and back."""

    def __init__(self, width: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width, bias), nn.Linear(4 * width, width, bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(functional.gelu(self.c_fc(x))))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm residual attention and MLP."""

    def __init__(self, width: int, heads: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.attn = Attention(width, heads, dropout, bias)
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        self.mlp = MLP(width, dropout, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))  # type: ignore[no-any-return]


class GPT(nn.Module):
    """Tokens [B, T] -> logits [B, T, vocab_size]."""

    def __init__(self, config: Component) -> None:
        super().__init__()
        width, layers, bias = config["n_embd"], config["n_layer"], config["bias"]
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config["vocab_size"], width),
                "wpe": nn.Embedding(config["block_size"], width),
                "drop": nn.Dropout(config["dropout"]),
                "h": nn.ModuleList(Block(width, config["n_head"], config["dropout"], bias) for _ in range(layers)),
                "ln_f": nn.LayerNorm(width, bias=bias),
            }
        )
        self.lm_head = nn.Linear(width, config["vocab_size"], bias=False)
        self.transformer.get_submodule("wte").weight = self.lm_head.weight
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, std=INITIAL_STD / math.sqrt(2 * layers))
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=INITIAL_STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor) -> Tensor:
        parts: dict[str, Any] = dict(self.transformer.named_children())
        x = parts["drop"](parts["wte"](tokens) + parts["wpe"].weight[: tokens.shape[1]])
        for block in parts["h"]:
            x = block(x)
        return self.lm_head(parts["ln_f"](x))  # type: ignore[no-any-return]


def complete(config: Component, facts: Facts) -> Component:
    """Fills in vocab_size, block_size and the defaults."""
    if len(facts.shape) != 1 or facts.dtype != "int64":
        raise ConfigError("/model/type", "GPT needs tokens [block_size]: text through Tokenize with block_size")
    full = {**DEFAULTS, **config}
    full["vocab_size"] = config.get("vocab_size") or facts.tokens("/model/vocab_size")
    full["block_size"] = config.get("block_size") or facts.shape[0]
    if full["n_embd"] % full["n_head"]:
        raise ConfigError("/model/n_head", f"does not divide n_embd {full['n_embd']}")
    if full["block_size"] < facts.shape[0]:
        raise ConfigError("/model/block_size", f"is less than the {facts.shape[0]} tokens of a sample")
    return full


def build(config: Component) -> nn.Module:
    return GPT({**DEFAULTS, **config})
