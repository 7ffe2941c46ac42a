"""What is wrong with an uploaded file."""


class DatasetError(ValueError):
    """The file is not what it says it is, or cannot be trained on: a sentence for the client (422)."""

    def __init__(
        self, detail: str, *, row: int | None = None, column: str | None = None, pointer: str = "/file"
    ) -> None:
        """`row` counts samples (lines, for text formats) from 1; `pointer`: which part of the request is at fault."""
        place = [f"row {row:,}"] if row is not None else []
        if column is not None:
            place.append(f"column {column[:100]!r}")
        super().__init__(f"{', '.join(place)}: {detail}" if place else detail)
        self.pointer = pointer


class DatasetTooLarge(DatasetError):
    """Over a limit of size (413)."""
