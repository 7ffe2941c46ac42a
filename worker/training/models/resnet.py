"""ResNet 18, 34 and 50 (He et al., Deep Residual Learning, 2015), with a stem for small images and a width.

Parameters: stem.conv, stem.bn, layer1.0.conv1, layer1.0.bn1, ..., layer2.0.shortcut.conv, layer2.0.shortcut.bn, fc.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from worker.training.config import Component
from worker.training.errors import ConfigError

from .facts import Facts

DEPTHS = {18: ("basic", (2, 2, 2, 2)), 34: ("basic", (3, 4, 6, 3)), 50: ("bottleneck", (3, 4, 6, 3))}
DEFAULTS = {"stem": "small", "width": 64}


def _conv(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)


def _shortcut(channels: int, out: int, stride: int) -> nn.Module | None:
    if channels == out and stride == 1:
        return None
    return nn.Sequential(OrderedDict(conv=_conv(channels, out, 1, stride), bn=nn.BatchNorm2d(out)))


class Basic(nn.Module):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(channels, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3), nn.BatchNorm2d(width)
        self.shortcut = _shortcut(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions, four times as wide at the end."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * self.expansion
        self.conv1, self.bn1 = _conv(channels, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, out, 1), nn.BatchNorm2d(out)
        self.shortcut = _shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Module):
    """[B, C, H, W] -> [B, out_features]."""

    def __init__(self, depth: int, stem: str, width: int, in_channels: int, out_features: int) -> None:
        super().__init__()
        kind, counts = DEPTHS[depth]
        block: type[Basic | Bottleneck] = Basic if kind == "basic" else Bottleneck
        small = stem == "small"
        conv = _conv(in_channels, width, 3) if small else _conv(in_channels, width, 7, 2)
        self.stem = nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(width), relu=nn.ReLU()))
        if not small:
            self.stem.add_module("pool", nn.MaxPool2d(3, 2, 1))
        channels = width
        for index, count in enumerate(counts):
            blocks, size = [], width * 2**index
            for number in range(count):
                blocks.append(block(channels, size, 2 if index and not number else 1))
                channels = size * block.expansion
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, out_features)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for index in range(1, 5):
            x = self.get_submodule(f"layer{index}")(x)
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


def complete(config: Component, facts: Facts) -> Component:
    """{"depth": 18|34|50, "stem": "small"|"imagenet", "width": 64} with in_channels and out_features."""
    if len(facts.shape) != 3:
        raise ConfigError("/model/type", f"ResNet needs images [C, H, W], the data has {facts.shape}")
    if config["depth"] not in DEPTHS:
        raise ConfigError("/model/depth", f"is one of {sorted(DEPTHS)}")
    full = {**DEFAULTS, **config, "in_channels": config.get("in_channels") or facts.shape[0]}
    full["out_features"] = config.get("out_features") or facts.outputs
    if full["stem"] not in ("small", "imagenet"):
        raise ConfigError("/model/stem", "is small or imagenet")
    if full["in_channels"] != facts.shape[0]:
        raise ConfigError("/model/in_channels", f"is {full['in_channels']}, but the data has {facts.shape[0]}")
    return full


def build(config: Component) -> nn.Module:
    full = {**DEFAULTS, **config}
    return ResNet(full["depth"], full["stem"], full["width"], full["in_channels"], full["out_features"])
