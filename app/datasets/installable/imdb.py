"""The Large Movie Review set: a text file for each review, named number_stars, in folders neg and pos.

Source: https://ai.stanford.edu/~amaas/data/sentiment/
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from app.datasets.errors import DatasetError
from app.datasets.installable.archive import members

REVIEW = re.compile(r"(?:.*/)?(train|test)/(neg|pos)/(\d{1,9})_\d{1,2}\.txt")


def convert(archives: Mapping[str, Path], folder: Path) -> dict[str, dict[str, Path]]:
    """25,000 training and 25,000 test reviews as JSON lines: label 0 is negative, 1 positive; by label, then number."""
    (path,) = archives.values()
    found: dict[str, list[tuple[int, int, str]]] = {"train": [], "test": []}
    for name, data in members(path):
        if (match := REVIEW.fullmatch(name)) is None:
            continue
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise DatasetError(f"{name[:100]!r} is not UTF-8") from error
        found[match[1]].append((int(match[2] == "pos"), int(match[3]), text))
    parts = {}
    for part, reviews in found.items():
        if not reviews:
            raise DatasetError(f"the archive has no reviews in {part}/neg and {part}/pos")
        parts[part] = {"file": folder / f"{part}.jsonl"}
        with parts[part]["file"].open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text, "label": label}) + "\n" for label, _, text in sorted(reviews))
    return parts
