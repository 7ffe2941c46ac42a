"""MNIST and Fashion-MNIST come in the format that the reader takes: gzip'd IDX files, kept as they are."""

from collections.abc import Mapping
from pathlib import Path


def convert(archives: Mapping[str, Path], folder: Path) -> dict[str, dict[str, Path]]:
    """60,000 training and 10,000 test images [1, 28, 28]."""
    return {
        part: {
            "images": archives[f"{prefix}-images-idx3-ubyte.gz"],
            "labels": archives[f"{prefix}-labels-idx1-ubyte.gz"],
        }
        for part, prefix in (("train", "train"), ("test", "t10k"))
    }
