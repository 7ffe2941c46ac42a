"""The real data that scikit-learn ships, described without loading it (a test compares with scikit-learn's own)."""

from collections.abc import Mapping
from typing import Any

from app.datasets.errors import DatasetError
from app.datasets.facts import Facts, UnknownDataset

BUILTIN: dict[str, Facts] = {
    "iris": Facts(150, (4,), classes=3, class_counts=(50, 50, 50), reference="iris"),
    "wine": Facts(178, (13,), classes=3, class_counts=(59, 71, 48), reference="wine"),
    "digits": Facts(
        1797,
        (1, 8, 8),
        classes=10,
        class_counts=(178, 182, 177, 183, 181, 182, 181, 179, 174, 180),
        reference="digits",
    ),
    "breast_cancer": Facts(569, (30,), classes=2, class_counts=(212, 357), reference="breast_cancer"),
    "diabetes": Facts(442, (10,), target_width=1, reference="diabetes"),
}
# Known by name, but their archives come with the operator's `descent datasets install`.
INSTALLABLE = ("mnist", "fashion_mnist", "cifar10", "imdb")


def builtin_facts(reference: str, columns: Mapping[str, Any] | None = None) -> Facts:
    """Facts of a built-in data set. Raises UnknownDataset, and DatasetError for columns, which none of them has."""
    if reference in BUILTIN:
        if columns is not None:
            raise DatasetError(f"{reference} has no named columns: leave this out")
        return BUILTIN[reference]
    if reference in INSTALLABLE:
        raise UnknownDataset(
            f"{reference} is not installed here; the operator can run: descent datasets install {reference}"
        )
    raise UnknownDataset(f"there is no data set {reference[:100]!r}; built in are: {', '.join(BUILTIN)}")
