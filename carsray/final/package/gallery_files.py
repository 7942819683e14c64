"""Writes the gallery of a package: embeddings, the table of its pictures, thumbnails, an index where it is large."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from carsray.data.decode import thumbnail
from carsray.data.records import Row
from carsray.files import write_bytes, write_json, write_text
from carsray.final.package.folder import Package
from carsray.final.package.gallery import COLUMNS, Entry, SearchPoint, readable
from carsray.progress import Report
from carsray.retrieval.normalize import fit_normalize

SIDE = 160
"""Pixels on the longer side of a thumbnail."""
QUALITY = 80
SEARCHED_EXACTLY = 1 << 26
"""Values of a gallery up to which it is searched exactly: 50 ms for one picture on two cores, and 256 MB to read."""
MEASURED = 200
"""Gallery pictures that the index is measured with."""


def write_embeddings(package: Package, embeddings: np.ndarray, labels: np.ndarray) -> None:
    """Write embeddings float32 (N, D) and labels int64 (N,)."""
    write_bytes(package.gallery, safetensors.numpy.save({"embeddings": embeddings, "labels": labels}))


def entries_of(
    package: Package, rows: Sequence[Row], classes: Sequence[str], data: Path, pictures: bool
) -> list[Entry]:
    """What the table says of them. A file is called by its path within the data; by its name if it lies elsewhere."""
    entries: list[Entry] = []
    for at, row in enumerate(rows):
        path = Path(row.path)
        name = path.relative_to(data).as_posix() if path.is_relative_to(data) else path.name
        entries.append(
            (readable(name), row.label, readable(classes[row.label]), thumbnail_path(package, at) if pictures else None)
        )
    return entries


def write_table(package: Package, entries: Iterable[Entry]) -> None:
    """Write a line a picture."""
    text = io.StringIO()
    table = csv.writer(text)  # its own line end: with another it would not quote a CR within a name
    table.writerow(COLUMNS)
    for at, (file, label, name, shown) in enumerate(entries):
        table.writerow([at, file, label, name, package.name(shown) if shown else ""])
    write_text(package.gallery_table, text.getvalue())


def write_thumbnails(shown: Sequence[tuple[Row, Path]], report: Report) -> None:
    """Write a small JPEG of each picture to its path, aspect kept.

    Raises DataError where a file is gone or has changed.
    """

    def write(one: tuple[Row, Path]) -> None:
        row, path = one
        path.parent.mkdir(exist_ok=True)
        thumbnail(row, SIDE).save(path, "JPEG", quality=QUALITY)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(write, shown), 1):
            report(done, len(shown))


def write_search(package: Package, embeddings: np.ndarray, point: SearchPoint, chosen_by: str) -> None:
    """Write how neighbours are found and, for a gallery that is slow to search exactly, an approximate index."""
    facts: dict[str, Any] = {"point": point.model_dump(), "chosen_by": chosen_by, "index": None}
    facts |= {"gallery": len(embeddings), "dimensions": embeddings.shape[1]}
    if embeddings.size > SEARCHED_EXACTLY:
        from carsray.retrieval.serving import build_index, measure_index, save_index

        rows = fit_normalize(point.normalize, embeddings)(embeddings)
        index = build_index("hnsw", rows, point.distance)
        own = np.arange(0, len(rows), max(len(rows) // MEASURED, 1))
        save_index(index, package.index)
        facts["index"] = asdict(measure_index(index, "hnsw", rows, rows[own], point.k, point.distance, own))
    write_json(package.retrieval, facts)


def thumbnail_path(package: Package, at: int) -> Path:
    """Where the thumbnail of a row of the gallery lies."""
    return package.pictures / f"{at:05d}.jpg"
