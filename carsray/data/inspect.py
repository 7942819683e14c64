"""One look at every picture: digest, size, and whether it can be decoded. Looks are remembered."""

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import astuple, dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from carsray.data.records import Catalog
from carsray.files import write_text
from carsray.progress import Report, silent

MAX_PIXELS = 100_000_000
"""A picture above this is taken for a decompression bomb."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a picture's file showed."""

    digest: str
    """SHA-256 of the file's bytes, in hex."""
    width: int
    height: int
    problem: str | None = None
    """Why it cannot be used; width and height are then 0 where even they are unknown."""


Inspection = dict[Path, Look]
"""A look for every picture of a catalog, by its path."""

_Stamp = tuple[int, int, int, int]
"""Size, modification time in ns, time of the last change in ns, inode: while they hold, the file is taken as unchanged.
Of two pictures without compression the sizes may be equal, and archives give all of them one modification time.
"""


def inspect(catalog: Catalog, cache: Path, report: Report = silent) -> Inspection:
    """Look at every picture of a catalog; unchanged files seen before are not opened.

    Raises DataError where the cache folder cannot be written.
    """
    paths = [picture.path for picture in catalog.pictures]
    stamps = {path: _stamp(path) for path in paths}
    memory = cache / f"inspection-{hashlib.sha256(str(catalog.root).encode()).hexdigest()[:12]}.json"
    known = _recall(memory)
    found = {path: known[path][1] for path in paths if path in known and known[path][0] == stamps[path]}
    fresh = [path for path in paths if path not in found]
    if fresh:
        try:
            for path, look in _look_at_all(fresh):
                found[path] = look
                report(len(found), len(paths))
        finally:  # an interrupted look keeps what it saw
            _remember(memory, known | {path: (stamps[path], look) for path, look in found.items()})
    return found


def _look_at_all(paths: Iterable[Path]) -> Iterator[tuple[Path, Look]]:
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        # Pillow warns of what we report ourselves; its threads share this filter.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            looks = {pool.submit(look_at, path): path for path in paths}
            for future in as_completed(looks):
                yield looks[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def look_at(path: Path) -> Look:
    """Read one file, digest it and decode it to its end."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Look("", 0, 0, error.strerror or "cannot be read")
    digest = hashlib.sha256(content).hexdigest()
    if not content:
        return Look(digest, 0, 0, "the file is empty")
    width, height, problem = _decode(content)
    return Look(digest, width, height, problem)


def _decode(content: bytes) -> tuple[int, int, str | None]:
    width = height = 0
    try:
        with Image.open(BytesIO(content)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                return width, height, f"{width}x{height} is more than {MAX_PIXELS // 10**6} megapixels"
            # A JPEG drafted to an eighth still has every one of its bytes read, at half the time.
            image.draft("L", (max(width // 8, 1), max(height // 8, 1)))
            image.load()
    except Image.DecompressionBombError:
        return width, height, f"more than {MAX_PIXELS // 10**6} megapixels"
    except UnidentifiedImageError:
        return 0, 0, "not a picture"
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them into
        return width, height, f"damaged: {error}"
    return width, height, None


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _recall(memory: Path) -> dict[Path, tuple[_Stamp, Look]]:
    try:
        entries = json.loads(memory.read_text(encoding="utf-8"))
        return {Path(path): (tuple(stamp), Look(*look)) for path, *stamp, look in entries}
    except (OSError, ValueError, TypeError):
        return {}  # missing or damaged: it is only a cache, and is built anew


def _remember(memory: Path, looks: dict[Path, tuple[_Stamp, Look]]) -> None:
    # A file that could not be read has no digest, and may be readable next time without having changed.
    entries = [(str(path), *stamp, astuple(look)) for path, (stamp, look) in looks.items() if look.digest]
    write_text(memory, json.dumps(entries))
