"""The big built-in sets: where their original archives are, by which hashes they are known, how they are read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from app.datasets.installable.cifar10 import convert as convert_cifar10
from app.datasets.installable.imdb import convert as convert_imdb
from app.datasets.installable.mnist import convert as convert_mnist

__all__ = ["INSTALLABLE", "Installable"]

Parts = dict[str, dict[str, Path]]
"""Files by role, by part (train, test)."""


class Installable(NamedTuple):
    url: str
    """Ends with "/" where a set has several files."""
    sha256: Mapping[str, str]
    """Of the original archives, by file name."""
    format: str
    convert: Callable[[Mapping[str, Path], Path], Parts]
    """Archives by name, and a folder to write in."""


INSTALLABLE: Mapping[str, Installable] = {
    "mnist": Installable(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
        "idx",
        convert_mnist,
    ),
    "fashion_mnist": Installable(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
        "idx",
        convert_mnist,
    ),
    "cifar10": Installable(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
        "idx",
        convert_cifar10,
    ),
    "imdb": Installable(
        "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        {"aclImdb_v1.tar.gz": "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"},
        "jsonl",
        convert_imdb,
    ),
}
