"""A zip of images in class folders, by Pillow: uint8 [C, H, W], one channel when all are grey, else three."""

import io
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import Files
from app.datasets.limits import MAX_PIXELS, Limits

from . import archive
from .table import Names, Rows, Table, Types, no_such_column, rows_at_once

COLUMNS = ["image", "label"]
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "GIF", "WEBP")
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".gif", ".webp")
WIDE = ("I;16", "I;16B", "I")
"""Sixteen bits of grey (Pillow reads such PGM files as 32): the upper eight are kept."""
GREY = ("1", "L", "LA", *WIDE)
BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def read(files: Files, limits: Limits, types: Types | None) -> Table:
    """Samples are in the order of class name, then file name."""
    path = files["file"]
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    with archive.opened(path) as opened:
        infos = _images(archive.members(opened, limits))
        grey, size = True, (0, 0)
        for row, info in enumerate(infos, 1):
            with _image(opened, info) as image:
                grey = grey and image.mode in GREY
                if row == 1:
                    size = image.size
                elif image.size != size:
                    found, first = "{} by {}".format(*image.size), "{} by {}".format(*size)
                    raise DatasetError(
                        f"{info.filename[:100]!r} is {found}, the first image {first}: all must have one size"
                    )
    channels = 1 if grey else 3
    if len(infos) * channels * size[0] * size[1] > limits.decoded_bytes or len(infos) > limits.rows:
        raise DatasetTooLarge(f"{len(infos):,} images of this size decode to more than {limits.decoded_bytes:,} bytes")
    labels: list[str | None] = list(_classes(infos))

    def batches(wanted: Names) -> Iterator[Rows]:
        for name in wanted:
            if name not in COLUMNS:
                raise no_such_column(name, COLUMNS)
        step = rows_at_once(channels * size[0] * size[1])
        with archive.opened(path) as opened:
            for start in range(0, len(infos), step):
                rows: Rows = {"label": labels[start : start + step]}
                if "image" in wanted:
                    rows["image"] = np.stack([_pixels(opened, info, grey) for info in infos[start : start + step]])
                yield {name: rows[name] for name in wanted}

    return Table(COLUMNS, batches, {}, "label", warnings=_below_classes(infos))


def _images(infos: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The members that are samples, in order."""
    found = []
    for info in infos:
        path = PurePosixPath(info.filename)
        if path.parts[0] == "__MACOSX" or path.name.startswith(".") or path.name == "Thumbs.db":
            continue
        if path.suffix.lower() not in ENDINGS:
            raise DatasetError(f"{info.filename[:100]!r} is no image ({', '.join(ENDINGS)})")
        found.append(info)
    if not found:
        raise DatasetError("the zip has no images in class folders")
    for info, name in zip(found, _classes(found), strict=True):
        if not name:
            raise DatasetError(f"{info.filename[:100]!r} lies in no class folder")
    ordered = sorted(zip(_classes(found), found, strict=True), key=lambda item: (item[0], item[1].filename))
    return [info for _, info in ordered]


def _classes(infos: list[zipfile.ZipInfo]) -> list[str]:
    """Of each image its class folder: the first one below the folders that all of them lie in."""
    folders = [PurePosixPath(info.filename).parent.parts for info in infos]
    shared = 0
    while len(set(folders)) > 1 and len({folder[shared : shared + 1] for folder in folders}) == 1:
        shared += 1
    if len(set(folders)) == 1:
        shared = len(folders[0]) - 1  # one class
    return ["".join(folder[shared : shared + 1]) for folder in folders]


def _below_classes(infos: list[zipfile.ZipInfo]) -> tuple[str, ...]:
    """A note when folders below the class folders count as the class."""
    depths = {len(PurePosixPath(info.filename).parent.parts) for info in infos}
    names = sorted(set(_classes(infos)))
    if len(depths) == 1 and all(PurePosixPath(info.filename).parent.name in names for info in infos):
        return ()
    listed = ", ".join(repr(name[:50]) for name in names[:10])
    return (f"some images lie in folders below their class folder; the classes are {listed}",)


def _image(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Image.Image:
    """Opened, not decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(opened.read(info)), formats=FORMATS)
    except (*BROKEN, Image.DecompressionBombWarning) as error:
        raise _broken(info, error) from error
    return image


def _pixels(opened: zipfile.ZipFile, info: zipfile.ZipInfo, grey: bool) -> NDArray[np.uint8]:
    with _image(opened, info) as image:
        try:
            if image.mode in WIDE:
                upper = np.asarray(image).astype(np.int64) >> 8
                image = Image.fromarray(upper.clip(0, 255).astype(np.uint8))
            pixels = np.asarray(image.convert("L" if grey else "RGB"), dtype=np.uint8)
        except BROKEN as error:
            raise _broken(info, error) from error
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _broken(info: zipfile.ZipInfo, error: Exception) -> DatasetError:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return DatasetTooLarge(f"{info.filename[:100]!r} has more than {MAX_PIXELS:,} pixels")
    why = "" if isinstance(error, UnidentifiedImageError) else f": {str(error)[:200]}"  # it names a Python object
    return DatasetError(f"{info.filename[:100]!r} is no readable image{why}")
