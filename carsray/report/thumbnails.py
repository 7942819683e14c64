"""Small pictures within the page, as data URIs."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from carsray.data.records import DataSplit, Row
from carsray.data.remote import copied

SIZE = (144, 108)
"""Pixels; what sticks out on the longer side is cut off."""
QUALITY = 72


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture and its class; without ``uri`` where it cannot be read any more."""

    name: str
    uri: str | None


class Thumbnails:
    """Makes each picture once."""

    def __init__(self, split: DataSplit, cache: Path) -> None:
        """``cache`` is where pictures from a bucket are copied to."""
        self._classes, self._cache = split.classes, cache
        self._made: dict[str, str | None] = {}

    def of(self, row: Row) -> Thumbnail:
        """The picture of a row."""
        if row.path not in self._made:
            self._made[row.path] = self._data_uri(row)
        return Thumbnail(self._classes[row.label], self._made[row.path])

    def _data_uri(self, row: Row) -> str | None:
        try:
            (here,) = copied([row], self._cache)
            return _small(Path(here.path))
        except Exception:  # gone, or damaged since it was listed, for which Pillow raises whatever it comes to
            return None


def _small(path: Path) -> str:
    with Image.open(path) as file:
        file.draft("RGB", (2 * SIZE[0], 2 * SIZE[1]))
        picture = ImageOps.fit(ImageOps.exif_transpose(file).convert("RGB"), SIZE, Image.Resampling.BICUBIC)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
